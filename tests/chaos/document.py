"""Writes docs/chaos.md: which scenarios there are, and what each shows.

PYTHONPATH=.:tests .venv/bin/python -m chaos.document > docs/chaos.md
"""

import inspect
import sys
from collections.abc import Iterator
from types import ModuleType

from chaos import (
    situations,
    test_crowds,
    test_events,
    test_kills,
    test_leases,
    test_lost_answers,
    test_msa_server,
    test_outages,
    test_pages,
    test_real_model,
)
from chaos.steps import STEPS, Step

HEAD = """\
# What is broken, and what has to be found after

Every uploaded file ends in exactly one receipt and one event id, whatever dies, repeats or arrives late.
`make chaos` shows it by breaking things on a local stack; `make test-all` runs a part of that. This page is
written by `tests/chaos/document.py`; [development.md](development.md) says how to add to it.

After each scenario, once the leases of the dead have run out and the sweep has run, for each upload
(`aftermath.py`): one job, in one terminal state, the expected one, entered once; nothing pending; one
receipt that says what the ledger says; each listed file there with its size and crc32c, each structure
readable; all events of one id and one content; no receipt of no upload.

The workers are the product's, put together with a predictor that needs no model (`paper_worker.py`); the
scenarios of `test_real_model.py` run the product's own worker with the small model. Faults are met through a
`sitecustomize` module on the stack's path: the product has no hook for them. A lease's two minutes are not
waited for: its end is set into the past. The MSA server is the test's own (`msa.py`), and may say anything.
"""
OTHERS = (
    *(test_events, test_crowds, test_leases, test_lost_answers, test_outages, test_msa_server),
    *(test_pages, test_real_model),
)


def page() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *_steps(), "", *_others(), ""])


def _steps() -> Iterator[str]:
    first = inspect.getdoc(test_kills)
    yield f"## Kills\n\n{first}\n"
    yield "| Process | Step | Taken by | Reached by |"
    yield "|---|---|---|---|"
    yield from map(_step, STEPS)


def _step(step: Step) -> str:
    told = inspect.getdoc(situations.SITUATIONS[step.situation])
    process = step.process.replace("|", "` or `")
    return f"| `{process}` | {step.name} | `{step.function.partition(':')[2]}` | {told} |"


def _others() -> Iterator[str]:
    for module in OTHERS:
        title = module.__name__.rpartition(".")[2].removeprefix("test_").replace("_", " ").capitalize()
        yield f"## {title}\n"
        yield f"{inspect.getdoc(module)}\n"
        yield from (f"- {inspect.getdoc(test)}" for test in _tests(module))
        yield ""


def _tests(module: ModuleType) -> Iterator[object]:
    for name, value in vars(module).items():
        if name.startswith("test_") and inspect.isfunction(value):
            yield value


if __name__ == "__main__":
    sys.stdout.write(page())
