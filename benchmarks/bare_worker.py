"""The worker alone: ``PYTHONPATH=tests python -m benchmarks.bare_worker INPUTS OUTPUTS OPTIONS``.

The worker's own code from start-up to its last settled job, with queue, ledger and buckets in this process's
memory: the emulators would compute on the same processors, which Google's services do not. Writes each job's
structure to OUTPUTS, named like the input.
"""

import math
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from support.fakes import NOW, MemoryBucket, MemoryDelivery, MemoryLedger, MemoryTopic, a_job, a_source

from inputs.read import REFERENCE_SUFFIXES
from jobs import lifecycle
from jobs.settle import Settler
from local.small_model import DEFAULT, ensure
from schemas.job import Job, State
from schemas.messages import PredictionRequested
from schemas.options import Options
from worker import no_gc
from worker.checks.run import check
from worker.child_pool import PRELOAD, ChildPool
from worker.device import Device
from worker.drain import Worker
from worker.job_runner import JobRunner
from worker.pipeline import Pipeline
from worker.prepare import in_child

LIMIT = 600.0


@dataclass(frozen=True)
class Drained:
    """The result of one worker: its jobs, as they ended, the bucket of results, its device and model."""

    jobs: Sequence[Job]
    results: MemoryBucket
    device: Device
    device_peak_memory: int

    def structure(self, job: Job) -> bytes:
        """Return the best structure of a job that succeeded."""
        return self.results.objects[f"{job.output_prefix}model_0.cif"][1]


def drain(inputs: Path, scratch: Path, weights: Path, options: Options, on: str = "cpu") -> Drained:
    """Drain one job per input of a folder; ``weights`` is a BOLTZ_CACHE, ``on`` names the device."""
    started_at = datetime.now(UTC)
    children, device = ChildPool(LIMIT, *PRELOAD), Device(LIMIT)
    from worker.boltz2.predictor import Boltz2Predictor  # noqa: PLC0415  as the worker does

    no_gc.collect_again()
    ledger, uploads, results = MemoryLedger(), MemoryBucket("in"), MemoryBucket("out")
    jobs = [_queued(path, options, ledger) for path in _uploaded(inputs, uploads)]
    predictor = Boltz2Predictor(weights, children, device, on)
    pipeline = Pipeline(uploads, results, predictor, check, scratch, started_at, call=in_child(children))
    settler = Settler(ledger, results, MemoryTopic(), MemoryTopic())
    runner = JobRunner(ledger, settler, pipeline, "bare", renew_seconds=30)
    Worker(runner, LIMIT, math.inf, lambda _turns: LIMIT).drain(_requested(jobs))
    children.stop()
    return Drained(ledger.all(), results, device, predictor.device_peak_memory)


def main(inputs: Path, outputs: Path, options: Options) -> int:
    """Drain one job per input with the small model; return 1 if one did not succeed."""
    drained = drain(inputs, outputs / "work", ensure(DEFAULT), options)
    for job in drained.jobs:
        if job.state is State.SUCCEEDED:
            (outputs / f"{Path(job.source.name).stem}.cif").write_bytes(drained.structure(job))
    return 0 if {job.state for job in drained.jobs} == {State.SUCCEEDED} else 1


def _uploaded(inputs: Path, uploads: MemoryBucket) -> Iterator[Path]:
    for path in sorted(inputs.iterdir()):
        uploads.put(path.name, path.read_bytes())
        if path.suffix not in REFERENCE_SUFFIXES:
            yield path


def _queued(path: Path, options: Options, ledger: MemoryLedger) -> Job:
    name = f"{abs(hash(path.name)):016x}"[:16]
    job = a_job(job_id=name, source=a_source(path.name), output_prefix=f"{name}/", options=options)
    return ledger.create(lifecycle.take_in(job, NOW))


def _requested(jobs: list[Job]) -> Iterator[MemoryDelivery]:
    for job in jobs:
        message = PredictionRequested.of(job).encode()
        yield MemoryDelivery(message.data, message.attributes)


if __name__ == "__main__":
    status = main(Path(sys.argv[1]), Path(sys.argv[2]), Options.model_validate_json(sys.argv[3]))
    os._exit(status)  # as the worker does
