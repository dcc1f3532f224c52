"""Cloud Functions: instances that are there until they are killed, each with several calls at once."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from simulation.clockwork import Process, current
from simulation.plan import USUAL, How
from simulation.stand_ins import Event
from simulation.world import World

Handler = Callable[..., object]


@dataclass
class Call:
    """A call of a function, and what became of it."""

    ended: Event = field(default_factory=Event)
    succeeded: bool = False


class Function:
    """A function; ``build`` puts an instance of it together. A ``single`` one has one instance at most."""

    def __init__(
        self, world: World, name: str, build: Callable[[], Handler], *, single: bool = False
    ) -> None:
        self._world, self._name, self._build, self._single = world, name, build, single
        self._numbers = itertools.count(1)
        self._process: Process | None = None
        self._handle: Handler = build

    def call(self, label: str, *given: Any) -> Call:  # noqa: ANN401  whatever the function takes
        """Begin a call in an instance, in a new one where there is none or chance says so."""
        if self._process is None or self._process.dead or self._wants_another(label):
            self._start()
        assert self._process
        call, name = Call(), f"{self._name} {label}"
        run = partial(self._run, call, self._handle, given)
        self._world.clockwork.spawn(self._process, name, run)
        return call

    def _wants_another(self, label: str) -> bool:
        return not self._single and self._world.choose(f"{self._name} {label}", (How.FRESH,)) is not USUAL

    def _start(self) -> None:
        name = f"{self._name}/{next(self._numbers)}"
        skew = self._world.choose(f"{name} starts", (How.SKEWED,)).seconds
        self._process, self._handle = self._world.clockwork.process(name, skew), self._build()

    def _run(self, call: Call, handle: Handler, given: tuple[Any, ...]) -> None:
        try:
            handle(*given)
            call.succeeded = True
        except Exception as error:  # noqa: BLE001  as functions-framework: whatever it is, the answer is 500
            self._world.tell(f"  {current().name}: failed, {error!r}")
        finally:
            call.ended.set()
