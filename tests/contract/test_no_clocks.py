"""No clock decides a test: none is read, and one guard alone, that of ``patience``, ends a wait in vain."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PATIENCE = TESTS / "support" / "patience.py"
CLOCKS = {"monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep", "time", "time_ns"}
"""Of the modules time and asyncio; process_time is not among them: it is the same on a busy machine."""

WAITS = {"acquire": 1, "exception": 0, "join": 0, "result": 0, "wait": 0, "wait_for": 1}
"""Methods that wait, and which of their arguments says how long."""

INSTEAD = """
On a slow machine that may decide. Wait for a condition with patience.until, or with HANG as the only
number. Turn a claim of speed into order (what had not happened yet), a cause (what was logged or killed),
or processor time (time.process_time), or measure it in benchmarks/. A limit of the product that a test is
not about is NEVER. What no slow machine can make fail, a lower bound or a look for what must not come,
gets its reason in ALLOWED."""

FIGURE = "a figure for people, compared with nothing"
LOWER = "a lower bound: a slow machine makes it longer"
PAUSE = "a pause between two looks at what tells of no event"
NOTHING = "a look for what must not come: a slow machine can but not see it"
SHORT = "the product's own wait, which is to run out"
ALLOWED = {
    "chaos/faults.py: time.sleep(fault.seconds)": "the fault itself: a step that takes long",
    "chaos/harness.py: time.monotonic": FIGURE,
    "chaos/harness.py: time.monotonic()": FIGURE,
    "chaos/paper_worker.py: time.monotonic()": "the product's own clock, as worker/__main__.py reads it",
    "chaos/paper_worker.py: time.time_ns()": "a number that no other run has",
    "chaos/test_events.py: time.monotonic()": "what may happen in this time need not: either passes",
    "chaos/test_events.py: time.sleep(0.1)": PAUSE,
    "chaos/test_outages.py: time.sleep(SECONDS / 3)": "the outage itself, which is over when it is over",
    "image/conftest.py: time.monotonic()": FIGURE,
    "image/test_image.py: time.monotonic()": FIGURE,
    "image/test_image.py: time.time()": FIGURE,
    "integration/mischief/sitecustomize.py: time.sleep(0.02)": PAUSE,
    "integration/test_eventarc_bridge.py: receiver.changed.wait_for("
    "lambda: len(receiver.deliveries) > 16, timeout=0.5)": NOTHING,
    "integration/test_eventarc_bridge.py: time.monotonic()": LOWER,
    "integration/test_alignments_in_boltz.py: time.sleep(0.05)": PAUSE,
    "integration/test_webhook.py: time.time()": "when a token was issued, which is good for ten minutes",
    "support/serving.py: asyncio.sleep(0.01)": PAUSE,
    "unit/test_device.py: gate.wait(0.1)": LOWER,
    "unit/test_device.py: time.perf_counter()": "an upper bound around what was slept: it grows with it",
    "unit/test_device.py: time.sleep(0.02)": LOWER,
    "unit/test_slots.py: Event().wait(0.001)": "so that threads meet; where they do not, it passes",
    "unit/test_slots.py: slots.wait(0.001)": SHORT,
    "unit/test_slots.py: slots.wait(0.01)": SHORT,
    "unit/test_made_once.py: time.sleep(0.1)": "so that threads meet; where they do not, it passes",
    "unit/test_shutdown.py: time.sleep(HANG)": "ended by the exception that it waits for",
}
"""What reads a clock, or waits for a time, and why no slow machine can make it fail."""


def clocks_in(source: str, numbers: set[str]) -> Iterator[str]:
    """Yield what reads a clock, or waits for a number of seconds or for a name that is one of ``numbers``."""
    nodes = list(ast.walk(ast.parse(source)))
    calls: dict[ast.AST, ast.AST] = {node.func: node for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        if _is_clock(node):
            yield ast.unparse(calls.get(node, node))
        elif isinstance(node, ast.Call) and _waits_for_seconds(node, numbers):
            yield ast.unparse(node)


def _is_clock(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="time" | "asyncio"), attr=name):
            return name in CLOCKS
        case ast.ImportFrom(module="time" | "asyncio", names=names):
            return any(alias.name in CLOCKS for alias in names)
    return False


def _waits_for_seconds(call: ast.Call, numbers: set[str]) -> bool:
    given = [keyword.value for keyword in call.keywords if keyword.arg == "timeout"]
    if isinstance(call.func, ast.Attribute) and call.func.attr in WAITS:
        given += call.args[WAITS[call.func.attr] :][:1]
    return any(_is_number(value, numbers) for value in given)


def _is_number(value: ast.expr, numbers: set[str]) -> bool:
    match value:
        case ast.Constant(value=int() | float()):
            return True
        case ast.Name(id=name):
            return name in numbers
        case ast.BinOp(left=left, right=right):
            return _is_number(left, numbers) and _is_number(right, numbers)
    return False


def constants(source: str) -> Iterator[str]:
    """Yield the names that a module gives to numbers."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and _is_number(node.value, set()):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


@pytest.fixture(scope="module")
def sources() -> dict[str, str]:
    """Return the texts of all modules of the tests but the one that waits for them."""
    paths = sorted(set(TESTS.rglob("*.py")) - {PATIENCE})
    return {str(path.relative_to(TESTS)): path.read_text() for path in paths}


def test_no_clock_decides_a_test(sources: dict[str, str]) -> None:
    numbers = {"NEVER", *(name for source in sources.values() for name in constants(source))}
    found = {f"{path}: {clock}" for path, source in sources.items() for clock in clocks_in(source, numbers)}
    assert sorted(found - ALLOWED.keys()) == [], INSTEAD
    assert sorted(ALLOWED.keys() - found) == [], (
        "What is allowed is not there any more: take it off the list."
    )


@pytest.mark.parametrize(
    "line",
    [
        "event.wait(5)",
        "event.wait(SOON)",
        "event.wait(2 * SOON)",
        "done.result(timeout=0.5)",
        "changed.wait_for(done, 3)",
        "requests.get(url, timeout=NEVER)",
        "assert time.monotonic() - begun < 2",
        "asyncio.sleep(pause)",
        "started: float = field(default_factory=time.monotonic)",
        "from time import perf_counter",
    ],
)
def test_a_clock_is_found(line: str) -> None:
    assert len(list(clocks_in(line, {"SOON", "NEVER"}))) == 1


@pytest.mark.parametrize(
    "line",
    [
        "event.wait()",
        "event.wait(HANG)",
        "changed.wait_for(done, HANG)",
        "page.goto(url, timeout=HANG * 1000)",
        "'; '.join(['a', 'b'])",
        "pool.submit(work, 5)",
        "assert time.process_time() - begun < 2",
    ],
)
def test_what_is_no_clock_is_let_alone(line: str) -> None:
    assert list(clocks_in(line, {"SOON"})) == []
