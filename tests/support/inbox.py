"""An intake and everything that it reaches, in memory: what comes of an upload is read from its receipt."""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from functions.intake import Intake
from inputs.examine import Rules
from schemas.job import Job, State
from schemas.messages import Completion, PredictionCompleted
from schemas.receipt import receipt_name
from schemas.upload import decode_upload
from support.fakes import MemoryBucket, MemoryTopic, Outside
from support.inputs import INPUT
from support.waking import deliver

FIRST = 7
"""Generation of the first upload, and of an event that names no other: as ``support.fakes`` has it."""


def an_event(name: str, generation: int = FIRST, **changes: object) -> dict[str, object]:
    """Return what Eventarc brings about an object, there or not, that was written or deleted just now."""
    event: dict[str, object] = {"bucket": "in", "name": name, "generation": str(generation), "size": "10"}
    return {**event, "timeCreated": datetime.now(UTC).isoformat(), "metadata": {}, **changes}


@dataclass
class Inbox(Outside):
    """Takes events as Eventarc brings them; every upload is a generation of its own."""

    uploads: MemoryBucket = field(default_factory=lambda: MemoryBucket("in"))
    arrivals: MemoryTopic = field(default_factory=MemoryTopic)
    _generations: "itertools.count[int]" = field(default_factory=lambda: itertools.count(FIRST))

    @cached_property
    def intake(self) -> Intake:
        return self.another_intake()

    def another_intake(self) -> Intake:
        """Return the intake of another instance, which remembers nothing."""
        return Intake(self.uploads, self.ledger, self.settler, self.arrivals, Rules())

    def put(self, name: str, content: bytes = INPUT) -> dict[str, object]:
        """Store an upload; return the event that it raises."""
        generation = next(self._generations)
        self.uploads.put(name, content, generation)
        return an_event(name, generation, size=str(len(content)))

    def announce(self, event: Mapping[str, object]) -> None:
        """Bring the event of an upload, and all that is told of files then."""
        self.intake.on_upload(decode_upload(event))
        deliver(self.arrivals, self.intake)

    def announce_deleted(self, event: Mapping[str, object]) -> None:
        """Bring the event of a deletion."""
        self.intake.on_delete(decode_upload(event))

    def drop(self, name: str, content: bytes = INPUT, **changes: object) -> Job | None:
        """Upload and announce; return the job that came of it."""
        known = set(self.ledger.documents)
        self.announce({**self.put(name, content), **changes})
        new = next((job_id for job_id in self.ledger.documents if job_id not in known), None)
        return self.ledger.get(new) if new else None

    def receipt(self, job: Job) -> dict[str, Any]:
        """Return the receipt of a job that has ended; it has one, and one event that says the same."""
        receipt: dict[str, Any] = json.loads(self.results.objects[receipt_name(job)][1])
        [mine] = [event for event in self._said() if event.job_id == job.job_id]
        assert (mine.state, mine.error) == (State(receipt["state"]), job.errors[0] if job.errors else None)
        return receipt

    def ends(self) -> list[tuple[int, str]]:
        """List generation and state of each end that was announced, and hold receipts to be as many."""
        said = self._said()
        assert len(self.results.objects) == len(said)
        return sorted((end.source.generation, end.state.value) for end in said)

    def asked_for(self, job: Job) -> int:
        """Count the requests for a prediction of a job."""
        return sum(job.job_id in message.data.decode() for message in self.requests.messages)

    def _said(self) -> list[Completion]:
        return [PredictionCompleted.decode(m.data, m.attributes).data for m in self.completions.messages]
