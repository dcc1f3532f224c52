"""The ledger in memory, whose changes are noted with their true times."""

from collections.abc import Iterable, Iterator

from support.fakes import Document, MemoryLedger

from jobs.document import decode
from schemas.job import Job
from simulation.clockwork import current
from simulation.facts import Move
from simulation.world import World


class NotedLedger(MemoryLedger):
    """A ledger whose changes are facts of a world. A revision is decoded once, since most are read often."""

    def __init__(self, world: World) -> None:
        super().__init__(page=world.scale.page)
        self._world = world
        self._decoded: dict[int, Job] = {}

    def get(self, job_id: str) -> Job | None:
        """Read a job, or None."""
        return next(self._read([job_id])) if job_id in self.documents else None

    def _read(self, job_ids: Iterable[str]) -> Iterator[Job]:
        for job_id in job_ids:
            revision, document = self.documents[job_id]
            if revision not in self._decoded:
                self._decoded[revision] = decode(job_id, document, revision)
            yield self._decoded[revision]

    def _write(self, job: Job, over: Document) -> Job:
        written, known = super()._write(job, over), self._world.facts.moves[job.job_id]
        for change in job.history[len(known) :]:
            now = self._world.clockwork.now
            known.append(Move(now, change.event, job.state, job.attempt, job.worker, change.code))
            self._tell(job, change.event)
        return written

    def _tell(self, job: Job, event: str) -> None:
        if self._world.story:
            label, why = self._world.facts.label(job.job_id), job.errors[0].code if job.errors else ""
            self._world.tell(f"  {current().name}: {label} {event}, {job.state} {why}".rstrip())
