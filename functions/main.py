"""Entry points of the functions, and the one place where they are put together.

Deployed once each from this source, with its own settings and identity: ``on_upload`` and ``on_delete``
(Eventarc, Cloud Storage), ``on_wake`` (Pub/Sub), ``on_request`` (Pub/Sub; one instance), ``on_dead``
(Pub/Sub, dead letters), ``on_sweep`` and ``on_compare`` (Cloud Scheduler over HTTP).
"""

import base64
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache
from typing import TypeVar

import flask
import functions_framework
from cloudevents.http import CloudEvent

from functions.dead_letters import DeadLetters
from functions.folder_page.refresh import Pages
from functions.intake import Intake
from functions.launch import Launcher
from functions.push import Pusher
from functions.reconcile import Comparison
from functions.settings import (
    CompareSettings,
    DeadSettings,
    IntakeSettings,
    LaunchSettings,
    SweepSettings,
    WakeSettings,
    read,
)
from functions.sweep import Sweep
from functions.wake import Wake
from gcp import clients as project
from gcp import logs
from gcp.cloud_run import WorkerJob
from gcp.service import WorkerService
from schemas.upload import decode_upload

logs.configure()
T = TypeVar("T")


@functions_framework.cloud_event
def on_upload(event: CloudEvent) -> None:
    """Take an uploaded object in."""
    _intake().on_upload(decode_upload(event.data), event.get("traceparent"))


@functions_framework.cloud_event
def on_delete(event: CloudEvent) -> None:
    """End the job of a deleted or overwritten object."""
    _intake().on_delete(decode_upload(event.data), event.get("traceparent"))


@functions_framework.cloud_event
def on_wake(event: CloudEvent) -> None:
    """Let jobs go on whose file came."""
    message = event.data["message"]
    _wake().take_up(base64.b64decode(message.get("data") or ""), message.get("attributes") or {})


@functions_framework.cloud_event
def on_dead(event: CloudEvent) -> None:
    """Take up a message that could not be delivered."""
    message = event.data["message"]
    _dead_letters().take_up(base64.b64decode(message.get("data") or ""), message.get("attributes") or {})


@functions_framework.cloud_event
def on_request(event: CloudEvent) -> None:
    """Have queued work done: keep enough workers alive, or push the job that is asked for to the Service."""
    message = event.data["message"]
    _at_work()(base64.b64decode(message.get("data") or ""), message.get("attributes") or {})


@functions_framework.http
def on_sweep(request: flask.Request) -> tuple[str, int]:  # noqa: ARG001  the schedule sends no content
    """Finish what was left half done; then, whether or not that succeeded, make stale pages anew."""
    try:
        _sweep().run()
    finally:
        _pages().refresh()
    return "", 204


@functions_framework.http
def on_compare(request: flask.Request) -> tuple[str, int]:  # noqa: ARG001  the schedule sends no content
    """Take in what no event brought."""
    _comparison().run()
    return "", 204


def _once(build: Callable[[], T]) -> Callable[[], T]:
    """Build on first use, once: requests come in threads, and two launchers would each start workers."""
    lock, built = threading.Lock(), cache(build)

    def get() -> T:
        with lock:
            return built()

    return get


@_once
def _intake() -> Intake:
    return _intake_of(read(IntakeSettings))


def _intake_of(settings: IntakeSettings) -> Intake:
    return Intake(
        uploads=project.bucket(settings, settings.input_bucket),
        ledger=project.ledger(settings),
        settler=project.settler(settings),
        arrivals=project.topic(settings, settings.arrived_topic),
        rules=settings.rules,
    )


@_once
def _wake() -> Wake:
    settings = read(WakeSettings)
    intake = _intake_of(settings)
    return Wake(intake.waiting, intake.arrivals, settings.wake_seconds)


@_once
def _dead_letters() -> DeadLetters:
    settings = read(DeadSettings)
    return DeadLetters(
        intake=_intake_of(settings),
        ledger=project.ledger(settings),
        settler=project.settler(settings),
        work=settings.serving_subscription,
        try_for=timedelta(seconds=settings.take_in_within_seconds),
    )


@_once
def _comparison() -> Comparison:
    settings = read(CompareSettings)
    return Comparison(
        uploads=project.bucket(settings, settings.input_bucket),
        ledger=project.ledger(settings),
        intake=_intake_of(settings),
        after=timedelta(seconds=settings.compare_after_seconds),
        within=timedelta(seconds=settings.compare_within_seconds),
        most=settings.compare_most,
    )


@_once
def _at_work() -> Callable[[bytes, Mapping[str, str]], None]:
    settings = read(LaunchSettings)
    if settings.gpu_worker_mode == "sync":
        seconds = settings.gpu_worker_seconds
        return Pusher(WorkerService(settings.gpu_worker_url, settings.audience, seconds)).push
    launcher = _launcher_of(settings)
    return lambda _data, _attributes: launcher.ring()  # the bell says nothing but that it rang


def _launcher_of(settings: LaunchSettings) -> Launcher:
    return Launcher(
        ledger=project.ledger(settings),
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


@_once
def _sweep() -> Sweep:
    settings = read(SweepSettings)
    return Sweep(
        ledger=project.ledger(settings),
        settler=project.settler(settings),
        settle_after=timedelta(seconds=settings.settle_after_seconds),
        request_again_after=timedelta(seconds=settings.request_again_after_seconds),
    )


@_once
def _pages() -> Pages:
    settings = read(SweepSettings)
    return Pages(
        events=project.subscription(settings, settings.pages_subscription),
        results=project.bucket(settings, settings.output_bucket),
        ledger=project.ledger(settings),
        look_seconds=settings.pages_look_seconds,
        seconds=settings.pages_seconds,
    )
