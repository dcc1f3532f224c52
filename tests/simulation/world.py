"""One schedule's world: its time, its chance, and how the product reaches what lies outside its processes."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from functions.alignments.server import TroubleError
from schemas.failure import Code, FailedError, Failure
from schemas.storage import StorageUnavailableError
from simulation.chance import Chance
from simulation.clockwork import Clockwork, Process, current
from simulation.facts import Facts, Mishap
from simulation.plan import USUAL, Choice, How, Scale
from simulation.story import Story

T = TypeVar("T")

LATENCY = 0.05
"""Seconds that a call takes as usual."""

READ = (How.SLOW, How.STUCK, How.REFUSED, How.KILLED_BEFORE, How.ASLEEP)
WRITE = (*READ, How.LOST, How.AGAIN, How.KILLED_AFTER)
START = (How.SLOW, How.STUCK, How.REFUSED, How.LOST, How.KILLED_BEFORE, How.KILLED_AFTER)
ACK = (How.REFUSED, How.KILLED_BEFORE, How.KILLED_AFTER, How.ASLEEP)
PREDICT = (How.SLOW, How.STUCK, How.BROKEN, How.HANGS, How.KILLED_BEFORE, How.ASLEEP)
CALLS = {
    **dict.fromkeys(("create", "replace", "publish", "upload", "copy"), WRITE),
    "start": START,
    "ack": ACK,
    "predict": PREDICT,
}
"""How calls of a method can go; what is not named only reads."""


class World:
    """What every part of the story shares. After ``heal`` all goes as usual."""

    def __init__(self, chance: Chance, scale: Scale, story: Story) -> None:
        self.clockwork, self.facts = Clockwork(), Facts()
        self.scale, self.story = scale, story
        self._chance: Chance | None = chance
        self._out: set[str] = set()

    def heal(self) -> None:
        """Let everything go as usual from now on."""
        self._chance = None
        self._out.clear()

    def tell(self, line: str) -> None:
        """Add to the story what happens now."""
        self.story.tell(self.clockwork.now, line)

    def choose(self, place: str, hows: Sequence[How], process: Process | None = None) -> Choice:
        """Decide how something goes, and note what is not as usual."""
        choice = self._chance.choose(place, hows) if self._chance else USUAL
        if choice is not USUAL:
            self.note(choice, place, process)
        return choice

    def note(self, choice: Choice, place: str, process: Process | None = None) -> None:
        """Note a mishap as a fact, and in the story."""
        name = process.name if process else ""
        self.facts.mishaps.append(Mishap(self.clockwork.now, name, choice.how, place))
        self.tell(f"! {place}: {choice}")

    def reached(self, part: str, target: T) -> T:
        """Return a part of the outside as the product reaches it."""
        return cast("T", Wire(self, part, target))

    def fail(self, part: str, *, out: bool) -> None:
        """Have all calls of a part refused, or none any more."""
        (self._out.add if out else self._out.discard)(part)

    def call(self, part: str, method: str, do: Callable[[], T]) -> T:
        """Have the running task call something outside its process."""
        task = current()
        place = task.place(f"{part}.{method}")
        choice = self.choose(place, CALLS.get(method, READ), task.process)
        slow = choice.seconds if choice.how in {How.SLOW, How.STUCK} else 0.0
        self.clockwork.park(LATENCY + slow)
        if part in self._out:
            self.note(Choice(How.REFUSED), place, task.process)
            raise _refused(part)
        return self._done(part, choice, do)

    def die(self) -> None:
        """End the running task's process."""
        self.clockwork.kill(current().process)
        self.clockwork.park()

    def _done(self, part: str, choice: Choice, do: Callable[[], T]) -> T:
        self._before(part, choice)
        answer = do()
        match choice.how:
            case How.AGAIN:
                return do()
            case How.LOST:
                raise _refused(part)
            case How.KILLED_AFTER:
                self.die()
        return answer

    def _before(self, part: str, choice: Choice) -> None:
        match choice.how:
            case How.REFUSED:
                raise _refused(part)
            case How.KILLED_BEFORE:
                self.die()
            case How.ASLEEP:
                current().process.sleeps_until = self.clockwork.now + choice.seconds
                self.clockwork.park(0)
            case How.HANGS:
                self.clockwork.park()
            case How.BROKEN:
                raise FailedError(Failure(code=Code.CUDA_ERROR, message="The device failed.", remedy="None."))


class Wire:
    """Something outside a process, each of whose methods is called through the world."""

    def __init__(self, world: World, part: str, target: object) -> None:
        self._world, self._part, self._target = world, part, target

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever the target has
        found = getattr(self._target, name)
        if not callable(found):
            return found

        def call(*args: object, **kwargs: object) -> object:
            return self._world.call(self._part, name, lambda: found(*args, **kwargs))

        setattr(self, name, call)
        return call


def _refused(part: str) -> Exception:
    """Return the error of a part that cannot be reached, as its client raises it."""
    if part in {"inputs", "outputs", "alignments"}:
        return StorageUnavailableError(f"{part}: 503")
    if part == "MSA server":
        return TroubleError("status 503")
    return ConnectionError(f"{part}: 503")
