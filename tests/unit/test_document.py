import logging
from collections.abc import Mapping
from datetime import timedelta

import pytest
from hypothesis import given
from support.fakes import NOW, Document, MemoryLedger, a_job, as_stored
from support.later import CODE, DAMAGES, EFFECT, MORE, as_the_next, beyond
from support.strategies import JOBS

from jobs import lifecycle
from jobs.document import decode, encode
from jobs.ledger import UnreadableJobError
from schemas.failure import Code
from schemas.job import Change, Effect, Job, Revision, State


def kept(document: Document) -> dict[str, object]:
    return dict(beyond(document))


@given(JOBS)
def test_a_new_job_comes_back_from_its_document(job: Job) -> None:
    stored = as_stored(encode(job))
    assert decode(job.job_id, stored, mark=None) == job.evolve(revision=Revision(None, stored))


@given(JOBS)
def test_what_is_read_and_not_changed_is_written_as_it_was_stored(job: Job) -> None:
    document = as_the_next(job)
    written = encode(decode(job.job_id, document, mark=1))
    assert {**document, **written} == document


@given(JOBS, JOBS)
def test_a_change_is_what_comes_back_whatever_lies_beneath(job: Job, other: Job) -> None:
    document = as_the_next(job)
    changed = decode(job.job_id, document, mark=1).evolve(
        **dict(other.evolve(revision=Revision(1, document)))
    )
    written = {**document, **encode(changed)}
    assert decode(other.job_id, written, mark=2).model_dump() == changed.model_dump()


def test_what_a_later_release_knows_is_not_read() -> None:
    job = lifecycle.claim(a_job(), "w", NOW)
    read = decode(job.job_id, as_the_next(job), mark=1)
    held = Change.model_construct(at=NOW, event="PARKED", state="HELD", code=Code(CODE))
    expected = job.evolve(pending=(Effect(EFFECT),), history=(held, *job.history), revision=read.revision)
    assert read == expected
    assert "more" not in read.model_dump_json()


def test_a_field_within_a_field_outlives_a_change_beside_it() -> None:
    job = lifecycle.claim(a_job(), "w", NOW)
    read = decode(job.job_id, as_the_next(job), mark=1)
    written = as_stored(encode(lifecycle.renew(read, NOW + timedelta(minutes=1))))
    assert written["lease"] == {
        "holder": "w",
        "expires_at": NOW + timedelta(minutes=1) + lifecycle.LEASE,
        "more": MORE,
    }


def test_a_list_that_grows_keeps_what_its_elements_had() -> None:
    document = as_the_next(a_job(history=(Change(at=NOW, event="TAKEN_IN", state=State.QUEUED),)))
    written = encode(lifecycle.claim(decode("0" * 16, document, mark=1), "w", NOW))
    [*before, last] = as_stored(written["history"])
    assert before == document["history"]
    assert last == {"at": NOW, "event": "CLAIMED", "state": "RUNNING", "code": None}


def test_an_element_that_is_another_one_inherits_nothing() -> None:
    failed = lifecycle.supersede(a_job(), NOW)
    document = as_the_next(failed)
    [other] = lifecycle.cancel(a_job(), NOW, "why").errors
    read = decode(failed.job_id, document, mark=1)
    assert as_stored(encode(read.evolve(errors=(other,)))["errors"]) == [as_stored(other.model_dump())]


def test_what_is_cleared_is_gone() -> None:
    job = lifecycle.claim(a_job(waits_for=("x",), scores={"ptm": 0.5}), "w", NOW)
    read = decode(job.job_id, as_the_next(job), mark=1)
    written = encode(read.evolve(lease=None, waits_for=(), scores={}))
    assert (written["lease"], list(written["waits_for"]), written["scores"]) == (None, [], {})  # type: ignore[call-overload]


def test_a_field_that_an_earlier_release_did_not_write_is_written() -> None:
    document = as_stored(encode(a_job()))
    del document["scores"], document["cached_from"], document["options"]
    written = encode(decode("0" * 16, document, mark=1))
    assert as_stored(written) == as_stored(encode(a_job()))


def test_an_option_that_this_release_does_not_know_is_named_and_kept() -> None:
    document = as_the_next(a_job())
    document["options"] |= {"step_scale": 1.5, "cyclic": True}
    job = decode("0" * 16, document, mark=1)
    assert job.unknown_options == ("cyclic", "step_scale")
    assert job.options == a_job().options
    assert encode(job)["options"] == document["options"]


@pytest.mark.parametrize(
    ("damage", "said"),
    {
        "state": "state is 'HELD': Input should be 'WAITING', 'ALIGNING', ",
        "type": "attempt is 'many': Input should be a valid integer",
        "time": "updated_at is 'soon': ",
        "nested": "source is 'gs://in/run42/foo.yaml': ",
        "nothing": "source: Input should be a valid dictionary.*; trace: .*; created_at: ",
    }.items(),
)
def test_what_cannot_be_read_is_said_by_field_and_value(damage: str, said: str) -> None:
    with pytest.raises(UnreadableJobError, match=f"record of job {'0' * 16}: {said}") as raised:
        decode("0" * 16, as_the_next(a_job()) | DAMAGES[damage], mark=1)
    assert "docs/operations.md" in str(raised.value)


def test_what_cannot_be_read_is_not_shown_but_for_the_value_that_is_wrong() -> None:
    document = as_the_next(a_job()) | {"state": "H" * 500, "attempt": {"more": "secret"}}
    del document["trace"]
    with pytest.raises(UnreadableJobError) as raised:
        decode("0" * 16, document, mark=1)
    assert "secret" not in str(raised.value)
    assert "next release" not in str(raised.value)
    assert "trace: Field required" in str(raised.value)
    assert len(str(raised.value)) < 1000
    assert raised.value.__suppress_context__


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_search_names_what_it_passes_over_once(
    caplog: pytest.LogCaptureFixture, damage: Mapping[str, object]
) -> None:
    ledger = MemoryLedger()
    ledger.put({**as_the_next(a_job(job_id="b" * 16)), **damage})
    good = ledger.create(a_job())
    assert ledger.all() == [good]
    [record] = caplog.records
    assert (record.levelno, record.__dict__["job_id"]) == (logging.ERROR, "b" * 16)
    assert "b" * 16 in record.getMessage()
