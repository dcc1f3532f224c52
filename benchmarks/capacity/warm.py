"""The product: warm workers that drain a queue, started by the rule in functions/launch.py."""

import math
from collections import defaultdict

import simpy

from benchmarks.capacity.figures import Warm
from benchmarks.capacity.fleet import Fleet, Lasted, Scene, Steps
from benchmarks.capacity.load import File
from benchmarks.capacity.record import End
from functions.launch import wanted
from jobs.lifecycle import MAX_ATTEMPTS


class WarmWorkers(Fleet):
    """Launch starts workers by its rule; each drains the queue until it is idle or its time is up."""

    def __init__(self, scene: Scene, warm: Warm, sweep_seconds: float) -> None:
        super().__init__(scene)
        self.warm, self.sweep_seconds, self.workers = warm, sweep_seconds, warm.max_workers
        self.queue: simpy.Store = simpy.Store(self.env)
        self.attempts: defaultdict[int, int] = defaultdict(int)
        self.launched = 0
        self.deciding = False
        self.decided_at = -math.inf
        self.env.process(self._sweep())

    def take_in(self, index: int) -> None:
        """Queue the file and have launch reconsider."""
        self.queue.put(index)
        self._ring()

    def slot_seconds(self, file: File) -> float:
        """Return the seconds to predict: all else overlaps with other files."""
        return self.times.turn(file.tokens)

    def _sweep(self) -> Steps:
        while not self.record.complete:
            yield self.env.timeout(self.sweep_seconds)
            if self.queue.items:
                self._ring()

    def _ring(self) -> None:
        if not self.deciding:
            self.deciding = True
            self.env.process(self._decide())

    def _decide(self) -> Steps:
        yield self.env.timeout(max(0.0, self.decided_at + self.warm.decision_seconds - self.env.now))
        self.deciding, self.decided_at = False, self.env.now
        most = wanted(len(self.queue.items), self.warm.max_workers, self.warm.jobs_per_worker)
        for _ in range(most - self.launched):
            self.launched += 1
            self.env.process(self._worker())

    def _worker(self) -> Steps:
        yield self.env.timeout(self.times.schedule_seconds)
        began = self.env.now
        self.record.begin()
        yield self.env.timeout(self.times.start_seconds)
        yield from self._drain(began + self.warm.take_seconds)
        self.record.leave(self.env.now - began)
        self.launched -= 1

    def _drain(self, take_until: float) -> Steps:
        worked = False
        while self.env.now <= take_until:
            since = self.env.now
            found = self.queue.get()
            idle = self.warm.idle_seconds + (self.times.write_seconds if worked else 0)
            came = yield found | self.env.timeout(idle)
            if found not in came:
                found.cancel()
                return
            hidden = worked and self.env.now == since
            if not (yield from self._turn(came[found], hidden)):
                return
            worked = True
        yield self.env.timeout(self.times.write_seconds)

    def _turn(self, index: int, hidden: bool) -> Lasted:
        """Predict an input; return whether the worker is still there."""
        if not hidden:
            yield self.env.timeout(self.times.prepare_seconds)
        seconds = self.times.turn(self.files[index].tokens)
        if seconds > self.warm.prediction_seconds:
            self.record.busy_seconds += self.warm.prediction_seconds
            yield self.env.timeout(self.warm.prediction_seconds)
            self.record.end(index, End.TIMED_OUT, self.env.now)
            return False
        if not (yield from self._predict(seconds)):
            self._release(index)
            return False
        self.record.end(index, End.SUCCEEDED, self.env.now + self.times.write_seconds)
        return True

    def _release(self, index: int) -> None:
        self.attempts[index] += 1
        if self.attempts[index] < MAX_ATTEMPTS:
            self.take_in(index)
        else:
            self.record.end(index, End.LOST, self.env.now)
