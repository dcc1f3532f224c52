"""The whole product on a laptop, as one context manager: emulators, functions, triggers, schedules, the job.

With ``GPU_WORKER_MODE=sync`` in the environment jobs are pushed to the Service, which then runs too.

Everything of one run lies under its folder: ``logs/`` (one file per part), ``buckets/`` (the objects),
``work/`` (the workers' scratch space), ``credentials.json``. Several stacks may run at a time.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from local import credentials, parts, topology
from local.parts import Ports, Site, url
from local.processes import Supervisor, answers, is_well

FUNCTIONS = parts.ROOT / "functions" / "main.py"
TICK_SECONDS = 3.0
"""Pause between two calls of a scheduled function; the cloud's minute would bore a person who watches."""
LONGEST_TICKS = 10
"""Pause, in ticks, before the functions that the cloud calls more rarely than every minute."""
TICK_TIMEOUT_SECONDS = 60
MODEL_SECONDS = 300
"""Longest wait until the Service has loaded its model; a small one takes seconds on an idle machine."""


@dataclass(frozen=True)
class Stack:
    """A running stack. ``env`` holds the variables that a client needs, ``pids`` the parts by name."""

    run_dir: Path
    env: Mapping[str, str]
    ports: Ports
    random_weights: bool
    pids: Mapping[str, int]
    check: Callable[[], None]
    """Check of the parts; raises PartError once any has died."""


@contextmanager
def running(
    run_dir: Path,
    *,
    source: Path = FUNCTIONS,
    worker: Sequence[str] = ("-m", "worker"),
    tick_seconds: float = TICK_SECONDS,
    detour: Callable[[Ports], Ports | None] = lambda _ports: None,
) -> Iterator[Stack]:
    """Run a stack in ``run_dir`` until the block is left, however it is left.

    ``source`` is the file of the functions, ``worker`` the arguments with which Python runs the job's task.
    ``detour`` says at which other ports functions and worker shall look for the emulators, if any.
    Call it from a thread that outlives the block. Raises MissingError if the machine lacks something,
    PartError if a part dies or does not become ready.
    """
    site = _site(run_dir, detour)
    commands = parts.commands(site, source)
    _lay_out(site)
    with Supervisor() as supervisor:
        start = partial(_start, supervisor, site, commands)
        for name in commands:
            if name not in {"storage", parts.SERVICE}:
                start(name)
        _provision(supervisor, site, worker, start)
        _wait_for_all(supervisor, site)
        with _schedules(site, tick_seconds):
            yield Stack(
                run_dir=site.run_dir,
                env=parts.user_env(site),
                ports=site.ports,
                random_weights=site.real_weights is None,
                pids=supervisor.pids,
                check=supervisor.check,
            )


def _site(run_dir: Path, detour: Callable[[Ports], Ports | None]) -> Site:
    """Return where a stack lives, as the caller's environment says, with ports that are free."""
    weights, msa_server = parts.real_weights(), parts.own("MSA_SERVER_URL")
    plan = topology.load(msa_server=bool(msa_server) or weights is None)
    ports = Ports.pick(list(plan.functions))
    return Site(run_dir.absolute(), ports, plan, weights, detour(ports), parts.is_sync(), msa_server)


def _lay_out(site: Site) -> None:
    for folder in ("logs", "buckets", "work"):
        (site.run_dir / folder).mkdir(parents=True, exist_ok=True)
    credentials.write_key(site.key, parts.PROJECT)


def _start(supervisor: Supervisor, site: Site, commands: Mapping[str, Sequence[str]], name: str) -> None:
    supervisor.start(name, commands[name], parts.part_env(site, name), site.log(name), parts.ROOT)


def _provision(
    supervisor: Supervisor, site: Site, worker: Sequence[str], start: Callable[[str], None]
) -> None:
    """Create buckets, topics and the job as soon as the emulators answer."""
    from local import provision  # noqa: PLC0415  half a second of imports, spent while the emulators boot

    ports, task_env = site.ports, parts.task_env(site, site.weights)
    supervisor.wait("pubsub", partial(answers, ports.pubsub))
    urls = {name: url(port) for name, port in ports.functions.items()}
    provision.create_topics(f"127.0.0.1:{ports.pubsub}", parts.PROJECT, site.plan, urls)
    # Last: its Pub/Sub client would knock in vain, and wait seconds before it knocks again.
    start("storage")
    supervisor.wait("run-jobs", partial(answers, ports.run_jobs))
    job = f"projects/{parts.PROJECT}/locations/{parts.REGION}/jobs/{parts.JOB}"
    provision.create_job(url(ports.run_jobs), job, worker, task_env)
    supervisor.wait("storage", partial(answers, ports.storage))
    provision.create_buckets(url(ports.storage), parts.PROJECT, parts.BUCKETS.values())
    if site.sync:
        start(parts.SERVICE)


def _wait_for_all(supervisor: Supervisor, site: Site) -> None:
    supervisor.wait("firestore", partial(answers, site.ports.firestore))
    supervisor.wait("gcloud", partial(answers, site.ports.gcloud))
    if site.local_msa_server:
        supervisor.wait(parts.MSA_SERVER, partial(answers, site.ports.msa_server, "/queue"))
    for port in site.ports.functions.values():  # this page is answered without calling the function
        supervisor.wait(parts.FUNCTIONS, partial(answers, port, "/robots.txt"))
    for name in map(parts.trigger_part, site.plan.triggers):
        supervisor.wait(name, partial(_says_ready, site.log(name)))
    if site.sync:
        well = partial(is_well, site.ports.service, "/healthz/ready")
        supervisor.wait(parts.SERVICE, well, MODEL_SECONDS)


def _says_ready(log: Path) -> bool:
    return "ready" in log.read_text(encoding="utf-8").splitlines()


@contextmanager
def _schedules(site: Site, pause: float) -> Iterator[None]:
    """Call the scheduled functions while the block runs; a call in flight at its end dies with the parts."""
    ended = threading.Event()
    for name, schedule in site.plan.schedules.items():
        seconds = pause * min(schedule.every / 60, LONGEST_TICKS)
        arguments = (ended, site.ports.functions[schedule.push], seconds, site.log(f"schedule-{name}"))
        threading.Thread(target=_call_regularly, args=arguments, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _call_regularly(ended: threading.Event, port: int, pause: float, log: Path) -> None:
    while not ended.wait(pause):
        outcome = _post(port)
        with log.open("a", encoding="utf-8") as file:
            file.write(f"{datetime.now(UTC).isoformat()} {outcome}\n")


def _post(port: int) -> str:
    connection = HTTPConnection("127.0.0.1", port, timeout=TICK_TIMEOUT_SECONDS)
    try:
        connection.request("POST", "/")
        return str(connection.getresponse().status)
    except (OSError, HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()
