"""Virtual time, and tasks of which exactly one runs, until it waits. A task's turn comes at its time.

Of tasks with one time the first that asked goes first: nothing here is left to chance, nor to the machine.
"""

import heapq
import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from greenlet import getcurrent, greenlet


class KilledError(BaseException):
    """The process is gone. Not an Exception: nothing that it still does may come of it."""


@dataclass(eq=False)
class Process:
    """What dies, sleeps and leaves as a whole. ``skew`` is by how many seconds its clock is fast."""

    name: str
    skew: float = 0.0
    dead: bool = False
    sleeps_until: float = 0.0
    tasks: list["Task"] = field(default_factory=list)


class Task(greenlet):
    """One line of what a process does, as a thread is.

    ``ticket`` is that of its next turn, ``told`` what is raised in it then.
    """

    def __init__(self, hub: greenlet, process: Process, name: str, run: Callable[[], object]) -> None:
        super().__init__(parent=hub)
        self.process, self.name, self._run = process, name, run
        self.ticket = 0
        self.parked = self.woken = False
        self.told: BaseException | None = None
        self._places = Counter[str]()

    def place(self, what: str) -> str:
        """Name the next time that this task does something: alike in all runs that come to it."""
        self._places[what] += 1
        return f"{self.name}: {what} {self._places[what]}"

    def run(self) -> None:
        """Do what it is there for; a death ends it quietly."""
        try:
            if not self.process.dead:
                self._run()
        except KilledError:
            pass
        finally:
            self.process.tasks.remove(self)


class Clockwork:
    """Runs tasks, each at its time; ``now`` is in seconds since the beginning."""

    def __init__(self) -> None:
        self.now = 0.0
        self.stopped = False
        self._hub = getcurrent()
        self._processes: list[Process] = []
        self._tickets = itertools.count(1)
        self._line: list[tuple[float, int, Task]] = []

    def process(self, name: str, skew: float = 0.0) -> Process:
        """Add a process in which nothing runs yet."""
        process = Process(name, skew)
        self._processes.append(process)
        return process

    def spawn(self, process: Process, name: str, run: Callable[[], object]) -> Task:
        """Begin a task: its first turn comes when the running one waits."""
        task = Task(self._hub, process, name, run)
        process.tasks.append(task)
        self._queue(task, self.now)
        return task

    def run(self) -> None:
        """Give turns until nothing waits for a time, or somebody has said stop; then end all processes."""
        while self._line and not self.stopped:
            self._next()
        for process in self._processes:
            self.kill(process)
        while self._line:
            self._next()

    def park(self, seconds: float | None = None) -> bool:
        """Wait until woken, or for so long; tell whether the running task was woken."""
        task = current()
        if not task.process.dead:
            task.parked, task.woken, task.ticket = True, False, next(self._tickets)
            if seconds is not None:
                self._queue(task, self.now + seconds)
            self._hub.switch()
        if task.process.dead:
            raise KilledError(task.process.name)
        if task.told:
            error, task.told = task.told, None
            raise error
        return task.woken

    def wake(self, task: Task) -> None:
        """End a wait now."""
        if task.parked:
            task.parked, task.woken = False, True
            self._queue(task, self.now)

    def tell(self, task: Task, error: BaseException) -> None:
        """Raise an error in a task, as a signal does in a main thread."""
        task.told = error
        self.wake(task)

    def kill(self, process: Process) -> None:
        """End a process: each of its tasks where it waits, the running one where it next does."""
        process.dead, process.sleeps_until = True, 0.0
        for task in process.tasks:
            self.wake(task)

    def _queue(self, task: Task, at: float) -> None:
        task.ticket = next(self._tickets)
        heapq.heappush(self._line, (at, task.ticket, task))

    def _next(self) -> None:
        at, ticket, task = heapq.heappop(self._line)
        if task.ticket != ticket:
            return  # it was woken before
        if task.process.sleeps_until > at:
            self._queue(task, task.process.sleeps_until)
            return
        self.now, task.parked = max(self.now, at), False
        task.switch()


def current() -> Task:
    """Return the task that runs."""
    task = getcurrent()
    assert isinstance(task, Task), "Only a task of the simulation can wait in virtual time."
    return task
