"""The plan's composite indexes are those that the ledger's searches need. The emulator asks for none."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import get_args, get_origin

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore
from google.cloud.firestore_v1.types import StructuredQuery
from pydantic import BaseModel
from support import plan

from gcp.ledger import FirestoreLedger
from schemas.job import Job, State

Field = tuple[str, str]
"""A field's path, and how an index holds it: ASCENDING, DESCENDING or CONTAINS."""

NOW = datetime.now(UTC)


class SearchedError(Exception):
    """Carries the search that would have been sent."""


class SearchingLedger(FirestoreLedger):
    """The ledger up to the moment in which it would search or count."""

    def _read(self, query: firestore.Query, size: int) -> Iterator[Job]:
        raise SearchedError(query.limit(size)._to_protobuf())

    def _count(self, query: firestore.Query) -> int:
        raise SearchedError(query._to_protobuf())


SEARCHES: dict[str, tuple[object, ...]] = {
    "generations": ("in", "run/a.yaml"),
    "unfinished": ("in", "run/"),
    "count_unfinished": ("in", "run/", 20),
    "under": ("in", "run/", tuple(State), 20),
    "count_under": ("in", "run/", (State.FAILED,)),
    "longest_queued": (),
    "predicted": (NOW, 20),
    "unsettled": (NOW,),
    "unserved": (NOW,),
    "newest_running": (),
    "last_ended": (NOW,),
    "aligning": (),
}
"""Methods that find jobs, with arguments. The others look jobs up by id, or compare a single field."""

BY_ONE_FIELD = {
    "count",
    "succeeded_as",
    "count_as",
    "waits",
    "waiting_for",
    "waiting",
    "lapsed",
    "aligning_for",
}
BY_ID = {"create", "get", "replace", "states", "unknown", "verdicts"}


@pytest.fixture
def ledger() -> FirestoreLedger:
    return SearchingLedger(firestore.Client("test-indexes", AnonymousCredentials()))


def search(ledger: FirestoreLedger, method: str) -> StructuredQuery:
    with pytest.raises(SearchedError) as caught:
        list(getattr(ledger, method)(*SEARCHES[method]))  # some ask when they are gone through
    [query] = caught.value.args
    assert isinstance(query, StructuredQuery)
    return query


def conditions(where: StructuredQuery.Filter) -> Iterator[StructuredQuery.FieldFilter]:
    """Return the comparisons of a search, which are all joined by AND."""
    if where.composite_filter.filters:
        for inner in where.composite_filter.filters:
            yield from conditions(inner)
    elif where.field_filter.field.field_path:
        yield where.field_filter


def needed(query: StructuredQuery) -> frozenset[Field] | None:
    """Say which composite index a search needs; None where Firestore's own, of single fields, do.

    https://firebase.google.com/docs/firestore/query-data/index-overview
    """
    operator = StructuredQuery.FieldFilter.Operator
    fields = {
        found.field.field_path: "CONTAINS" if found.op == operator.ARRAY_CONTAINS else "ASCENDING"
        for found in conditions(query.where)
    }
    for order in query.order_by:
        if order.field.field_path != "__name__":
            fields[order.field.field_path] = order.direction.name
    return frozenset(fields.items()) if len(fields) > 1 else None


def planned() -> set[frozenset[Field]]:
    return {
        frozenset((part["field"], part.get("order", "CONTAINS")) for part in parts)
        for parts in plan.local_values()["indexes"].values()
    }


def test_every_search_has_its_index_and_every_index_its_search(ledger: FirestoreLedger) -> None:
    indexes = {needed(search(ledger, method)) for method in SEARCHES}
    assert indexes - {None} == planned()


def test_ranges_and_orders_come_last_in_an_index(ledger: FirestoreLedger) -> None:
    last = {parts[-1]["field"] for parts in plan.local_values()["indexes"].values()}
    orders = (search(ledger, method).order_by for method in SEARCHES)
    assert last == {order[0].field.field_path for order in orders if order}


def test_no_method_of_the_ledger_is_forgotten_here() -> None:
    methods = {name for name in vars(FirestoreLedger) if not name.startswith("_")}
    assert methods == {*SEARCHES, *BY_ONE_FIELD, *BY_ID}


def test_what_is_searched_by_keeps_its_index() -> None:
    searched = {field.partition(".")[0] for index in planned() for field, _ in index}
    searched |= {
        "fingerprint",
        "waits_for",
        "aligns",
        "lease",
        "wait_until",
    }  # the last by the release before
    assert searched & set(plan.local_values()["unsearched"]) == set()
    fields = {name for name in plan.local_values()["unsearched"] if "." not in name}
    assert fields == {name for name in Job.model_fields if holds_many(name)} - searched


def holds_many(field: str) -> bool:
    """Tell whether a stored field of a job is a list, a map, or a record: each value would be in an index."""
    stored = Job.model_fields[field]
    kinds = {get_origin(kind) or kind for kind in (stored.annotation, *get_args(stored.annotation))}
    return not stored.exclude and any(
        isinstance(kind, type) and issubclass(kind, tuple | Mapping | BaseModel) for kind in kinds
    )


def test_jobs_are_forgotten_by_the_field_that_the_lifecycle_sets() -> None:
    field = plan.resources()["google_firestore_field.expire_at"]
    assert "ttl_config" in field
    assert field["field"] in Job.model_fields
    assert {state for state in State if state.terminal}  # jobs/lifecycle.py sets it in these alone
