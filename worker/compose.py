"""Composition of Job and Service: the model, its children, and the runner of jobs."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from gcp.clients import Clients
from worker import no_gc
from worker.alignments import Alignments
from worker.boltz2.manifest import COMPONENTS, STRUCTURE, require
from worker.boltz2.read_ahead import read_ahead
from worker.checks import run
from worker.child_pool import PRELOAD, ChildPool
from worker.child_server import fork_child_server
from worker.device import Device
from worker.drain import Worker
from worker.examination import Check
from worker.job_runner import JobRunner
from worker.pipeline import Pipeline
from worker.predictor import Predictor
from worker.prepare import here, in_child
from worker.report.renderers import renderers
from worker.scratch import writable
from worker.settings import PredictionSettings, ServiceSettings, WorkerSettings

if TYPE_CHECKING:
    from worker.boltz2.predictor import Boltz2Predictor


class Warm(NamedTuple):
    """A predictor that loads its model beside the caller, its children, the device whose turns it takes."""

    predictor: "Boltz2Predictor"
    children: ChildPool
    device: Device


@contextmanager
def warm(settings: PredictionSettings) -> Iterator[Warm]:
    """Start the predictor, which loads its model while the block runs; its children end with the block.

    Call it before anything else starts a thread or a client of Google's. Raises FileNotFoundError, in one
    line, where the model's folder lacks a part.
    """
    for part in (COMPONENTS, STRUCTURE):
        require(settings.boltz_cache.absolute() / part)  # said before seconds of imports
    read_ahead(settings.boltz_cache, STRUCTURE)
    from worker.boltz2.predictor import Boltz2Predictor  # noqa: PLC0415  torch: seconds, while the disk is read

    fork_child_server(*PRELOAD)
    no_gc.collect_again()
    with ChildPool(settings.read_seconds, *PRELOAD, memory=settings.child_memory) as children:
        device = Device(settings.prediction_seconds)
        predictor = Boltz2Predictor(settings.boltz_cache, children, device, settings.device, settings.speed)
        yield Warm(predictor, children, device)


def job_runner(
    settings: WorkerSettings | ServiceSettings,
    clients: Clients,
    predictor: Predictor,
    started_at: datetime,
    children: ChildPool | None = None,
    *,
    check: Check = run.check,
) -> JobRunner:
    """Put together what runs jobs; without children it works in this process, and writes no report."""
    ledger = clients.ledger()
    attempt = Pipeline(
        uploads=clients.bucket(settings.input_bucket),
        results=clients.bucket(settings.output_bucket),
        predictor=predictor,
        check=check,
        work_dir=writable(settings.work_dir),
        started_at=started_at,
        cache=ledger if settings.result_cache else None,
        renderers=renderers(children) if children else {},
        usd_per_hour=settings.usd_per_hour,
        max_tokens=settings.max_tokens,
        call=in_child(children) if children else here,
        alignments=_alignments(settings, clients),
    )
    return JobRunner(ledger, clients.settler(), attempt, settings.holder, settings.renew_seconds)


def _alignments(settings: WorkerSettings | ServiceSettings, clients: Clients) -> Alignments | None:
    if settings.msa_server is None:
        return None
    return Alignments(settings.msa_server, clients.bucket(settings.alignments_bucket))


def worker(settings: WorkerSettings, runner: JobRunner, started: float) -> Worker:
    """Put together what drains the queue; ``started`` is when the process did, by ``time.monotonic``."""
    ends_at = started + settings.task_seconds
    return Worker(runner, settings.idle_seconds, ends_at, settings.needs)
