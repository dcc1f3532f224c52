"""The product's own code, put together as functions/main.py and worker/__main__.py do, in one world."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from support.fakes import MemoryBucket
from support.paper import passed

from dropfold.commands.cancel import cancel, unfinished
from functions.alignments.align import Aligner
from functions.alignments.kept import Kept
from functions.alignments.search import Search
from functions.alignments.server import InTime, Server
from functions.dead_letters import DeadLetters
from functions.intake import Intake
from functions.launch import Launcher, Workers
from functions.reconcile import Comparison
from functions.settings import (
    AlignSettings,
    CompareSettings,
    DeadSettings,
    LaunchSettings,
    SweepSettings,
    WakeSettings,
)
from functions.sweep import Sweep
from functions.wake import Wake
from inputs.alignments import MsaServer
from inputs.examine import Rules
from jobs.settle import Settler, Topic
from schemas.job import Source, job_id
from schemas.messages import Message
from schemas.upload import decode_upload
from simulation.cloud import Inputs
from simulation.facts import Cancelled, Told
from simulation.functions import Handler
from simulation.ledger import NotedLedger
from simulation.plan import How
from simulation.predictor import Predictor
from simulation.pubsub import Pull
from simulation.stand_ins import Semaphore, at, monotonic, sleep
from simulation.world import World
from worker.alignments import Alignments
from worker.device import Device
from worker.drain import MAX_IN_FLIGHT, Worker
from worker.errors import ShutdownRequestedError
from worker.job_runner import JobRunner
from worker.pipeline import Pipeline
from worker.settings import WorkerSettings

POLL_SECONDS = 2.0
LOAD_SECONDS = 4.0
"""How long a worker loads its model."""


MSA, RULES = MsaServer("http://msa.example", "none"), Rules(msa_service=True)


class MsaServerAlone:
    """Implements functions.alignments.server.Server: it knows no homologues."""

    def __init__(self) -> None:
        self._asked: set[str] = set()

    def unpaired(self, sequences: Sequence[str], in_time: InTime) -> list[str] | None:
        """Return each query alone, or None where time is over at the first question; a search goes on."""
        if not in_time() and not self._asked.issuperset(sequences):
            self._asked.update(sequences)
            return None
        return [f">101\n{each}\n" for each in sequences]

    def paired(self, sequences: Sequence[str], in_time: InTime) -> list[str] | None:
        """Return the same."""
        return self.unpaired(sequences, in_time)


def default(settings: type[BaseModel], name: str) -> Any:  # noqa: ANN401  whatever the setting is
    """Return what a setting is where nobody sets it."""
    return settings.model_fields[name].default


def seconds(settings: type[BaseModel], name: str) -> timedelta:
    """Return such a setting as a time."""
    return timedelta(seconds=default(settings, name))


@dataclass(frozen=True)
class NotedIntake(Intake):
    """An intake that notes what it has dealt with."""

    world: World = field(kw_only=True)

    def on_upload(self, source: Source, traceparent: str | None = None) -> None:
        """Do what an upload calls for."""
        super().on_upload(source, traceparent)
        self._note("upload", source)

    def on_delete(self, source: Source, traceparent: str | None = None) -> None:
        """End the job of a generation that is gone."""
        super().on_delete(source, traceparent)
        self._note("delete", source)

    def _note(self, what: str, source: Source) -> None:
        identity = job_id(source.bucket, source.name, source.generation)
        self.world.facts.told.append(Told(self.world.clockwork.now, what, identity))


class Parts:
    """What can be begun in a process, told of what lies outside it. ``folder`` is for the workers' files."""

    def __init__(
        self,
        *,
        world: World,
        ledger: NotedLedger,
        inputs: Inputs,
        outputs: MemoryBucket,
        alignments: MemoryBucket,
        requests: Topic,
        completions: Topic,
        arrivals: Topic,
        wanted: Topic,
        folder: Path,
    ) -> None:
        self._world, self._folder = world, folder
        self._ledger = world.reached("ledger", ledger)
        self._inputs = world.reached("inputs", inputs)
        self._outputs = world.reached("outputs", outputs)
        requests, completions = world.reached("requests", requests), world.reached("completions", completions)
        self._arrivals = world.reached("arrivals", arrivals)
        self._wanted = world.reached("wanted", wanted)
        self._alignments = world.reached("alignments", alignments)
        self._msa_server: Server = world.reached("MSA server", MsaServerAlone())
        self._settler = Settler(self._ledger, self._outputs, requests, completions, self._wanted)

    def intake(self) -> Intake:
        """Build what takes in."""
        return NotedIntake(
            uploads=self._inputs,
            ledger=self._ledger,
            settler=self._settler,
            arrivals=self._arrivals,
            rules=RULES,
            kept=Kept(MSA, self._alignments),
            world=self._world,
        )

    def on_upload(self) -> Handler:
        """Build an instance of on_upload."""
        intake = self.intake()
        return lambda message: intake.on_upload(_source(message))

    def on_delete(self) -> Handler:
        """Build an instance of on_delete."""
        intake = self.intake()
        return lambda message: intake.on_delete(_source(message))

    def on_wake(self) -> Handler:
        """Build an instance of on_wake."""
        wake = Wake(self.intake().waiting, self._arrivals, default(WakeSettings, "wake_seconds"))
        return lambda message: wake.take_up(message.data, message.attributes)

    def on_dead(self) -> Handler:
        """Build an instance of on_dead."""
        try_for = seconds(DeadSettings, "take_in_within_seconds")
        letters = DeadLetters(self.intake(), self._ledger, self._settler, "work", try_for)
        return lambda message: letters.take_up(message.data, message.attributes)

    def on_align(self) -> Handler:
        """Build the instance of on_align."""
        aligner = Aligner(
            uploads=self._inputs,
            ledger=self._ledger,
            settler=self._settler,
            rules=RULES,
            search=Search(Kept(MSA, self._alignments), self._msa_server),
            wanted=self._wanted,
            seconds=default(AlignSettings, "align_seconds"),
            _waiting=Semaphore(),  # type: ignore[arg-type]  # a stand-in, as in all modules of the product
            _passing=Semaphore(),  # type: ignore[arg-type]
        )
        return lambda message: aligner.dispatch(message.data, message.attributes)

    def on_request(self, workers: Workers) -> Handler:
        """Build the instance of on_request."""
        launcher = Launcher(
            ledger=self._ledger,
            workers=self._world.reached("workers", workers),
            max_workers=default(LaunchSettings, "max_workers"),
            jobs_per_worker=default(LaunchSettings, "jobs_per_worker"),
            decision_seconds=default(LaunchSettings, "decision_seconds"),
            _waiting=Semaphore(),  # type: ignore[arg-type]  # a stand-in, as in all modules of the product
            _deciding=Semaphore(),  # type: ignore[arg-type]
        )
        return lambda message: launcher.dispatch(message.data, message.attributes)

    def on_sweep(self) -> Handler:
        """Build an instance of on_sweep."""
        settle_after = seconds(SweepSettings, "settle_after_seconds")
        again_after = seconds(SweepSettings, "request_again_after_seconds")
        return Sweep(self._ledger, self._settler, settle_after, again_after).run

    def on_compare(self) -> Handler:
        """Build an instance of on_compare."""
        return Comparison(
            uploads=self._inputs,
            ledger=self._ledger,
            intake=self.intake(),
            after=seconds(CompareSettings, "compare_after_seconds"),
            within=seconds(CompareSettings, "compare_within_seconds"),
            most=default(CompareSettings, "compare_most"),
        ).run

    def command(self) -> Handler:
        """Build `dropfold cancel`."""
        return self._cancel

    def work(self, queue: Pull, holder: str) -> int:
        """Live a worker's life; return its exit status."""
        started = monotonic()
        slow = self._world.choose(f"{holder} loads", (How.SLOW, How.STUCK)).seconds
        try:
            sleep(LOAD_SECONDS + slow)
            with queue.pulling(MAX_IN_FLIGHT, POLL_SECONDS) as deliveries:
                self._worker(holder, started).drain(deliveries)
        except ShutdownRequestedError:
            return 0
        except Exception as error:  # noqa: BLE001  as worker/__main__.py
            self._world.tell(f"  {holder}: ends, {error!r}")
            return 1
        return 0

    def _worker(self, holder: str, started: float) -> Worker:
        prediction = default(WorkerSettings, "prediction_seconds")
        pipeline = Pipeline(
            uploads=self._inputs,
            results=self._outputs,
            predictor=Predictor(self._world, Device(prediction), at(monotonic())),
            check=passed,
            work_dir=self._folder,
            started_at=at(started),
            cache=self._ledger,
            alignments=Alignments(MSA, self._alignments),
        )
        renew = default(WorkerSettings, "renew_seconds")
        each = prediction + default(WorkerSettings, "read_seconds")
        return Worker(
            runner=JobRunner(self._ledger, self._settler, pipeline, holder, renew),
            idle_seconds=default(WorkerSettings, "idle_seconds"),
            ends_at=started + self._world.scale.task_seconds,
            needs=lambda turns: turns * each,
        )

    def _cancel(self, target: str) -> None:
        found = unfinished(self._ledger, "in", [target])
        noted = Cancelled(self._world.clockwork.now, frozenset(job.job_id for job in found))
        self._world.facts.cancelled.append(noted)
        for job in found:
            cancel(self._settler, job)
        noted.done_at = self._world.clockwork.now


def _source(message: Message) -> Source:
    return decode_upload(json.loads(message.data))
