"""What is right when nothing is left to happen, told from outside: by what was done, and by what mishaps.

Nothing here is taken from jobs/lifecycle.py or from a stage: where model and product disagree, one is wrong.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from support.fakes import MemoryBucket, MemoryLedger

from inputs.examine import is_input
from schemas.failure import Code
from schemas.job import Job, State
from schemas.messages import Message, PredictionCompleted
from schemas.receipt import Receipt, receipt_name
from simulation.chance import SKEW
from simulation.facts import Facts, Move, Upload
from simulation.inputs import CONTENTS
from simulation.plan import How

DAY = 24 * 3600.0
ATTEMPTS = 3
WORKERS = 3

HARMLESS = {
    How.SLOW,
    How.AGAIN,
    How.SKEWED,
    How.TIMED_OUT,
    How.LATE,
    How.TWICE,
    How.NEVER,
    How.FRESH,
    How.FULL,
}
"""What may cost no job its attempt. A worker knows when its time is up, and that a write was its own."""

End = tuple[State, Code | None]
Found = Iterator[tuple[str, str]]
"""Kinds of problems, and what is to be said about each."""


@dataclass(frozen=True)
class Problem:
    """What is not as it has to be: its kind, and which upload's, with the figures of this case."""

    kind: str
    about: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.about}"


@dataclass(frozen=True)
class Aftermath:
    """All that is there when nothing is left to happen."""

    facts: Facts
    ledger: MemoryLedger
    outputs: MemoryBucket
    completions: Sequence[Message]

    def problems(self) -> Iterator[Problem]:
        """Say all that is wrong."""
        events = self._events()
        if self.facts.most_workers > WORKERS:
            yield Problem("too many workers", f"{self.facts.most_workers} at once, {WORKERS} may be")
        for upload in self.facts.uploads.values():
            if is_input(upload.name):
                for kind, said in self._of(upload, events):
                    yield Problem(kind, f"{upload.label} ({upload.content}): {said}")

    def _events(self) -> Mapping[str, set[bytes]]:
        events: defaultdict[str, set[bytes]] = defaultdict(set)
        for message in self.completions:
            event = PredictionCompleted.decode(message.data, message.attributes)
            events[event.data.job_id].add(message.data)
        return events

    def _of(self, upload: Upload, events: Mapping[str, set[bytes]]) -> Found:
        job, moves = self.ledger.get(upload.job_id), self.facts.moves[upload.job_id]
        ends = [move for move in moves if move.state.terminal]
        if job is None:
            if not _unheard_of(upload, self.facts):
                yield "no job", "an event or the comparison would have told of it"
        elif len(ends) != 1 or job.pending:
            yield "not settled", f"{job.state}, {len(ends)} ends, pending {[*map(str, job.pending)]}"
        else:
            yield from _of_the_end(upload, job, ends[0], self.facts)
            yield from _of_the_effects(job, self.outputs, events[job.job_id])
            yield from _of_the_result(job, self.ledger, self.outputs, self.facts)
            yield from _of_the_time(upload, ends[0], self.facts)
            yield from _of_the_attempts(moves, self.facts)


def _unheard_of(upload: Upload, facts: Facts) -> bool:
    """Tell whether no event told of an upload, and it was gone before the bucket could."""
    lost = {mishap.where for mishap in facts.mishaps if mishap.how is How.NEVER}
    events = {f"upload {upload.label} 1", f"delete {upload.label} 1"}
    return upload.gone_at < float("inf") and events <= lost


def _of_the_end(upload: Upload, job: Job, end: Move, facts: Facts) -> Found:
    """Hold it to be right for what was done to the upload."""
    code = job.errors[0].code if job.errors else None
    if (job.state, code) not in {
        *_by_itself(upload, end, facts),
        *_withdrawn(upload, end, facts),
        *_given_up(upload, end, facts),
    }:
        yield (
            f"wrong end {job.state} {code or ''}".strip(),
            job.errors[0].message if job.errors else "no error",
        )


def _by_itself(upload: Upload, end: Move, facts: Facts) -> Iterator[End]:
    """Yield the ends of an upload that nobody withdraws and that nothing befalls."""
    content = CONTENTS[upload.content]
    if not upload.name.endswith(".yaml"):
        yield State.REJECTED, Code.UNSUPPORTED_FILE
    elif content.wrong:
        yield State.REJECTED, Code.INVALID_INPUT
    elif content.heavy:
        yield State.FAILED, Code.WORKER_LOST
    elif content.needs is None:
        yield State.SUCCEEDED, None
    else:
        yield from _by_its_reference(upload, content.needs, end, facts)


def _by_its_reference(upload: Upload, needs: str, end: Move, facts: Facts) -> Iterator[End]:
    """Yield them for one that refers to a file, by what lay there between the upload and its end."""
    folder, slash, _ = upload.name.rpartition("/")
    there = [
        each
        for each in facts.uploads.values()
        if each.name == f"{folder}{slash}{needs}" and each.at <= end.at and each.gone_at > upload.at
    ]
    wrong = {CONTENTS[each.content].wrong for each in there}
    if False in wrong:
        yield State.SUCCEEDED, None
    if True in wrong:
        yield State.REJECTED, Code.INVALID_INPUT  # seen by intake
        yield State.FAILED, Code.INVALID_INPUT  # came when intake had seen a good one
    if any(each.deleted and each.gone_at <= end.at for each in there):
        yield State.FAILED, Code.MISSING_REFERENCE
    if end.at >= upload.at + DAY - 2 * SKEW and all(each.gone_at <= end.at for each in there):
        yield State.REJECTED, Code.MISSING_REFERENCE


def _withdrawn(upload: Upload, end: Move, facts: Facts) -> Iterator[End]:
    """Yield the ends of one that was overwritten, deleted or cancelled before its end."""
    newer = [each for each in facts.uploads.values() if each.newer_than(upload) and each.at <= end.at]
    if any(upload.job_id in each.job_ids and each.asked_at <= end.at for each in facts.cancelled):
        yield State.CANCELLED, Code.CANCELLED
    if upload.gone_at <= end.at:
        yield State.FAILED, Code.MISSING_REFERENCE  # a worker came before the event
    if any(each.deleted and each.gone_at <= end.at for each in (upload, *newer)):
        yield State.CANCELLED, Code.CANCELLED
    if newer:
        yield State.SUPERSEDED, Code.SUPERSEDED


def _given_up(upload: Upload, end: Move, facts: Facts) -> Iterator[End]:
    """Yield the ends of one that lost its attempts, each of which needs a cause of its own, or that hung."""
    pairs = [(move.event, after.event) for move, after in pairwise(facts.moves[upload.job_id])]
    spent = sum(event == "CLAIMED" and after != "UNALIGNED" for event, after in pairs)
    if end.event == "GAVE_UP" and spent == ATTEMPTS:
        for code in (Code.WORKER_LOST, Code.CUDA_ERROR, Code.STORAGE_UNAVAILABLE, Code.PREEMPTED):
            yield State.FAILED, code
    if end.event == "GAVE_UP" and facts.forgotten >= ATTEMPTS:
        yield State.FAILED, Code.MSA_UNAVAILABLE
    if any(mishap.how is How.HANGS and mishap.process == end.holder for mishap in facts.mishaps):
        yield State.FAILED, Code.TIMEOUT


def _of_the_effects(job: Job, outputs: MemoryBucket, events: set[bytes]) -> Found:
    """Hold one receipt and one event to say what the ledger says, and what the receipt lists to be there."""
    if events != {PredictionCompleted.of(job, outputs.name).encode().data}:
        yield (
            "events",
            f"{len(events)} different events tell of its end, or they do not say what the ledger says",
        )
    _, body = outputs.objects.get(receipt_name(job), (0, b""))
    if not body or Receipt.decode(body) != Receipt.of(job):
        yield "receipt", "it is missing, or does not say what the ledger says"
    for output in job.outputs:
        if output.name not in outputs.objects or outputs._output(output.name) != output:
            yield "outputs", f"{output.name} is not the one that the receipt lists"


def _of_the_result(job: Job, ledger: MemoryLedger, outputs: MemoryBucket, facts: Facts) -> Found:
    """Hold it to be of the last who claimed the job, or the job that it was copied from, of nobody else."""
    if (job.state is State.SUCCEEDED) != bool(job.outputs):
        yield "outputs", f"{len(job.outputs)} of a job that is {job.state}"
        return
    if job.state is not State.SUCCEEDED:
        return
    origin: Job | None = job
    while origin and origin.cached_from:  # a copy may be one of a copy
        origin = ledger.get(origin.cached_from)
    value = job.scores["confidence_score"]
    if origin is None or facts.predicted[value] != origin.worker:
        yield "result", f"{value:g} was predicted by {facts.predicted[value]}"
    written = outputs.objects[f"{job.output_prefix}confidence_model_0.json"][1]
    structure = outputs.objects[f"{job.output_prefix}model_0.cif"][1]
    if json.loads(written) != {"confidence_score": value} or f" {value:g} ".encode() not in structure:
        yield "result", f"not all of its files are those of the prediction {value:g}"


def _of_the_time(upload: Upload, end: Move, facts: Facts) -> Found:
    """Hold it to be over once the product was told that the upload is not wanted, and had dealt with that."""
    for how, told_at in _told_that_it_is_not_wanted(upload, facts).items():
        if end.at > told_at:
            yield (
                f"{how} in vain",
                f"the product was told so until {told_at:.2f} s, its end was at {end.at:.2f} s",
            )


def _told_that_it_is_not_wanted(upload: Upload, facts: Facts) -> Mapping[str, float]:
    told = {(told.what, told.job_id): told.at for told in reversed(facts.told)}
    never = float("inf")
    newer = [each.job_id for each in facts.uploads.values() if each.newer_than(upload)]
    taken = [told.get(("upload", identity), never) for identity in newer]
    return {
        "deleted": told.get(("delete", upload.job_id), never),
        "overwritten": max(min(taken, default=never), told.get(("upload", upload.job_id), never)),
        "cancelled": min(
            (each.done_at for each in facts.cancelled if upload.job_id in each.job_ids), default=never
        ),
    }


def _of_the_attempts(moves: Sequence[Move], facts: Facts) -> Found:
    """Hold one that came to nothing to have a cause: a mishap of the process that made it."""
    for claim, after in pairwise(moves):
        if claim.event == "CLAIMED" and after.event in {"RELEASED", "LEASE_EXPIRED", "GAVE_UP"}:
            causes = (each for each in facts.mishaps if each.process == claim.holder and each.at <= after.at)
            if not any(cause.how not in HARMLESS for cause in causes):
                said = f"nothing had befallen {claim.holder} until {after.at:.2f} s"
                yield f"attempt lost by {after.event} {after.code}", said
