"""Pub/Sub: topics, subscriptions that push or are pulled, as eventarc/topology.yaml sets them."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from functions.dead_letters import GIVEN_UP_BY
from local.topology import Delivery
from schemas.messages import Message
from simulation.clockwork import Process, current
from simulation.functions import Function
from simulation.plan import USUAL, How
from simulation.stand_ins import Event, Waiting
from simulation.world import World

ON_THE_WAY = 0.1
"""Seconds that a message takes as usual."""

KEPT = (How.LATE, How.TWICE)
LOSABLE = (*KEPT, How.NEVER)
"""How a message can go on its way. A dead letter is not lost: that would be two mishaps about one message."""

Wanted = Callable[[Message], bool]


@dataclass
class Topic:
    """Implements jobs.settle.Topic. Each message goes to all subscriptions; ``about`` names it in a story."""

    about: Callable[[Message], str]
    subscriptions: list["Subscription"] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)

    def publish(self, message: Message) -> None:
        """Take a message."""
        self.messages.append(message)
        for subscription in self.subscriptions:
            subscription.send(message, self.about(message))


class Subscription:
    """Tries to deliver each message, again and again, until that succeeds or it is given up."""

    def __init__(
        self, world: World, name: str, how: Delivery, dead: Topic | None, wanted: Wanted = bool
    ) -> None:
        self.world, self.name, self.how = world, name, how
        self._dead, self._wanted = dead, wanted
        self._process = world.clockwork.process(name)
        self._sent = Counter[str]()
        self._on_the_way = 0

    @property
    def busy(self) -> bool:
        """Tell whether a message of it can still make something happen."""
        return self._on_the_way > 0

    def send(self, message: Message, about: str) -> None:
        """Begin to deliver a message, once as usual."""
        if not self._wanted(message):
            return
        self._sent[about] += 1
        label = f"{self.name} {about} {self._sent[about]}"
        choice = self.world.choose(label, LOSABLE if self.how.dead_letter_topic else KEPT)
        late = choice.seconds if choice.how is How.LATE else 0.0
        copies = {How.NEVER: 0, How.TWICE: 2}.get(choice.how, 1)
        for number in range(copies):
            deliver = partial(self._deliver, message, f"{label}{'ab'[number]}", ON_THE_WAY + late)
            self._on_the_way += 1
            self.world.clockwork.spawn(self._process, label, deliver)

    def attempt(self, message: Message, label: str) -> bool:
        """Try to deliver a message; tell whether it was acknowledged in time."""
        raise NotImplementedError

    def _deliver(self, message: Message, label: str, seconds: float) -> None:
        for number in itertools.count(1):
            self.world.clockwork.park(seconds)
            if self.attempt(message, f"{label} try {number}"):
                break
            if number == self.how.max_delivery_attempts:
                self._give_up(message)
                break
            seconds = self._backoff(number)
        self._on_the_way -= 1

    def _backoff(self, number: int) -> float:
        least, most = self.how.minimum_backoff or 0, self.how.maximum_backoff or 0
        return float(min(most, least * 2 ** (number - 1)))

    def _give_up(self, message: Message) -> None:
        assert self._dead
        self._dead.publish(Message(message.data, {**message.attributes, GIVEN_UP_BY: self.name}))


class Push(Subscription):
    """Calls a function with each message."""

    def __init__(
        self, world: World, name: str, how: Delivery, dead: Topic | None, function: Function
    ) -> None:
        super().__init__(world, name, how, dead)
        self._function = function

    def attempt(self, message: Message, label: str) -> bool:
        """Call the function; an answer that comes too late, or is lost, is none."""
        call = self._function.call(label, message)
        call.ended.wait(self.how.ack_deadline)
        return call.succeeded and self.world.choose(f"{label} answer", (How.LOST,)) is USUAL


class Pull(Subscription):
    """Is pulled by workers."""

    def __init__(self, world: World, name: str, how: Delivery, dead: Topic | None, wanted: Wanted) -> None:
        super().__init__(world, name, how, dead, wanted)
        self._line: list[Leased] = []
        self._waiting = Waiting()

    @property
    def busy(self) -> bool:
        """Tell whether a message is not there yet, or is with a worker."""
        return self._on_the_way > len(self._line)

    def attempt(self, message: Message, label: str) -> bool:
        """Offer the message to whoever pulls; whoever is dead or asleep does not prolong its lease."""
        leased = Leased(self.world, message, label)
        self._line.append(leased)
        self._waiting.look()
        leased.taken.wait()
        while not leased.answered.wait(self.how.ack_deadline):
            leased.lapsed = leased.lapsed or leased.is_forgotten
            if leased.lapsed:
                return False
        return leased.acknowledged

    @contextmanager
    def pulling(self, hold: int, look_seconds: float) -> Iterator[Iterator["Leased | None"]]:
        """Open the stream for a block: messages, at most ``hold`` unanswered; None where none came."""
        held: list[Leased] = []
        try:
            yield self._arriving(held, hold, look_seconds)
        finally:
            if not current().process.dead:
                for leased in held:
                    leased.answered.set()

    def _arriving(self, held: list["Leased"], hold: int, look_seconds: float) -> Iterator["Leased | None"]:
        def there() -> bool:
            held[:] = [leased for leased in held if not leased.acknowledged]
            return bool(self._line) and len(held) < hold

        while True:
            yield self._taken(held) if self._waiting.until(there, look_seconds) else None

    def _taken(self, held: list["Leased"]) -> "Leased":
        leased = self._line.pop(0)
        held.append(leased)
        leased.take()
        return leased


class Leased:
    """A message under lease. Implements worker.drain.Delivery; what is given back goes back at the end."""

    def __init__(self, world: World, message: Message, label: str) -> None:
        self.data, self.attributes, self._world, self.label = message.data, message.attributes, world, label
        self.taken, self.answered = Event(), Event()
        self.attempt = int(label.rpartition(" try ")[2])
        self.acknowledged = self.lapsed = False
        self._holder: Process | None = None

    @property
    def is_forgotten(self) -> bool:
        """Tell whether nobody prolongs its lease."""
        holder, now = self._holder, self._world.clockwork.now
        return holder is None or holder.dead or holder.sleeps_until > now

    def take(self) -> None:
        """Lease it to the process that runs."""
        self._holder = current().process
        self.taken.set()

    def ack(self) -> None:
        """Be done with the message, if the lease lasts still."""
        try:
            self._world.call("work", "ack", self._acked)
        except ConnectionError:
            return  # nobody waits for the answer

    def nack(self) -> None:
        """Give the message back when the stream is closed, which needs no more than that it is not acked."""

    def _acked(self) -> None:
        if not self.lapsed:
            self.acknowledged = True
            self.answered.set()
