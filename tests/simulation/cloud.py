"""Cloud Storage that tells of its objects, Cloud Run's job and the task that each execution is."""

import itertools
import json
from collections.abc import Callable, Mapping
from datetime import datetime

from support.fakes import MemoryBucket

from schemas.job import Source
from schemas.messages import Message
from simulation.clockwork import Process, Task, current
from simulation.facts import Upload
from simulation.plan import USUAL, Choice, How
from simulation.pubsub import Topic
from simulation.stand_ins import Event, at
from simulation.world import World
from worker.errors import ShutdownRequestedError

FINALIZED, DELETED = "OBJECT_FINALIZE", "OBJECT_DELETE"
RETRIES = 2
"""As eventarc/worker.tf sets them."""

GRACE_SECONDS = 10
"""From Cloud Run's SIGTERM to its SIGKILL."""

Main = Callable[[str], int]


class Inputs(MemoryBucket):
    """The input bucket: people change it, and each change is told, an overwrite as two."""

    def __init__(self, world: World, events: Mapping[str, Topic]) -> None:
        super().__init__("in", uploaded_at=at(0))
        self._world, self._events = world, events
        self._generations = itertools.count(1)
        self._times: dict[str, datetime] = {}
        self._newest: dict[str, Upload] = {}

    def source(self, name: str) -> Source | None:
        """Return the object that has this name now, or None where there is none."""
        found = super().source(name)
        return found and found.model_copy(update={"time": self._times[name]})

    def upload(self, name: str, content: str, body: bytes) -> None:  # type: ignore[override]
        """Put an object there, over what may be there."""
        self._gone(name, deleted=False)
        now, generation = self._world.clockwork.now, next(self._generations)
        self.put(name, body, generation)
        self._times[name] = at(now)
        upload = self._newest[name] = Upload(self.name, name, generation, content, now)
        self._world.facts.uploads[upload.job_id] = upload
        self._tell(FINALIZED, name)

    def delete(self, name: str) -> None:
        """Delete an object, if it is there."""
        self._gone(name, deleted=True)
        self.objects.pop(name, None)

    def _gone(self, name: str, *, deleted: bool) -> None:
        if name in self.objects:
            self._tell(DELETED, name)
            upload = self._newest[name]
            upload.gone_at, upload.deleted = self._world.clockwork.now, deleted

    def _tell(self, kind: str, name: str) -> None:
        source = self.source(name)
        assert source
        resource = source.model_dump(mode="json", exclude={"time"}) | {"timeCreated": source.time.isoformat()}
        self._events[kind].publish(Message(json.dumps(resource).encode(), {"eventType": kind}))


class WorkerJob:
    """The Cloud Run job of the worker. Implements functions.launch.Workers; ``main`` is a task's program."""

    def __init__(self, world: World, main: Main) -> None:
        self._world, self._main = world, main
        self._platform = world.clockwork.process("Cloud Run")
        self._finished: dict[str, bool] = {}
        self._tasks: list[Task] = []

    @property
    def idle(self) -> bool:
        """Tell whether no execution runs."""
        return all(self._finished.values())

    def executions(self) -> Mapping[str, bool]:
        """Return executions by name, and whether each has finished."""
        return dict(self._finished)

    def start(self) -> str | None:
        """Begin an execution and return its name, or None where chance says that a quota is used up."""
        name = f"worker-{len(self._finished) + 1}"
        if self._world.choose(current().place("start"), (How.FULL,)) is not USUAL:
            return None
        self._finished[name] = False
        alive, facts = sum(not finished for finished in self._finished.values()), self._world.facts
        facts.most_workers = max(facts.most_workers, alive)
        self._world.clockwork.spawn(self._platform, name, lambda: self._execute(name))
        return name

    def leave(self) -> None:
        """Ask all tasks to leave, as the platform does before it takes a machine away."""
        for task in self._tasks:
            self._world.note(Choice(How.ASKED), "SIGTERM", task.process)
            self._world.clockwork.tell(task, ShutdownRequestedError())
            self._soon(GRACE_SECONDS, task.process)

    def _execute(self, name: str) -> None:
        for attempt in range(RETRIES + 1):
            if self._attempt(f"{name}/0/{attempt}") == 0:
                break
        self._finished[name] = True

    def _attempt(self, holder: str) -> int:
        """Run a task's process until it ends, by itself or not; return its exit status."""
        skew = self._world.choose(f"{holder} starts", (How.SKEWED,)).seconds
        process = self._world.clockwork.process(holder, skew)
        ended, status = Event(), [137]

        def run() -> None:
            try:
                status[:] = [self._main(holder)]
            finally:
                ended.set()

        task = self._world.clockwork.spawn(process, holder, run)
        self._tasks.append(task)
        if not ended.wait(self._world.scale.task_seconds):
            self._world.note(Choice(How.TIMED_OUT), "task", process)
        self._world.clockwork.kill(process)
        self._tasks.remove(task)
        return status[0]

    def _soon(self, seconds: float, process: Process) -> None:
        def end() -> None:
            self._world.clockwork.park(seconds)
            self._world.clockwork.kill(process)

        self._world.clockwork.spawn(self._platform, "SIGKILL", end)
