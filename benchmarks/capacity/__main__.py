"""Simulate load and cost, and write what docs/capacity.md is made of: ``python -m benchmarks.capacity``.

Files of 10, 100 and 1,000 users meet a runtime install, a Cloud Run service, one execution per file, and the
product's warm workers, started by the rule in functions/launch.py. Writes benchmarks/capacity/results.json,
docs/capacity.md and docs/capacity-*.svg. Takes a few minutes of one processor, no network. ``--page`` writes
page and plots from the results that are there.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.capacity import claims, experiments, page, plots
from benchmarks.capacity.experiments import RESULTS, SEED, Results

Run = TypeVar("Run")


def main(arguments: list[str] | None = None) -> int:
    """Run the model, write page and plots, show the claims."""
    options = _parser().parse_args(arguments)
    console = Console()
    results = experiments.read() if options.page else _simulate(console)
    RESULTS.write_text(results.model_dump_json(indent=1) + "\n")
    page.PAGE.write_text(page.text(results))
    plots.save(results, page.PAGE.parent)
    console.print(_table(results))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.capacity",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--page", action="store_true", help="write page and plots without simulating again")
    return parser


def _simulate(console: Console) -> Results:
    cases, points = list(experiments.wanted_cases()), list(experiments.wanted_points())
    columns = (TextColumn("{task.description:45}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=len(cases) + len(points) + len(experiments.FACTORS) + 2)

        def run(what: str, simulate: Callable[[], Run]) -> Run:
            bar.update(task, description=what)
            result = simulate()
            bar.advance(task)
            return result

        return Results(
            seed=SEED,
            cases=[run(f"{who[1]:,} users: {who[0]}", partial(experiments.case, *who)) for who in cases],
            impatient=run("a service with few deliveries", experiments.impatient),
            batches=run("one batch", experiments.batches),
            points=[run(f"{who[2]} = {who[3]:g}", partial(experiments.point, *who)) for who in points],
            slower=[
                run(f"device x {factor:g}", partial(experiments.slower, factor))
                for factor in experiments.FACTORS
            ],
        )


def _table(results: Results) -> Table:
    table = Table("claim", "the model gives", "verdict", title="claims", show_lines=True)
    for row in claims.claims(results):
        table.add_row(row.claim, row.model, row.verdict)
    return table


if __name__ == "__main__":
    sys.exit(main())
