"""Draw the results: SVG on white, with the Okabe-Ito colours, the same bytes for the same results."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from benchmarks.capacity import advice, figures
from benchmarks.capacity.experiments import (
    ALWAYS_ON,
    BATCH,
    LOADS,
    MIN_0,
    MIN_0_MANY,
    ONE_PER_FILE,
    RUNTIME,
    SWEPT,
    SWEPT_LOADS,
    WARM,
    Case,
    Results,
)

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "dropfold",  # otherwise the ids in the file are random
    "svg.fonttype": "none",  # text that can be read, searched and scaled
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "figure.facecolor": "white",
}
COLOURS = {
    WARM: "#0072B2",
    ONE_PER_FILE: "#D55E00",
    MIN_0_MANY: "#009E73",
    MIN_0: "#CC79A7",
    ALWAYS_ON: "#E69F00",
    RUNTIME: "#000000",
}
DASHES = {WARM: "-", ONE_PER_FILE: "--", MIN_0_MANY: "-.", MIN_0: ":", ALWAYS_ON: (0, (6, 2)), RUNTIME: "-"}
ORDER = [WARM, ONE_PER_FILE, MIN_0_MANY, MIN_0, ALWAYS_ON, RUNTIME]
MARKS = {100: ("o", "-"), 1000: ("s", "--")}


def draw(results: Results) -> dict[str, Figure]:
    """Return each plot, by the name of its file."""
    with mpl.rc_context(STYLE):
        return {
            "capacity-compared.svg": _compared(results),
            "capacity-batch.svg": _batch(results),
            "capacity-settings.svg": _settings(results),
        }


def save(results: Results, folder: Path) -> None:
    """Write each plot as SVG, without a date in it."""
    with mpl.rc_context(STYLE):
        for name, drawn in draw(results).items():
            drawn.savefig(folder / name, metadata={"Date": None, "Creator": None})


def _compared(results: Results) -> Figure:
    figure = Figure(figsize=(11, 12), layout="constrained")
    heights = {"height_ratios": [3 if gpus > LOADS[0][2] else 6 for _, _, gpus in LOADS]}
    grid = figure.subplots(len(LOADS), 3, sharex="col", sharey="row", squeeze=False, gridspec_kw=heights)
    for row, (users, _, gpus) in zip(grid, LOADS, strict=True):
        cases = {
            case.architecture: case for case in results.cases if (case.users, case.gpus) == (users, gpus)
        }
        _responses(row[0], cases)
        _bars(row[1], cases, lambda case: case.monthly, "{:,.0f} $")
        _bars(row[2], cases, lambda case: 100 * case.undone, "{:.0f} %")
        row[0].set_title(f"{users:,} users, at most {gpus} L4", loc="left", weight="bold")
    grid[-1][0].set_xlabel("minutes to a result (log scale)\ndot: p50, end of the bar: p95")
    grid[-1][1].set(xlabel="USD per month", xlim=(0, 3900))
    grid[-1][1].xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    grid[-1][2].set(xlabel="% of files given up", xlim=(0, 119))
    _log(grid[-1][0].xaxis, [1, 10, 100, 1000])
    return figure


def _log(axis: Axis, ticks: Sequence[float]) -> None:
    """Label a logarithmic axis with numbers, not with powers."""
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    axis.set_minor_locator(NullLocator())


def _responses(axes: Axes, cases: Mapping[str, Case]) -> None:
    names = [name for name in reversed(ORDER) if name in cases]
    axes.set(xscale="log", xlim=(0.5, 20_000), ylim=(-0.6, len(names) - 0.4))
    axes.set_yticks(range(len(names)), names)
    for height, name in enumerate(names):
        outcome = cases[name].outcome
        if cases[name].queue_grows:
            axes.text(0.6, height, "overloaded: the queue only grows", va="center")
            continue
        middle, high = outcome.p50_seconds / 60, outcome.p95_seconds / 60
        axes.plot([middle, high], [height, height], color=COLOURS[name], linewidth=5, solid_capstyle="butt")
        axes.plot(middle, height, "o", color=COLOURS[name], markersize=9)
        axes.text(high * 1.25, height, f"{_digits(middle)} / {_digits(high)}", va="center")


def _digits(number: float) -> str:
    return f"{number:,.1f}" if round(number, 1) < 10 else f"{number:,.0f}"  # noqa: PLR2004  two digits


def _bars(axes: Axes, cases: Mapping[str, Case], value: Callable[[Case], float], text: str) -> None:
    names = [name for name in reversed(ORDER) if name in cases]
    for height, name in enumerate(names):
        length = value(cases[name])
        axes.barh(height, length, color=COLOURS[name], height=0.55)
        axes.annotate(
            text.format(length), (length, height), xytext=(4, 0), textcoords="offset points", va="center"
        )


def _batch(results: Results) -> Figure:
    figure = Figure(figsize=(9, 7), layout="constrained")
    axes = figure.subplots()
    for name in ORDER:
        minutes = [seconds / 60 for seconds in results.batches[name]]
        axes.step(
            [*minutes, minutes[-1]],
            [*range(1, len(minutes) + 1), len(minutes)],
            where="post",
            color=COLOURS[name],
            linestyle=DASHES[name],
            linewidth=2.2,
            label=f"{name}: {len(minutes)} done, the last after {minutes[-1]:,.0f} min",
        )
    axes.set(
        xscale="log",
        xlim=(0.5, 2000),
        ylim=(0, BATCH * 1.03),
        xlabel="minutes after the first file (log scale)",
        ylabel="files with a result",
        title=f"{BATCH} files at once after a quiet time, at most 3 L4",
    )
    _log(axes.xaxis, [1, 10, 100, 1000])
    figure.legend(loc="outside lower center", ncols=1, frameon=False)
    return figure


def _settings(results: Results) -> Figure:
    figure = Figure(figsize=(11, 9), layout="constrained")
    grid = figure.subplots(3, len(SWEPT), sharex="col", sharey="row", squeeze=False)
    for column, setting in enumerate(SWEPT):
        for users, _ in SWEPT_LOADS:
            _lines(list(grid[:, column]), results, setting, users)
        grid[0][column].set_title(f"{setting.upper()} (default {getattr(figures.Warm(), setting):g})")
        grid[-1][column].set(xscale="log", xlabel=_unit(setting))
        _log(grid[-1][column].xaxis, SWEPT[setting])
    grid[0][0].set(yscale="log", ylabel="p95, minutes\n(log scale)")
    _log(grid[0][0].yaxis, [10, 30, 100, 300, 1000])
    grid[1][0].set(ylabel="USD per 1,000 results", ylim=(0, None))
    grid[2][0].set(yscale="log", ylabel="starts, % of files\n(log scale)")
    _log(grid[2][0].yaxis, [1, 2, 5, 10, 20, 40])
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    return figure


def _unit(setting: str) -> str:
    units = {"jobs_per_worker": "jobs", "max_workers": "workers", "idle_seconds": "seconds"}
    return f"{units[setting]} (log scale)"


def _lines(rows: Sequence[Axes], results: Results, setting: str, users: int) -> None:
    points = advice.swept(results, setting, users)
    mark, dash = MARKS[users]
    colour = COLOURS[WARM] if users == SWEPT_LOADS[0][0] else COLOURS[ONE_PER_FILE]
    label = f"{users:,} users, else at most {3 if users == SWEPT_LOADS[0][0] else 12} workers"
    measures: tuple[Callable[[Any], float], ...] = (
        lambda point: point.p95_seconds / 60,
        lambda point: point.per_thousand,
        lambda point: 100 * point.cold_share,
    )
    values, chosen = [point.value for point in points], advice.best(points)
    ring: dict[str, Any] = {"markersize": 14, "markerfacecolor": "none", "markeredgewidth": 2}
    for axes, measure in zip(rows, measures, strict=True):
        measured = [measure(point) for point in points]
        axes.plot(values, measured, mark + dash, color=colour, label=label)
        axes.plot(chosen.value, measure(chosen), mark, color=colour, **ring)
    rows[2].axhline(5, color="#555555", linewidth=1, linestyle=":")
