import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from support.fakes import BusyLedger, MemoryBucket, MemoryLedger, RefusingOnce, a_job, a_source
from support.inbox import Inbox, an_event
from support.inputs import INPUT, MSA, one_protein
from support.later import as_the_next

from functions.intake import output_prefix
from jobs import lifecycle
from jobs.ledger import NEWEST, UnreadableJobError
from jobs.lifecycle import RETENTION
from schemas.failure import Code, Failure
from schemas.job import Job, State, job_id
from schemas.storage import ObjectHead
from worker.errors import LeaseLostError
from worker.lease import LeasedJob

WITH_MSA = one_protein(msa="trp.a3m").encode()


def rejected(inbox: Inbox, code: Code) -> Job:
    """Return the only job, which was rejected for this reason, with a receipt, an event and no request."""
    job = inbox.ledger.only()
    assert (job.state, job.errors[0].code) == (State.REJECTED, code)
    assert inbox.receipt(job)["error"]["remedy"]
    assert [message.attributes["state"] for message in inbox.completions.messages] == ["REJECTED"]
    assert not inbox.requests.messages
    return job


def test_a_valid_input_is_queued_and_asked_for_once() -> None:
    inbox = Inbox()
    inbox.drop("run42/foo.yaml")
    job = inbox.ledger.only()
    assert (job.state, job.batch) == (State.QUEUED, "run42")
    assert job.job_id == job_id("in", "run42/foo.yaml", 7)
    assert job.output_prefix == f"run42/foo/{job.job_id}/"
    assert len(inbox.requests.messages) == 1


def test_a_job_knows_that_its_result_is_to_be_computed() -> None:
    inbox = Inbox()
    inbox.drop("foo.yaml", metadata={"dropfold-fresh": "true"})
    assert inbox.ledger.only().fresh


def test_the_tokens_of_an_input_are_recorded_and_what_cannot_be_read_has_none() -> None:
    inbox = Inbox()
    inbox.drop("foo.yaml", b"sequences: [{dna: {id: [A, B], sequence: ACGT}}, {ligand: {id: L, ccd: ATP}}]")
    assert inbox.ledger.only().tokens == 39
    inbox = Inbox()
    inbox.drop("foo.yaml", b"sequences: [{ligand: {id: L, smiles: 'C('}}]")
    assert rejected(inbox, Code.INVALID_INPUT).tokens is None


def test_the_same_event_three_times_is_one_job() -> None:
    inbox = Inbox()
    event = inbox.put("foo.yaml")
    for _ in range(3):
        inbox.announce(event)
    assert inbox.ledger.only().state is State.QUEUED
    assert len(inbox.requests.messages) == 1


def test_an_event_that_comes_again_finishes_what_the_first_left_pending() -> None:
    inbox = Inbox(requests=RefusingOnce())
    event = inbox.put("foo.yaml")
    with pytest.raises(ConnectionError):
        inbox.announce(event)
    for _ in range(2):
        inbox.announce(event)
    assert inbox.ledger.only().state is State.QUEUED
    assert len(inbox.requests.messages) == 1


def test_an_instance_that_took_an_upload_in_does_not_look_at_it_again() -> None:
    inbox = Inbox()
    inbox.drop("foo.yaml")
    inbox.ledger.documents.clear()
    inbox.announce(an_event("foo.yaml"))
    assert not inbox.ledger.documents


def test_another_instance_finds_the_job_and_asks_once_more() -> None:
    inbox = Inbox()
    inbox.drop("foo.yaml")
    del inbox.intake
    inbox.announce(an_event("foo.yaml"))
    assert inbox.ledger.only().state is State.QUEUED
    assert {message.attributes["ce-id"] for message in inbox.requests.messages} == {
        f"{inbox.ledger.only().job_id}-requested-0"
    }


def test_the_seed_comes_from_the_file_or_from_the_uploader() -> None:
    first, second, asked = Inbox(), Inbox(), Inbox()
    first.drop("a.yaml")
    second.drop("b.yaml", b"# the same, said otherwise\r\n" + INPUT)
    asked.drop("c.yaml", metadata={"dropfold-seed": "0"})
    assert first.ledger.only().options.seed == second.ledger.only().options.seed
    assert first.ledger.only().options.seed is not None
    assert asked.ledger.only().options.seed == 0


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("notes.txt", b"hello", Code.UNSUPPORTED_FILE),
        ("no_suffix", b"hello", Code.UNSUPPORTED_FILE),
        ("broken.yaml", b"sequences: [", Code.INVALID_INPUT),
        ("empty.yaml", b"", Code.INVALID_INPUT),
        ("latin.yaml", b"sequences: \xff", Code.INVALID_INPUT),
        ("no_msa.yaml", INPUT.replace(b", msa: empty", b""), Code.INVALID_INPUT),
        ("empty.fasta", b"", Code.INVALID_INPUT),
        ("large.yaml", b" " * (1024 * 1024 + 1), Code.TOO_LARGE),
    ],
)
def test_what_cannot_be_predicted_is_rejected_with_receipt_and_event(
    name: str, content: bytes, code: Code
) -> None:
    inbox = Inbox()
    inbox.drop(name, content)
    rejected(inbox, code)


def test_a_protein_without_msa_is_told_what_to_add() -> None:
    inbox = Inbox()
    inbox.drop("foo.yaml", INPUT.replace(b", msa: empty", b""))
    failure = rejected(inbox, Code.INVALID_INPUT).errors[0]
    assert failure.field == "sequences[0].protein.msa"
    assert "msa: empty" in failure.remedy


def test_bad_options_and_a_bad_file_are_reported_together() -> None:
    inbox = Inbox()
    inbox.drop("foo.yaml", b"sequences: 1", metadata={"dropfold-samples": "0"})
    fields = [failure.field for failure in rejected(inbox, Code.INVALID_INPUT).errors]
    assert fields[0] == "metadata.dropfold-samples"
    assert len(fields) > 1


def test_a_chain_id_that_pdb_cannot_hold_is_rejected_before_anything_runs() -> None:
    metadata = {"dropfold-output-format": "pdb"}
    inbox, fine = Inbox(), Inbox()
    inbox.drop("foo.yaml", INPUT.replace(b"id: A", b"id: AB"), metadata=metadata)
    assert "AB" in rejected(inbox, Code.INVALID_INPUT).errors[0].message
    fine.drop("foo.yaml", INPUT, metadata=metadata)
    assert fine.ledger.only().state is State.QUEUED


@pytest.mark.parametrize(
    "name",
    [
        "folder/",
        ".hidden.yaml",
        "run/.DS_Store",
        "run/.ipynb_checkpoints/k-checkpoint.yaml",
        ".git/a/b/x.yaml",
        "gcloud/tmp/parallel_composite_uploads/see_gcloud_storage_cp_help_for_details/part.yaml",
        "run/gcloud/tmp/parallel_composite_uploads/see_gcloud_storage_cp_help_for_details/part.yaml",
        "/gsutil/tmp/parallel_composite_uploads/for_details_see/gsutil_help_cp/part.yaml",
    ],
)
def test_what_is_nobody_s_upload_is_ignored(name: str) -> None:
    inbox = Inbox()
    inbox.drop(name)
    assert not inbox.ledger.documents


def test_an_object_that_is_gone_before_it_was_read_is_cancelled() -> None:
    inbox = Inbox()
    inbox.announce(an_event("foo.yaml"))
    assert inbox.ledger.only().state is State.CANCELLED
    assert inbox.ends() == [(7, "CANCELLED")]


FIRST, SECOND, GONE = "first", "second", "gone"


@pytest.mark.parametrize("order", itertools.permutations([FIRST, SECOND, GONE]))
def test_an_overwritten_upload_is_superseded_whatever_the_order_of_the_events(order: Sequence[str]) -> None:
    inbox = Inbox()
    inbox.uploads.put("foo.yaml", INPUT, generation=8)
    events = {
        FIRST: lambda: inbox.announce(an_event("foo.yaml", 7)),
        SECOND: lambda: inbox.announce(an_event("foo.yaml", 8)),
        GONE: lambda: inbox.announce_deleted(an_event("foo.yaml", 7)),
    }
    for event in (*order, *order):  # each twice
        events[event]()
    assert inbox.ends() == [(7, "SUPERSEDED")]
    assert {job.source.generation: job.state for job in inbox.ledger.all()} == {
        7: State.SUPERSEDED,
        8: State.QUEUED,
    }
    assert len(inbox.requests.messages) == 1


@pytest.mark.parametrize("content", [INPUT, WITH_MSA])
def test_a_new_generation_supersedes_what_is_queued_or_waits(content: bytes) -> None:
    inbox = Inbox()
    inbox.drop("foo.yaml", content)
    inbox.drop("foo.yaml", b"not an input")
    assert inbox.ends() == [(7, "SUPERSEDED"), (8, "REJECTED")]


def test_an_older_generation_that_is_rejected_late_gets_its_receipt_too() -> None:
    inbox = Inbox()
    for generation in (8, 7):
        inbox.announce(an_event("letter.txt", generation))
    assert inbox.ends() == [(7, "REJECTED"), (8, "REJECTED")]


def test_what_the_ledger_knows_to_be_overwritten_is_superseded_when_all_generations_are_gone() -> None:
    inbox = Inbox()
    inbox.announce(an_event("foo.yaml", 8))
    inbox.announce_deleted(an_event("foo.yaml", 7))
    assert inbox.ends() == [(7, "SUPERSEDED"), (8, "CANCELLED")]


def test_a_worker_loses_a_job_that_is_overwritten_or_deleted_as_it_runs() -> None:
    for event in ("overwritten", "deleted"):
        inbox = Inbox()
        inbox.drop("foo.yaml")
        mine = LeasedJob(inbox.ledger, inbox.ledger.only(), "worker", renew_seconds=60)
        mine.claim()
        if event == "overwritten":
            inbox.drop("foo.yaml")
        else:
            del inbox.uploads.objects["foo.yaml"]
            inbox.announce_deleted(an_event("foo.yaml"))
        with pytest.raises(LeaseLostError):
            mine.renew()
        mine.stop_renewing()
        assert inbox.ends() == [(7, "SUPERSEDED" if event == "overwritten" else "CANCELLED")]


def test_a_deleted_upload_is_cancelled_and_says_so() -> None:
    inbox = Inbox()
    inbox.drop("foo.yaml")
    del inbox.uploads.objects["foo.yaml"]
    for _ in range(2):
        inbox.announce_deleted(an_event("foo.yaml"))
    job = inbox.ledger.only()
    assert (job.state, job.pending) == (State.CANCELLED, ())
    assert "deleted" in job.errors[0].message
    assert inbox.ends() == [(7, "CANCELLED")]


@dataclass
class CrossedLedger(MemoryLedger):
    """Something happens between the first look at a job and what is done about it."""

    between: Callable[[], object] | None = None

    def get(self, job_id: str) -> Job | None:
        found, between, self.between = super().get(job_id), self.between, None
        if between:
            between()
        return found


def test_a_deletion_that_crosses_its_upload_cancels_the_job() -> None:
    ledger = CrossedLedger()
    inbox = Inbox(ledger=ledger)
    inbox.uploads.put("run/foo.yaml", INPUT)

    def upload_is_taken_in_and_then_the_object_is_gone() -> None:
        inbox.announce(an_event("run/foo.yaml"))
        del inbox.uploads.objects["run/foo.yaml"]

    ledger.between = upload_is_taken_in_and_then_the_object_is_gone
    inbox.announce_deleted(an_event("run/foo.yaml"))
    assert [change.state for change in ledger.only().history] == [State.QUEUED, State.CANCELLED]
    assert inbox.ends() == [(ledger.only().source.generation, "CANCELLED")]


def test_a_job_that_is_older_than_all_generations_that_are_looked_at_is_ended_too() -> None:
    """It was read before it was overwritten, that many times, and recorded only now."""
    inbox = Inbox()
    for _ in range(NEWEST + 1):
        inbox.drop("run/foo.yaml")
    blank = a_job(source=a_source("run/foo.yaml", generation=1), job_id=job_id("in", "run/foo.yaml", 1))
    late = inbox.ledger.create(lifecycle.take_in(blank, datetime.now(UTC)))
    assert inbox.intake.generations.supersede(late)
    assert inbox.ledger.get(late.job_id).state is State.SUPERSEDED  # type: ignore[union-attr]


def test_a_delete_that_comes_before_its_upload_ends_in_one_receipt() -> None:
    inbox = Inbox()
    inbox.announce_deleted(an_event("foo.yaml"))
    inbox.announce(an_event("foo.yaml"))
    assert inbox.ends() == [(7, "CANCELLED")]
    assert not inbox.requests.messages


def test_a_delete_of_what_has_ended_or_is_long_forgotten_or_no_input_changes_nothing() -> None:
    inbox = Inbox()
    inbox.drop("letter.txt", b"hello")
    del inbox.uploads.objects["letter.txt"]
    inbox.announce_deleted(an_event("letter.txt"))
    assert inbox.ends() == [(7, "REJECTED")]
    long_ago = (datetime.now(UTC) - RETENTION).isoformat()
    inbox.announce_deleted(an_event("old.yaml", timeCreated=long_ago))
    inbox.announce_deleted(an_event("run/foo.a3m"))
    inbox.announce_deleted(an_event(".hidden"))
    assert len(inbox.ledger.documents) == 1


def test_a_delete_is_not_lost_when_the_job_changes_at_this_moment() -> None:
    inbox = Inbox(BusyLedger(into=State.CANCELLED))
    inbox.drop("foo.yaml")
    inbox.uploads.objects.clear()
    inbox.announce_deleted(an_event("foo.yaml"))
    assert inbox.ends() == [(7, "CANCELLED")]


def test_what_is_refused_unread_is_rejected_once_and_what_is_recorded_stays() -> None:
    failure = Failure(code=Code.INVALID_INPUT, message="m", remedy="r")
    inbox = Inbox()
    inbox.drop("known.yaml")
    for name in ("known.yaml", "new.yaml", "new.a3m"):
        inbox.intake.refuse(a_source(name), failure)
    assert {job.source.name: job.state for job in inbox.ledger.all()} == {
        "known.yaml": State.QUEUED,
        "new.yaml": State.REJECTED,
    }


def test_an_input_waits_for_the_file_it_names_and_goes_on_when_it_comes() -> None:
    inbox = Inbox()
    inbox.drop("run/foo.yaml", WITH_MSA)
    waiting = inbox.ledger.only()
    assert (waiting.state, waiting.waits_for) == (State.WAITING, ("run/trp.a3m",))
    inbox.drop("run/other.a3m", b">q\nAA\n")
    assert inbox.ledger.only().state is State.WAITING
    inbox.drop("run/trp.a3m", MSA)
    assert inbox.ledger.only().state is State.QUEUED
    assert len(inbox.requests.messages) == 1


def test_an_input_whose_file_is_there_does_not_wait() -> None:
    inbox = Inbox()
    inbox.uploads.put("run/trp.a3m", MSA)
    inbox.drop("run/foo.yaml", WITH_MSA)
    assert inbox.ledger.only().state is State.QUEUED


class LateBucket(MemoryBucket):
    """A bucket in which a file arrives between the first look and the second."""

    looks = 0

    def head(self, name: str, most: int) -> ObjectHead | None:
        assert name == "run/trp.a3m"
        self.looks += 1
        if self.looks > 1:
            self.put(name, MSA)
        return super().head(name, most)


def test_a_file_that_came_between_the_look_and_the_record_is_not_missed() -> None:
    inbox = Inbox(uploads=LateBucket("in"))
    inbox.drop("run/foo.yaml", WITH_MSA)
    assert inbox.ledger.only().state is State.QUEUED


def test_a_long_name_leaves_room_for_the_names_of_the_outputs() -> None:
    prefix = output_prefix("ü" * 509 + ".yaml", "0" * 16)
    assert len(f"{prefix}confidence_model_24.json".encode()) <= 1024
    prefix.encode()


def test_the_folder_of_outputs_is_the_name_without_its_suffix() -> None:
    assert output_prefix("a b/c.d.yaml", "1" * 16) == f"a b/c.d/{'1' * 16}/"


def test_an_event_of_a_job_that_this_release_cannot_read_comes_again() -> None:
    inbox = Inbox()
    inbox.drop("foo.yaml")
    document = as_the_next(inbox.ledger.only()) | {"state": "HELD"}
    inbox.ledger.put(document)
    another = Inbox(inbox.ledger, inbox.results, uploads=inbox.uploads)  # an instance that did not take it in
    with pytest.raises(UnreadableJobError):
        another.announce(an_event("foo.yaml"))
    with pytest.raises(UnreadableJobError):
        another.announce_deleted(an_event("foo.yaml"))
    assert [stored for _, stored in inbox.ledger.documents.values()] == [document]
    assert not another.requests.messages


def test_a_generation_that_cannot_be_read_keeps_no_other_from_its_end() -> None:
    inbox = Inbox()
    inbox.drop("foo.yaml")
    between = inbox.ledger.only().evolve(job_id="b" * 16, source=a_source("foo.yaml", generation=8))
    inbox.ledger.put(as_the_next(between) | {"state": "HELD"})
    inbox.uploads.put("foo.yaml", INPUT, generation=9)
    inbox.announce(an_event("foo.yaml", 9))
    assert inbox.ends() == [(7, "SUPERSEDED")]
    assert {job.source.generation: job.state for job in inbox.ledger.all()} == {
        7: State.SUPERSEDED,
        9: State.QUEUED,
    }


def test_a_job_that_cannot_be_read_keeps_no_other_waiting() -> None:
    inbox = Inbox()
    content = one_protein(msa="x.a3m").encode()
    for name in ("a.yaml", "b.yaml"):
        inbox.drop(name, content)
    poisoned, good = inbox.ledger.all()
    inbox.ledger.put(as_the_next(poisoned) | {"attempt": "many"})
    inbox.drop("x.a3m", MSA)
    assert [(job.job_id, job.state) for job in inbox.ledger.all()] == [(good.job_id, State.QUEUED)]
