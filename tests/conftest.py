"""What the whole run needs before its first test."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event

# Tests run side by side: threads of torch that wait for each other would only keep the processors busy.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from worker import no_gc  # isort: skip  first: it is about the imports that follow
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants
from support.scheduling import ByStack, leave_out, order
from xdist.remote import Producer

from local import emulators
from local.processes import Supervisor
from worker.child_pool import PRELOAD
from worker.child_server import fork_child_server

# The same cases in every run, for as long as a busy machine needs; tests/fuzz/ looks for new ones. Hypothesis
# would also take constants from whichever of our modules are loaded at the time.
providers._get_local_constants = Constants
SLOW = [HealthCheck.too_slow]
settings.register_profile("steady", derandomize=True, deadline=None, suppress_health_check=SLOW)
settings.load_profile("steady")

# A shell that runs the tests in the background has them ignore Ctrl-C, and so every program that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

LEFT_OUT = tuple(Path(__file__).parent / folder for folder in ("benchmarks", "chaos"))
"""Folders of tests that ``make test`` does without."""

CACHE = Path(__file__).parents[1] / ".local" / "cache" / "emulators"
CHILDREN_DO = "worker.boltz2.featurise"
NEED_EMULATORS = {"pubsub_host", "firestore_host", "storage_host", "stack", "paper", "real", "house"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the caller ask for what takes longer."""
    parser.addoption("--all", action="store_true", help="also the tests that are left to make test-all")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import the tests of benchmarks, and of what breaks, only where they are asked for."""
    asked = config.getoption("--all") or config.getoption("--whole", False)
    ours = any(collection_path.is_relative_to(folder) for folder in LEFT_OUT)
    return True if ours and not asked else None  # a file that is named is asked for, too


@pytest.fixture
def _signals_as_before() -> Iterator[None]:
    """Put back what a test had this process do when a signal comes."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGUSR1)
    handlers, hook = [signal.getsignal(number) for number in numbers], sys.unraisablehook
    yield
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)
    sys.unraisablehook = hook


@pytest.fixture
def gate() -> Iterator[Event]:
    """Hold work back until the test opens it; it opens at the test's end, so that no thread stays."""
    opened = Event()
    yield opened
    opened.set()


@pytest.fixture
def parts() -> Iterator[Supervisor]:
    """Yield a supervisor for the processes of one test; it ends them with the test."""
    with Supervisor() as supervisor:
        yield supervisor


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByStack:
    """Say which tests go to one process."""
    return ByStack(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is left to ``make test-all``; order the others where several processes share them."""
    if not config.getoption("--all"):
        leave_out(items, "extra", config)
    if hasattr(config, "workerinput"):
        order(items, config.rootpath)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Find or fetch the emulators where a chosen test needs one, or say once what is missing and stop."""
    if CHILDREN_DO in sys.modules:  # a test of the model is there: nothing more is imported
        fork_child_server(*PRELOAD)
    no_gc.collect_again()
    if any(NEED_EMULATORS.intersection(getattr(item, "fixturenames", ())) for item in session.items):
        try:
            for jar in (emulators.PUBSUB, emulators.FIRESTORE):
                emulators.find_jar(jar, CACHE)
        except emulators.MissingError as error:
            raise pytest.UsageError(str(error)) from error
