"""What a release writes, the one before it reads, and the other way round: workers and commands live on.

What is kept in tests/contract/released/ is the last release's. Where a test fails, what was changed breaks
what is deployed: docs/decisions/010-records-of-another-release.md says how to change it instead.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator, FormatChecker
from pydantic_core import to_json
from support.fakes import NOW, a_job
from support.later import DAMAGES, as_the_next
from support.released import FOLDER, KINDS, as_json, demanded, jobs, written
from support.strategies import JOBS

from jobs import lifecycle
from jobs.document import decode
from jobs.ledger import UnreadableJobError
from schemas.job import Job
from schemas.messages import Event
from schemas.receipt import Receipt

KEPT = {kind: json.loads((FOLDER / f"{kind}.json").read_text(encoding="utf-8")) for kind in KINDS}
FORMATS = FormatChecker()
Written = dict[str, Any]


@FORMATS.checks("date-time", ValueError)
def is_a_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def reader(schema: dict[str, Any]) -> Draft202012Validator:
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=FORMATS)


RELEASED = {kind: reader(kept["demanded"]) for kind, kept in KEPT.items()}


def read(kind: str, content: Written) -> Job | Receipt | Event:
    """Read as this release does."""
    if kind == "job":
        return decode(content["job_id"], content, mark=None)
    if kind == "receipt":
        return Receipt.decode(to_json(content))
    model = KINDS[kind]
    assert issubclass(model, Event)
    return model.decode(to_json(content["data"]), content["attributes"])


def is_known(record: Written) -> bool:
    """Tell whether the released reader takes a record for one of its jobs; it passes over the others."""
    return record["state"] in KEPT["job"]["demanded"]["$defs"]["State"]["enum"]


def all_kept() -> Iterator[tuple[str, Written]]:
    for kind, kept in KEPT.items():
        for content in kept["written"]:
            yield kind, content


@pytest.mark.parametrize(("kind", "content"), all_kept())
def test_what_the_released_wrote_is_read(kind: str, content: Written) -> None:
    assert read(kind, content)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_now_the_released_reads(kind: str) -> None:
    for content in written(kind):
        if kind != "job" or is_known(content):
            RELEASED[kind].validate(read(kind, content).model_dump(mode="json"))


@given(JOBS)
def test_any_record_of_now_the_released_reads(job: Job) -> None:
    record = as_json(job)
    if is_known(record):
        RELEASED["job"].validate(record)


@pytest.mark.parametrize("record", KEPT["job"]["written"], ids=lambda record: record["state"])
def test_what_is_written_over_a_released_record_the_released_reads(record: Written) -> None:
    job = decode(record["job_id"], record, mark=None)
    for event in lifecycle.TABLE[job.state]:
        changed = as_json(lifecycle.advance(job, event, NOW))
        assert changed != record
        if is_known(changed):
            RELEASED["job"].validate(changed)


def is_read(record: Written) -> bool:
    try:
        return not decode(record["job_id"], record, mark=None).unknown_options
    except UnreadableJobError:
        return False


@pytest.mark.parametrize("damage", ["none", *DAMAGES, "option"])
def test_what_is_kept_of_a_reader_is_what_it_demands(damage: str) -> None:
    options = {"options": {**a_job().options.model_dump(), "step_scale": 1.5}}
    changes = {"none": {}, "option": options, **DAMAGES}[damage]
    for job in jobs():
        record = json.loads(to_json(as_the_next(job) | changes))
        assert reader(demanded("job")).is_valid(record) == is_read(record) == (damage == "none")
