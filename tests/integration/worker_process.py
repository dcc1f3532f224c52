"""A worker as a process, and what surrounds it: the product's own parts at the emulators."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from google.cloud import pubsub_v1, storage
from support.inputs import one_protein
from support.patience import HANG, until

from functions.intake import Intake
from functions.sweep import Sweep
from gcp.clients import Clients
from gcp.settings import Project
from inputs.examine import Rules
from local.processes import bound
from schemas.job import Job, Lease, Source, State, job_id
from schemas.messages import PredictionRequested
from schemas.options import Options
from schemas.receipt import Receipt, receipt_name

ROOT = Path(__file__).resolve().parents[2]
MISCHIEF = {"PYTHONPATH": f"{Path(__file__).parent / 'mischief'}:{ROOT}:{ROOT / 'tests'}"}
"""Settings of a worker that MISCHIEF_KILLS and MISCHIEF_HOLDS are for."""

QUICK = Options(recycling_steps=0, sampling_steps=2, sampling_steps_affinity=2, samples_affinity=1)
WORK, COMPLETIONS = "work", "completions"
REQUESTED = PredictionRequested.model_fields["type"].default
TINY, OTHER, THIRD = map(one_protein, ("MKTAY", "GSHMK", "PEPTI"))
Line = Mapping[str, Any]


def turn_of(job: str) -> str:
    """Return the pattern of a path that is read in a job's turn on the device alone."""
    return rf"/{job}-[^/]*/output/generator\.pt$"


@dataclass(frozen=True)
class Pipeline:
    """One test's own buckets, topics and ledger, and the functions before and after a worker."""

    settings: Project

    @classmethod
    def make(cls, name: str) -> Self:
        """Make buckets, topics and subscriptions in a project of this name."""
        settings = Project(google_cloud_project=name, input_bucket=f"{name}-in", output_bucket=f"{name}-out")
        for bucket in (settings.input_bucket, settings.output_bucket):
            storage.Client(project=name).create_bucket(bucket)
        queues = {settings.requested_topic: WORK, settings.completed_topic: COMPLETIONS}
        with pubsub_v1.PublisherClient() as publisher, pubsub_v1.SubscriberClient() as subscriber:
            for topic, queue in queues.items():
                path = publisher.topic_path(name, topic)
                publisher.create_topic(name=path)
                subscriber.create_subscription(
                    name=subscriber.subscription_path(name, queue), topic=path, ack_deadline_seconds=600
                )
        return cls(settings)

    @cached_property
    def intake(self) -> Intake:
        """The function that takes an upload in."""
        clients = Clients(self.settings)
        return Intake(
            uploads=clients.bucket(self.settings.input_bucket),
            ledger=clients.ledger(),
            settler=clients.settler(),
            arrivals=clients.topic(self.settings.completed_topic),  # of none is told here
            rules=Rules(default_options=QUICK),
        )

    def drop(self, name: str, content: str, **options: object) -> str:
        """Upload a file as a user does, take it in as Eventarc makes the function do; return its job's id."""
        blob = self._objects(self.settings.input_bucket).blob(name)
        blob.metadata = {f"dropfold-{key.replace('_', '-')}": str(value) for key, value in options.items()}
        blob.upload_from_string(content)
        blob.reload()
        source = Source(
            bucket=blob.bucket.name,
            name=name,
            generation=blob.generation,
            size=blob.size,
            crc32c=blob.crc32c,
            time=blob.time_created,
            metadata=blob.metadata or {},
        )
        self.intake.on_upload(source)
        return job_id(source.bucket, name, source.generation)

    def job(self, identity: str) -> Job:
        """Read a job that is there."""
        job = self.intake.ledger.get(identity)
        assert job is not None
        return job

    def states(self, *jobs: str) -> list[State]:
        """Return the states that jobs are in now."""
        return [self.job(identity).state for identity in jobs]

    def ends(self, *jobs: str) -> list[State]:
        """Wait until jobs have ended; return how. The ledger says so first, receipt and event follow."""
        until(
            lambda: all(job.state.terminal and not job.pending for job in map(self.job, jobs)),
            lambda: self.states(*jobs),
        )
        return self.states(*jobs)

    def expire_lease(self, identity: str) -> None:
        """Let two minutes pass for a job whose worker is gone, if it was running; a sweep then finds it."""
        job, past = self.job(identity), datetime.now(UTC) - timedelta(seconds=1)
        if job.lease is not None:
            self.intake.ledger.replace(job.evolve(lease=Lease(holder=job.lease.holder, expires_at=past)))

    def sweep(self) -> None:
        """Do what Cloud Scheduler has done every minute."""
        ledger, settler = self.intake.ledger, self.intake.settler
        Sweep(ledger, settler, settle_after=timedelta(), request_again_after=timedelta(minutes=15)).run()

    def receipt(self, identity: str) -> Receipt:
        """Read a job's receipt."""
        blob = self._objects(self.settings.output_bucket).blob(receipt_name(self.job(identity)))
        return Receipt.model_validate_json(blob.download_as_bytes())

    def outputs(self, identity: str) -> dict[str, bytes]:
        """Read what a receipt lists, by name within the job's folder, and hold it to size and checksum."""
        bucket, prefix = self._objects(self.settings.output_bucket), self.job(identity).output_prefix
        found = {}
        for output in self.receipt(identity).outputs:
            blob = bucket.get_blob(output.name)
            assert (blob.size, blob.crc32c) == (output.size, output.crc32c)
            found[output.name.removeprefix(prefix)] = blob.download_as_bytes(checksum="crc32c")
        return found

    def completions(self) -> Counter[str]:
        """Count the ids of all events that told of a job's end that nobody took."""
        return Counter(message.attributes["ce-id"] for message in self._waiting(COMPLETIONS))

    def requested(self) -> set[str]:
        """Return the jobs whose requests any worker would get now; they stay in the queue."""
        messages = (message for message in self._waiting(WORK) if message.attributes["ce-type"] == REQUESTED)
        return {PredictionRequested.decode(each.data, dict(each.attributes)).data.job_id for each in messages}

    def _waiting(self, queue: str) -> list[pubsub_v1.types.PubsubMessage]:
        """Look at what nobody holds at this moment, and give it back."""
        found = []
        with pubsub_v1.SubscriberClient() as subscriber:
            path = subscriber.subscription_path(self.settings.google_cloud_project, queue)
            request = {"subscription": path, "max_messages": 100, "return_immediately": True}
            while received := subscriber.pull(request).received_messages:
                found += received
            back = {"subscription": path, "ack_ids": [each.ack_id for each in found]}
            if found:
                subscriber.modify_ack_deadline(back | {"ack_deadline_seconds": 0})
        return [each.message for each in found]

    def _objects(self, name: str) -> storage.Bucket:
        return storage.Client(project=self.settings.google_cloud_project).bucket(name)


@dataclass(frozen=True)
class WorkerProcess:
    """One life of ``python -m worker`` (or another module), in its own session, and what it has printed."""

    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(cls, log: Path, env: Mapping[str, str], module: str = "worker") -> Self:
        """Start a worker with exactly these variables."""
        command = bound([sys.executable, "-m", module])
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, env=env, cwd=ROOT, stdout=output, stderr=output, start_new_session=True
            )
        return cls(process, log)

    def ends(self) -> int:
        """Wait for its end; return its exit status, or the signal that ended it, negative.

        Whatever it started has to end with it.
        """
        status = self.process.wait(HANG)
        until(lambda: not self.family, lambda: self.family)
        return status

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the first process alone, as Cloud Run does."""
        self.process.send_signal(number)

    @property
    def lines(self) -> list[Line]:
        """What it has logged: every line that it prints is one JSON object; the last may be half written."""
        whole = self.log.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def said(self, message: str) -> list[Line]:
        """Return the lines with this message."""
        return [line for line in self.lines if line["message"] == message]

    @property
    def family(self) -> dict[int, str]:
        """Living processes of its session by id, with their command lines."""
        return {pid: line for pid in _pids() if (line := _command_in(self.process.pid, pid))}

    def destroy(self) -> None:
        """End whatever is left of it."""
        for pid in self.family:
            with suppress(ProcessLookupError):  # children end with their worker
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


StartWorker = Callable[..., WorkerProcess]
"""Starts a worker; takes settings that differ from the usual ones, None for one that is not there."""


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _command_in(session: int, pid: int) -> str:
    """Return the command line of a living process of a session, else nothing."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    ours = stat[0] != "Z" and int(stat[3]) == session
    return command.decode().replace("\0", " ") if ours else ""
