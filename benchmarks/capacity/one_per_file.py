"""One execution of a job per message, with the model baked in or installed at each start."""

import simpy

from benchmarks.capacity.fleet import Fleet, Scene, Steps, Tried
from benchmarks.capacity.load import File
from benchmarks.capacity.record import End
from jobs.lifecycle import MAX_ATTEMPTS


class OnePerFile(Fleet):
    """One execution of a job per message: each starts, predicts one input and ends."""

    def __init__(self, scene: Scene, workers: int, start_seconds: float) -> None:
        super().__init__(scene)
        self.workers, self.start_seconds = workers, start_seconds
        self.slots = simpy.Resource(self.env, self.workers)

    def take_in(self, index: int) -> None:
        """Start an execution for the file."""
        self.env.process(self._file(index))

    def slot_seconds(self, file: File) -> float:
        """Return the seconds to start, read, predict and write."""
        turn = self.times.turn(file.tokens)
        return self.start_seconds + self.times.prepare_seconds + turn + self.times.write_seconds

    def _file(self, index: int) -> Steps:
        yield self.env.timeout(self.times.schedule_seconds)
        for _ in range(MAX_ATTEMPTS):
            with self.slots.request() as slot:
                yield slot
                end = yield from self._execute(self.files[index])
            if end is not End.LOST:
                break
        self.record.end(index, end, self.env.now)

    def _execute(self, file: File) -> Tried:
        began = self.env.now
        self.record.begin()
        if self.slot_seconds(file) > self.times.task_seconds:
            yield self.env.timeout(self.times.task_seconds)
            end = End.TIMED_OUT
        else:
            yield self.env.timeout(self.start_seconds + self.times.prepare_seconds)
            lasted = yield from self._predict(self.times.turn(file.tokens))
            yield self.env.timeout(self.times.write_seconds if lasted else 0)
            end = End.SUCCEEDED if lasted else End.LOST
        self.record.leave(self.env.now - began)
        return end
