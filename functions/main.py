"""Entry points of the functions, and the one place where they are put together.

Deployed once each from this source, with its own settings and identity: ``on_upload`` and ``on_delete``
(Eventarc, Cloud Storage), ``on_wake`` (Pub/Sub), ``on_request`` (Pub/Sub; one instance), ``on_dead``
(Pub/Sub, dead letters), ``on_sweep`` and ``on_compare`` (Cloud Scheduler over HTTP).
"""

import base64
from collections.abc import Mapping
from datetime import timedelta
from threading import RLock
from typing import Any, Protocol

import flask
import functions_framework
from cloudevents.http import CloudEvent

from functions.alignments.align import Aligner
from functions.alignments.colabfold import ColabFold
from functions.alignments.kept import Kept
from functions.alignments.search import Search
from functions.dead_letters import DeadLetters
from functions.folder_page.refresh import Pages
from functions.intake import Intake
from functions.launch import Launcher
from functions.push import Pusher
from functions.reconcile import Comparison
from functions.rights import RIGHTS
from functions.settings import (
    AlignSettings,
    CompareSettings,
    DeadSettings,
    IntakeSettings,
    Kind,
    LaunchSettings,
    SettingsError,
    SweepSettings,
    WakeSettings,
    read,
)
from functions.sweep import Sweep
from functions.wake import Wake
from gcp import logs
from gcp.clients import Clients
from gcp.cloud_run import WorkerJob
from gcp.health import Health
from gcp.identity import identity_token
from gcp.made_once import made_once
from gcp.service import WorkerService
from gcp.settings import Project
from gcp.startup import verify
from schemas.upload import decode_upload

logs.configure()


@functions_framework.cloud_event
def on_upload(event: CloudEvent) -> None:
    """Take an uploaded object in."""
    functions.intake.on_upload(decode_upload(event.data), event.get("traceparent"))


@functions_framework.cloud_event
def on_delete(event: CloudEvent) -> None:
    """End the job of a deleted or overwritten object."""
    functions.deletion.on_delete(decode_upload(event.data), event.get("traceparent"))


@functions_framework.cloud_event
def on_wake(event: CloudEvent) -> None:
    """Resume the jobs whose file came."""
    functions.wake.take_up(*_message(event))


@functions_framework.cloud_event
def on_dead(event: CloudEvent) -> None:
    """Take up a message that could not be delivered."""
    functions.dead_letters.take_up(*_message(event))


@functions_framework.cloud_event
def on_request(event: CloudEvent) -> None:
    """Start workers for queued jobs, or push the job that is asked for to the Service."""
    functions.dispatcher.dispatch(*_message(event))


@functions_framework.cloud_event
def on_align(event: CloudEvent) -> None:
    """Have alignments made that jobs lack."""
    functions.aligner.dispatch(*_message(event))


@functions_framework.http
def on_sweep(request: flask.Request) -> tuple[str, int]:  # noqa: ARG001  the schedule sends no content
    """Finish what was left half done; then, whether or not that succeeded, make stale pages anew."""
    sweep, pages = functions.sweep, functions.pages
    try:
        sweep.run()
    finally:
        pages.refresh()
    return "", 204


@functions_framework.http
def on_compare(request: flask.Request) -> tuple[str, int]:  # noqa: ARG001  the schedule sends no content
    """Take in what no event brought."""
    functions.comparison.run()
    return "", 204


def _message(event: CloudEvent) -> tuple[bytes, Mapping[str, str]]:
    """Return data and attributes of a message that Pub/Sub pushes."""
    message: Mapping[str, Any] = event.data["message"]
    return base64.b64decode(message.get("data") or ""), message.get("attributes") or {}


class Dispatcher(Protocol):
    """Starts what predicts queued jobs."""

    def dispatch(self, data: bytes, attributes: Mapping[str, str], /) -> None:
        """See that the job is attempted which a message of the requested topic asks for."""


class Functions:
    """Parts that the entry points call, each made when it is first called; all share their clients.

    Requests come in threads, and two launchers would each start workers: parts are made under one lock.
    """

    def __init__(self) -> None:
        self.lock = RLock()

    @made_once
    def clients(self) -> Clients:
        """Google's clients. The names in Project are the same in the settings of each function."""
        return Clients(read(Project))

    @made_once
    def intake(self) -> Intake:
        """The intake of uploads."""
        return self._intake(self._verified("on_upload", IntakeSettings))

    @made_once
    def deletion(self) -> Intake:
        """The intake of deletions, which publishes no arrivals."""
        return self._intake(self._verified("on_delete", IntakeSettings))

    @made_once
    def wake(self) -> Wake:
        """The resuming of jobs whose file came."""
        settings = self._verified("on_wake", WakeSettings)
        intake = self._intake(settings)
        return Wake(intake.waiting, intake.arrivals, settings.wake_seconds)

    @made_once
    def dead_letters(self) -> DeadLetters:
        """The handling of dead letters."""
        settings = self._verified("on_dead", DeadSettings)
        return DeadLetters(
            intake=self._intake(settings),
            ledger=self.clients.ledger(),
            settler=self.clients.settler(),
            work=settings.serving_subscription,
            try_for=timedelta(seconds=settings.take_in_within_seconds),
        )

    @made_once
    def comparison(self) -> Comparison:
        """The comparison of bucket and ledger."""
        settings = self._verified("on_compare", CompareSettings)
        return Comparison(
            uploads=self.clients.bucket(settings.input_bucket),
            ledger=self.clients.ledger(),
            intake=self._intake(settings),
            after=timedelta(seconds=settings.compare_after_seconds),
            within=timedelta(seconds=settings.compare_within_seconds),
            most=settings.compare_most,
        )

    @made_once
    def dispatcher(self) -> Dispatcher:
        """The dispatcher of GPU_WORKER_MODE."""
        settings = read(LaunchSettings)
        return self._pusher(settings) if settings.gpu_worker_mode == "sync" else self._launcher(settings)

    @made_once
    def aligner(self) -> Aligner:
        """The maker of alignments. Raises SettingsError where no MSA server is set."""
        settings = self._verified("on_align", AlignSettings)
        if settings.msa_server is None:
            raise SettingsError("MSA_SERVER_URL is missing: there is nobody to ask for alignments")
        kept = Kept(settings.msa_server, self.clients.bucket(settings.alignments_bucket))
        pauses = (settings.msa_pause_seconds, settings.msa_retry_seconds)
        return Aligner(
            uploads=self.clients.bucket(settings.input_bucket),
            ledger=self.clients.ledger(),
            settler=self.clients.settler(),
            rules=settings.rules,
            search=Search(kept, msa_server(settings), *pauses),
            wanted=self.clients.topic(settings.alignments_topic),
            seconds=settings.align_seconds,
        )

    @made_once
    def sweep(self) -> Sweep:
        """The sweep."""
        settings = self._verified("on_sweep", SweepSettings)
        return Sweep(
            ledger=self.clients.ledger(),
            settler=self.clients.settler(),
            settle_after=timedelta(seconds=settings.settle_after_seconds),
            request_again_after=timedelta(seconds=settings.request_again_after_seconds),
        )

    @made_once
    def pages(self) -> Pages:
        """The pages of folders, with the sweep's rights."""
        settings = read(SweepSettings)
        return Pages(
            completions=self.clients.subscription(settings.pages_subscription),
            results=self.clients.bucket(settings.output_bucket),
            ledger=self.clients.ledger(),
            look_seconds=settings.pages_look_seconds,
            seconds=settings.pages_seconds,
        )

    def _verified(self, function: str, kind: type[Kind]) -> Kind:
        """Read settings, and see that what they name can be used. Raises SettingsError, StartError."""
        settings = read(kind)
        verify(Health(self.clients), settings, RIGHTS[function])
        return settings

    def _intake(self, settings: IntakeSettings) -> Intake:
        return Intake(
            uploads=self.clients.bucket(settings.input_bucket),
            ledger=self.clients.ledger(),
            settler=self.clients.settler(),
            arrivals=self.clients.topic(settings.arrived_topic),
            rules=settings.rules,
            kept=self._kept(settings),
        )

    def _kept(self, settings: IntakeSettings) -> Kept | None:
        if settings.msa_server is None:
            return None
        return Kept(settings.msa_server, self.clients.bucket(settings.alignments_bucket))

    def _pusher(self, settings: LaunchSettings) -> Pusher:
        service = WorkerService(settings.gpu_worker_url, settings.audience, settings.gpu_worker_seconds)
        return Pusher(service)

    def _launcher(self, settings: LaunchSettings) -> Launcher:
        return Launcher(
            ledger=self.clients.ledger(),
            workers=WorkerJob(
                settings.google_cloud_project,
                settings.cloud_run_region,
                settings.cloud_run_job_name,
                settings.cloud_run_endpoint,
            ),
            max_workers=settings.max_workers,
            jobs_per_worker=settings.jobs_per_worker,
            decision_seconds=settings.decision_seconds,
        )


def msa_server(settings: AlignSettings) -> ColabFold:
    """Return the MSA server, called with the credentials that are set."""
    token = identity_token(settings.msa_server_audience) if settings.msa_server_audience else dict
    return ColabFold(
        settings.msa_server_url,
        settings.agent,
        settings.msa_server_pairing,
        lambda: {**settings.headers, **token()},
    )


functions = Functions()
