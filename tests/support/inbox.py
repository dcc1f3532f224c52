"""An intake and everything that it reaches, in memory: what comes of an upload is read from its receipt."""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from functions.intake import Intake
from inputs.examine import Rules
from jobs.settle import Settler
from schemas.job import Job, State
from schemas.messages import PredictionCompleted
from schemas.receipt import receipt_name
from schemas.upload import decode_upload
from support.fakes import NOW, MemoryBucket, MemoryLedger, MemoryTopic
from support.waking import deliver


@dataclass
class Inbox:
    """Takes events as Eventarc brings them; every upload is a generation of its own."""

    uploads: MemoryBucket = field(default_factory=lambda: MemoryBucket("in"))
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    receipts: MemoryBucket = field(default_factory=lambda: MemoryBucket("out"))
    requests: MemoryTopic = field(default_factory=MemoryTopic)
    completions: MemoryTopic = field(default_factory=MemoryTopic)
    arrivals: MemoryTopic = field(default_factory=MemoryTopic)
    _generations: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    @cached_property
    def intake(self) -> Intake:
        settler = Settler(self.ledger, self.receipts, self.requests, self.completions)
        return Intake(self.uploads, self.ledger, settler, self.arrivals, Rules())

    def put(self, name: str, content: bytes) -> dict[str, object]:
        """Store an upload; return the event that it raises."""
        generation = next(self._generations)
        self.uploads.put(name, content, generation)
        event: dict[str, object] = {"bucket": "in", "name": name, "generation": str(generation)}
        return {**event, "size": str(len(content)), "timeCreated": NOW.isoformat(), "metadata": {}}

    def announce(self, event: Mapping[str, object]) -> None:
        self.intake.on_upload(decode_upload(event))
        deliver(self.arrivals, self.intake)

    def announce_deleted(self, event: Mapping[str, object]) -> None:
        self.intake.on_delete(decode_upload(event))

    def drop(self, name: str, content: bytes, **changes: object) -> Job | None:
        """Upload and announce; return the job that came of it."""
        known = set(self.ledger.documents)
        self.announce({**self.put(name, content), **changes})
        new = next((job_id for job_id in self.ledger.documents if job_id not in known), None)
        return self.ledger.get(new) if new else None

    def receipt(self, job: Job) -> dict[str, object]:
        """Return the receipt of a job that has ended; it has one, and one event that says the same."""
        receipt: dict[str, object] = json.loads(self.receipts.objects[receipt_name(job)][1])
        said = [PredictionCompleted.decode(m.data, m.attributes).data for m in self.completions.messages]
        [mine] = [event for event in said if event.job_id == job.job_id]
        assert (mine.state, mine.error) == (
            State(str(receipt["state"])),
            job.errors[0] if job.errors else None,
        )
        return receipt

    def asked_for(self, job: Job) -> int:
        """Count the requests for a prediction of a job."""
        return sum(job.job_id in message.data.decode() for message in self.requests.messages)
