"""Do the effects of a state change, and clear them from the outbox.

Every effect is idempotent: a receipt is created once, an event has a fixed id, a second request finds the job
taken. So a process that dies between an effect and its clearing loses nothing: the sweep settles again.
"""

from dataclasses import dataclass
from typing import Protocol

from jobs.ledger import ConflictError, Ledger
from schemas.job import Effect, Job
from schemas.messages import AlignmentsWanted, Message, PredictionCompleted, PredictionRequested
from schemas.receipt import Receipt, receipt_name


class Topic(Protocol):
    """A topic of Pub/Sub."""

    def publish(self, message: Message) -> None:
        """Publish and wait until the topic has it."""


class Receipts(Protocol):
    """The output bucket, as far as receipts go."""

    name: str

    def create(self, name: str, body: bytes, content_type: str) -> None:
        """Write an object unless one of this name exists."""


@dataclass(frozen=True)
class Settler:
    """The ledger, the output bucket and the topics, as far as a state change reaches them.

    Without a topic of alignments wanted nothing lacks one.
    """

    ledger: Ledger
    receipts: Receipts
    requests: Topic
    completions: Topic
    alignments: Topic | None = None

    def settle(self, job: Job) -> Job:
        """Do all pending effects, in order, and clear them; a job changed meanwhile is left to its changer.

        A request stays pending until a worker claims the job: decision 006.
        """
        due = [effect for effect in job.pending if effect.known]
        for effect in due:
            self._do(effect, job)
        if not (due and job.state.terminal):
            return job
        try:
            return self.ledger.replace(job.evolve(pending=job.left_to_others))
        except ConflictError:
            return job

    def _do(self, effect: Effect, job: Job) -> None:
        match effect:
            case Effect.ALIGN if self.alignments:
                self.alignments.publish(AlignmentsWanted.at(job.updated_at).encode())
            case Effect.REQUEST:
                self.requests.publish(PredictionRequested.of(job).encode())
            case Effect.RECEIPT:
                self.receipts.create(receipt_name(job), Receipt.of(job).encode(), "application/json")
            case Effect.EVENT:
                self.completions.publish(PredictionCompleted.of(job, self.receipts.name).encode())
