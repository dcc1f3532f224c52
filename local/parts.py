"""The parts of a stack: their names, command lines and environments."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from local import emulators, mmseqs, small_model
from local.aot import ahead
from local.processes import free_ports
from local.pubsub_repair import class_path
from local.topology import Topology, Trigger

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".local" / "cache" / "emulators"
MSA_CACHE = ROOT / ".local" / "cache" / "msa"
SMALL_MODEL = ROOT / small_model.DEFAULT
CHECKPOINT = "boltz2_conf.ckpt"

PROJECT = "dropfold-local"
REGION = "us-central1"
JOB = "gpu-worker"
BUCKETS = {"input": "dropfold-in", "output": "dropfold-out", "alignments": "dropfold-alignments"}
EVENTS_TOPIC = f"projects/{PROJECT}/topics/gcs-events"
"""Topic of Cloud Storage notifications, of which the triggers make CloudEvents."""

KEY_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
CALLERS_TO_CHOOSE = {
    "GPU_WORKER_MODE": "async",
    "MAX_WORKERS": "2",
    "JOBS_PER_WORKER": "10",
    "IDLE_SECONDS": "10",
    # A person who watches would not wait for the product's 900, 300 and 2.
    "REQUEST_AGAIN_AFTER_SECONDS": "60",
    "COMPARE_AFTER_SECONDS": "30",
    "PAGES_LOOK_SECONDS": "0.3",
}
FUNCTIONS, SERVICE, MSA_SERVER = "functions", "service", "msa-server"
"""Names of parts: all functions together, the Service, and the MSA server."""

# Random weights deserve few steps.
FEW_STEPS = '{"recycling_steps":0,"sampling_steps":5,"sampling_steps_affinity":5,"samples_affinity":1}'
ONE_OF_TWO_WORKERS = {
    "OMP_NUM_THREADS": "1",
    # What torch lets go of is kept for what it asks for next: to map and clear it anew took two fifths of the
    # time of 287 tokens. In exchange the worker grows to 4 GB.
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(16 * 1024**3),
}
"""How a worker shares a laptop with another, while the weights are random."""

TASK_GRACE_SECONDS = 4
"""Time from SIGTERM to SIGKILL of a task: less than the stack waits for its parts, which no task outlives."""


@dataclass(frozen=True)
class Ports:
    """TCP ports on 127.0.0.1; ``gcloud`` leads to the storage emulator in the way that gcloud needs."""

    pubsub: int
    firestore: int
    storage: int
    storage_https: int
    gcloud: int
    run_jobs: int
    service: int
    msa_server: int
    functions: Mapping[str, int]

    @classmethod
    def pick(cls, functions: Sequence[str]) -> Self:
        """Return free ports."""
        *parts, service, msa_server = free_ports(8 + len(functions))
        pubsub, firestore, storage, storage_https, gcloud, run_jobs, *others = parts
        by_name = dict(zip(functions, others, strict=True))
        return cls(pubsub, firestore, storage, storage_https, gcloud, run_jobs, service, msa_server, by_name)


@dataclass(frozen=True)
class Site:
    """Place of one stack: its absolute folder, its ports, its connections, the caller's weights if any.

    ``doors`` are the ports at which the product is told to look for the others, if something stands between.
    With ``sync`` jobs are pushed to the Service, which is then one of the parts. ``msa_server`` is the
    address of a server of the caller's. Else there is a local one, unless the weights are real: a few hundred
    proteins must not pass for all that are known.
    """

    run_dir: Path
    ports: Ports
    plan: Topology
    real_weights: Path | None
    doors: Ports | None = None
    sync: bool = False
    msa_server: str = ""

    @property
    def local_msa_server(self) -> bool:
        """Whether the MSA server is one of the parts."""
        return not self.msa_server and self.real_weights is None

    @property
    def msa_server_url(self) -> str:
        """Address of the MSA server; empty where there is none."""
        return url(self.ports.msa_server) if self.local_msa_server else self.msa_server

    @property
    def weights(self) -> Path:
        """Folder of the model: the caller's, else the small one, built if it is missing."""
        return self.real_weights or small_model.ensure(SMALL_MODEL)

    @property
    def key(self) -> Path:
        """The functions' service-account key."""
        return self.run_dir / "credentials.json"

    def log(self, name: str) -> Path:
        """Return the path of a part's log."""
        return self.run_dir / "logs" / f"{name}.log"


def real_weights() -> Path | None:
    """Return the caller's BOLTZ_CACHE, absolute, or None if it holds no weights."""
    folder = os.environ.get("BOLTZ_CACHE")
    return Path(folder).absolute() if folder and (Path(folder) / CHECKPOINT).is_file() else None


def is_sync() -> bool:
    """Return whether the caller wants jobs to be pushed to the Service. Raises emulators.MissingError."""
    mode = os.environ.get("GPU_WORKER_MODE", CALLERS_TO_CHOOSE["GPU_WORKER_MODE"])
    if mode not in {"sync", "async"}:
        raise emulators.MissingError(f"GPU_WORKER_MODE={mode} is no mode: set it to sync or async.")
    return mode == "sync"


def url(port: int) -> str:
    """Return the address of an HTTP server of the stack."""
    return f"http://127.0.0.1:{port}"


def trigger_part(name: str) -> str:
    """Return the name of the part that stands in for a trigger."""
    return f"trigger-{name}"


def commands(site: Site, source: Path) -> dict[str, Sequence[str]]:
    """Return each part's command line; ``source`` is the file of the functions. Raises MissingError."""
    java, ports, plan = emulators.find_java(), site.ports, site.plan
    pubsub, firestore = (emulators.find_jar(jar, CACHE) for jar in (emulators.PUBSUB, emulators.FIRESTORE))
    storage, objects = emulators.find_storage(), site.run_dir / "buckets"
    return {
        "pubsub": ahead(
            partial(emulators.pubsub, java, class_path(pubsub, firestore, CACHE)), ports.pubsub, CACHE
        ),
        "firestore": ahead(partial(emulators.firestore, java, firestore), ports.firestore, CACHE),
        "storage": emulators.storage(
            storage, objects, ports.storage, ports.storage_https, EVENTS_TOPIC, bucket=_watched(plan)
        ),
        "gcloud": _module("local.storage_proxy", port=ports.gcloud, upstream=f"127.0.0.1:{ports.storage}"),
        "run-jobs": _run_jobs(site),
        **({SERVICE: _module("worker.service")} if site.sync else {}),
        **({MSA_SERVER: _msa_server(site)} if site.local_msa_server else {}),
        FUNCTIONS: _functions(site, source),
        **{trigger_part(name): _trigger(trigger, ports) for name, trigger in plan.triggers.items()},
    }


def client_env(site: Site, doors: Ports | None = None) -> dict[str, str]:
    """Return the variables that every client of the stack needs; ``doors`` are other ports to reach it at."""
    ports = doors or site.ports
    return {
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "STORAGE_EMULATOR_HOST": url(ports.storage),
        "PUBSUB_EMULATOR_HOST": f"127.0.0.1:{ports.pubsub}",
        "FIRESTORE_EMULATOR_HOST": f"127.0.0.1:{ports.firestore}",
        "GCS_HTTPS_PORT": str(ports.storage_https),
        "GCLOUD_STORAGE_PORT": str(ports.gcloud),
        "ON_UPLOAD_URL": url(ports.functions["on_upload"]),
        "INPUT_BUCKET": BUCKETS["input"],
        "OUTPUT_BUCKET": BUCKETS["output"],
        "REQUESTED_TOPIC": "predictions-requested",
        "COMPLETED_TOPIC": "predictions-completed",
        "DEAD_TOPIC": "dropfold-dead",
        "MSA_SERVER_URL": site.msa_server_url,
        "MSA_SERVER_DATABASE": "652 proteins" if site.local_msa_server else own("MSA_SERVER_DATABASE"),
        "ALIGNMENTS_BUCKET": BUCKETS["alignments"],
    } | ({"SERVICE_URL": url(ports.service)} if site.sync else {})


def own(variable: str) -> str:
    """Return a variable of the caller's environment; empty where it is not set."""
    return os.environ.get(variable, "")


def user_env(site: Site) -> dict[str, str]:
    """Return the variables for a person's shell: those of every client, and of the workers."""
    return client_env(site) | {
        "CLOUD_RUN_ENDPOINT": url(site.ports.run_jobs),
        "CLOUD_RUN_REGION": REGION,
        "CLOUD_RUN_JOB_NAME": JOB,
        "CLOUD_QUOTAS_ENDPOINT": url(site.ports.run_jobs),  # which knows no quotas, and says so
        KEY_VARIABLE: str(site.key),
    }


def part_env(site: Site, name: str) -> dict[str, str]:
    """Return a part's whole environment: the caller's, without its key to the real cloud, and the stack's."""
    own = {variable: value for variable, value in os.environ.items() if variable != KEY_VARIABLE}
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    ours = {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "ignore::FutureWarning"}
    if name == FUNCTIONS:
        its = _functions_env(site)
    elif name == SERVICE:
        its = _service_env(site)
    else:
        its = client_env(site)  # stand-ins know each other's own addresses
    return own | ours | _product_env(site) | its


def task_env(site: Site, weights: Path) -> dict[str, str]:
    """Return the environment of the Cloud Run job's container."""
    shared = {} if site.real_weights else ONE_OF_TWO_WORKERS
    own = {"BOLTZ_CACHE": str(weights), "WORK_DIR": str(site.run_dir / "work"), "PYTHONHASHSEED": "0"}
    return _product_env(site) | own | shared


def _product_env(site: Site) -> dict[str, str]:
    chosen = {name: os.environ.get(name, default) for name, default in CALLERS_TO_CHOOSE.items()}
    return (
        client_env(site, site.doors)
        | chosen
        | {
            "WORK_SUBSCRIPTION": "work",
            "CLOUD_RUN_ENDPOINT": url(site.ports.run_jobs),
            "CLOUD_RUN_REGION": REGION,
            "CLOUD_RUN_JOB_NAME": JOB,
            "GPU_WORKER_URL": url(site.ports.service),
            "GPU_WORKER_AUDIENCE": "",  # nobody here gives tokens out
        }
    )


def _functions_env(site: Site) -> dict[str, str]:
    return _default_options(site) | {KEY_VARIABLE: str(site.key)}


def _service_env(site: Site) -> dict[str, str]:
    here = {"BIND_ADDRESS": "127.0.0.1", "PORT": str(site.ports.service), "GRACE_SECONDS": "2"}
    return task_env(site, site.weights) | _default_options(site) | here


def _default_options(site: Site) -> dict[str, str]:
    if site.real_weights:
        return {}
    return {"DEFAULT_OPTIONS": os.environ.get("DEFAULT_OPTIONS", FEW_STEPS)}


def _module(module: str, **options: object) -> list[str]:
    given = {name.replace("_", "-"): str(value) for name, value in options.items() if value is not None}
    return [sys.executable, "-m", module, *(word for name in given for word in (f"--{name}", given[name]))]


def _watched(plan: Topology) -> str:
    """Return the one bucket of all triggers, or "" for several: a job's six outputs need no notification."""
    watched = {BUCKETS[trigger.bucket] for trigger in plan.triggers.values()}
    return watched.pop() if len(watched) == 1 else ""


def _run_jobs(site: Site) -> list[str]:
    tasks = site.run_dir / "logs" / "tasks"
    return _module("local.run_jobs", port=site.ports.run_jobs, log_dir=tasks, grace=TASK_GRACE_SECONDS)


def _msa_server(site: Site) -> list[str]:
    mmseqs.find()  # said here, in one line, where it is missing
    return _module("local.msa_server", port=site.ports.msa_server, cache=MSA_CACHE)


def _functions(site: Site, source: Path) -> list[str]:
    signatures, ports = site.plan.functions, site.ports.functions
    each = (f"--function={name}:{signature}:{ports[name]}" for name, signature in signatures.items())
    return [*_module("local.functions", source=source, log_dir=site.log(FUNCTIONS).parent), *each]


def _trigger(trigger: Trigger, ports: Ports) -> list[str]:
    return _module(
        "local.eventarc_bridge",
        project=PROJECT,
        topic=EVENTS_TOPIC.rpartition("/")[2],
        bucket=BUCKETS[trigger.bucket],
        event_type=trigger.event,
        url=f"{url(ports.functions[trigger.push])}/",
        dead_letter_topic=trigger.dead_letter_topic,
        min_backoff=trigger.minimum_backoff,
        max_backoff=trigger.maximum_backoff,
        max_delivery_attempts=trigger.max_delivery_attempts,
        ack_deadline=trigger.ack_deadline,
    )
