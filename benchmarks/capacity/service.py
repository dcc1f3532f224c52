"""A Cloud Run service with the model baked in, to which Pub/Sub pushes each file as a request."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import simpy

from benchmarks.capacity.figures import Redelivery
from benchmarks.capacity.fleet import Fleet, Scene, Steps, Tried
from benchmarks.capacity.load import WEEK, File
from benchmarks.capacity.record import End, Outcome


@dataclass
class Instance:
    """One instance of the service: a device, the requests that it holds, when the last left."""

    device: simpy.Resource
    ready: simpy.Event
    held: int = 0
    last_used: float = 0


@dataclass(frozen=True)
class Scale:
    """Least and largest number of instances."""

    least: int
    most: int


@dataclass
class Pool:
    """The running instances."""

    instances: list[Instance] = field(default_factory=list)

    def free(self, concurrency: int) -> Instance | None:
        """Return the instance with the fewest requests that has room, or None."""
        open_ones = [each for each in self.instances if each.held < concurrency]
        return min(open_ones, key=lambda each: each.held, default=None)


class Service(Fleet):
    """Pub/Sub pushes each file; one that is refused, timed out or lost is pushed again."""

    def __init__(self, scene: Scene, concurrency: int, redelivery: Redelivery, scale: Scale) -> None:
        super().__init__(scene)
        self.redelivery, self.scale, self.workers = redelivery, scale, scale.most
        self.concurrency = concurrency
        self.pool = Pool()
        for _ in range(scale.least):
            self._start(0)  # long ago

    def take_in(self, index: int) -> None:
        """Push the file."""
        self.env.process(self._deliver(index))

    def slot_seconds(self, file: File) -> float:
        """Return the seconds to predict: other requests to the instance read and write meanwhile."""
        return self.times.turn(file.tokens)

    def _outcome(self) -> Outcome:
        """Bill those that are always there until the end."""
        until = max(self.env.now, self.weeks * WEEK)
        for _ in range(self.scale.least):
            self.record.leave(until)
        return super()._outcome()

    def _deliver(self, index: int) -> Steps:
        for backoff in self._backoffs():
            end = yield from self._push(self.files[index])
            if end is End.SUCCEEDED:
                break
            yield self.env.timeout(backoff)
        self.record.end(index, end, self.env.now)

    def _backoffs(self) -> Iterator[float]:
        for attempt in range(self.redelivery.max_delivery_attempts):
            yield min(self.redelivery.maximum_backoff, self.redelivery.minimum_backoff * 2**attempt)

    def _push(self, file: File) -> Tried:
        instance = self._place()
        if instance is None:
            yield self.env.timeout(self.times.pending_seconds)
            instance = self._place()
        if instance is None:
            return End.REFUSED
        instance.held += 1
        end = yield from self._serve(instance, file)
        instance.held -= 1
        instance.last_used = self.env.now
        return end

    def _serve(self, instance: Instance, file: File) -> Tried:
        """Start, read, predict and write within the limit; what has begun is finished, wanted or not."""
        until = self.env.now + self.times.request_seconds
        limit = self.env.timeout(self.times.request_seconds)
        yield instance.ready | limit
        yield self.env.timeout(self.times.prepare_seconds)
        with instance.device.request() as turn:
            yield turn | limit
            if not turn.triggered:
                return End.TIMED_OUT
            if not (yield from self._predict(self.times.turn(file.tokens))):
                return End.LOST
        yield self.env.timeout(self.times.write_seconds)
        return End.SUCCEEDED if self.env.now <= until else End.TIMED_OUT

    def _place(self) -> Instance | None:
        free = self.pool.free(self.concurrency)
        if free is None and len(self.pool.instances) < self.scale.most:
            free = self._start(self.times.start_seconds)
            self.env.process(self._watch(free, self.env.now))
        return free

    def _start(self, seconds: float) -> Instance:
        instance = Instance(simpy.Resource(self.env, 1), self.env.timeout(seconds))
        self.pool.instances.append(instance)
        self.record.begin()
        return instance

    def _watch(self, instance: Instance, began: float) -> Steps:
        """Stop an instance that was idle for long enough."""
        idle = self.times.service_idle_seconds
        while instance.held or self.env.now < instance.last_used + idle:
            since = self.env.now if instance.held else instance.last_used
            yield self.env.timeout(max(since + idle - self.env.now, 1.0))
        self.pool.instances.remove(instance)
        self.record.leave(self.env.now - began)
