"""Claims about such a pipeline, the model's figure for each, and whether the two agree."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from benchmarks.capacity import cost, experiments, figures, load
from benchmarks.capacity.experiments import ALWAYS_ON, LOADS, ONE_PER_FILE, WARM, Case, Results
from benchmarks.capacity.record import quantile

HOURLY, MONTHLY, HOURS = 0.65, 468, 720
"""USD per hour and per month of the service that is always on, and the hours that lie between them."""
SAVING = 0.84
COLD_SHARE = 0.05
JOBS = (50, 200)
"""Cost claimed, in USD per month."""
PREDICTION = (30, 60)
COLD_SECONDS = 15
SOME = 100
"""Users of the load that rates are taken from."""
NEAR = 0.1
"""Relative difference below which two numbers agree."""


class Claim(NamedTuple):
    """A row of the table."""

    claim: str
    model: str
    verdict: str
    why: str


def claims(results: Results) -> list[Claim]:
    """Return the table's rows: each claim compared with the model."""
    at = {(case.architecture, case.users): case for case in results.cases if case.gpus == LOADS[0][2]}
    return [
        _cold_start(),
        _runtime_install(),
        _prediction(),
        _always_on(),
        _jobs(at),
        _saving(at),
        _cold_share(results, at),
    ]


def _cold_start() -> Claim:
    times = figures.times()
    stock = times.start_seconds - times.process_seconds + times.stock_process_seconds
    return Claim(
        f"Cold start of {COLD_SECONDS} s where the model is baked in",
        f"{times.start_seconds:.1f} s = {times.platform_seconds:g} platform + {times.process_seconds:g}"
        f" process and model + {times.first_use_seconds:g} first use",
        _holds(_near(times.start_seconds, COLD_SECONDS)) + ", in part assumed",
        f"Only with the product's loading: {stock:.1f} s with Boltz's own. The three are documented, measured"
        f" on a processor, and assumed. A job waits about {times.schedule_seconds:g} s more (assumed) for its"
        " execution, unbilled.",
    )


def _runtime_install() -> Claim:
    times = figures.times()
    download = times.download_gigabytes / times.download_gigabytes_per_second
    rest = times.platform_seconds + times.install_seconds + times.stock_process_seconds
    slow = 1000 * times.download_gigabytes / (times.runtime_install_seconds - rest)
    return Claim(
        f"Cold start of {times.runtime_install_seconds / 60:g} min where Boltz is installed at each start",
        f"{(rest + download) / 60:.1f} min = {times.install_seconds / 60:.1f} install + {download / 60:.1f}"
        f" download + {(rest - times.install_seconds) / 60:.1f} start and load",
        _holds(_near(rest + download, times.runtime_install_seconds)),
        f"At {1000 * times.download_gigabytes_per_second:g} MB/s (assumed). It would take a download at"
        f" {slow:.0f} MB/s to need that long. The runs take the claim as it is.",
    )


def _prediction() -> Claim:
    times, files = figures.times(), load.arrivals(figures.habits(), 100, 4, experiments.SEED)
    turns = [times.turn(file.tokens) for file in files]
    low, middle, high = (quantile(turns, share) for share in (0.05, 0.5, 0.95))
    inside = sum(PREDICTION[0] <= turn <= PREDICTION[1] for turn in turns) / len(turns)
    return Claim(
        f"A prediction takes {PREDICTION[0]} to {PREDICTION[1]} s",
        f"median {middle:.0f} s, from {low:.0f} s (5 %) to {high:.0f} s (95 %); {inside:.0%} take"
        f" {PREDICTION[0]} to {PREDICTION[1]} s",
        "not tested",
        "This is what the model is fed with, not what it finds: nothing was measured on a GPU."
        f" {times.turn(512):.0f} s are assumed for 512 tokens.",
    )


def _always_on() -> Claim:
    second = cost.gpu_second(figures.prices().prices, figures.limits())
    gpu = figures.prices().prices["gpu_second"].usd * 3600
    whole = second * 3600 * HOURS
    return Claim(
        f"A service always on costs {MONTHLY} $ a month at {HOURLY} $/h",
        f"{whole:.0f} $ for the same {HOURS} h at {second * 3600:.3f} $/h;"
        f" {second * 3600 * cost.MONTH_HOURS:.0f} $ for {cost.MONTH_HOURS} h",
        _holds(_near(whole, MONTHLY)),
        f"{HOURLY} $/h for {HOURS} h are {HOURLY * HOURS:g} $, but that is about the price of the L4 alone"
        f" ({gpu:.3f} $/h). The 4 vCPU and 16 GiB that an L4 needs are billed as well, also while nothing"
        " comes.",
    )


def _jobs(at: Mapping[tuple[str, int], Case]) -> Claim:
    low, high = JOBS
    per_thousand = at[WARM, SOME].per_thousand
    return Claim(
        f"Jobs cost {low} to {high} $ a month",
        _by_users(
            lambda users: (
                f"{at[WARM, users].monthly:.0f} $ ({at[ONE_PER_FILE, users].monthly:.0f} $ one per file)"
            )
        ),
        _where(lambda users: low <= at[WARM, users].monthly <= high),
        f"It is a matter of how much is predicted: {per_thousand:.1f} $ per 1,000 results at {SOME} users, so"
        f" that {low} to {high} $ are {_rounded(1000 * low / per_thousand)} to"
        f" {_rounded(1000 * high / per_thousand)} files a month.",
    )


def _saving(at: Mapping[tuple[str, int], Case]) -> Claim:
    always = at[ALWAYS_ON, 10].cost["workers"]
    files = (1 - SAVING) * always / at[WARM, SOME].per_thousand * 1000
    saved = {users: 1 - at[WARM, users].monthly / at[ALWAYS_ON, users].monthly for users in _users()}
    return Claim(
        f"Jobs save {SAVING:.0%} against the service that is always on",
        _by_users(lambda users: f"{saved[users]:.0%}"),
        _where(lambda users: saved[users] >= SAVING),
        f"{SAVING:.0%} are saved at {_rounded(files)} files a month, more below. For many users workers cost"
        " more than one service because they do more: that one L4 leaves"
        f" {at[ALWAYS_ON, 1000].undone:.0%} of the files of 1,000 users undone.",
    )


def _cold_share(results: Results, at: Mapping[tuple[str, int], Case]) -> Claim:
    idle = [point for point in results.points if point.setting == "idle_seconds" and point.users == SOME]
    enough = next(point for point in idle if point.cold_share < COLD_SHARE)
    now = next(point for point in idle if point.value == figures.Warm().idle_seconds)
    return Claim(
        f"Warm workers: cold starts under {COLD_SHARE:.0%} of the predictions",
        _by_users(lambda users: f"{at[WARM, users].outcome.cold_share:.1%}"),
        _where(lambda users: at[WARM, users].outcome.cold_share < COLD_SHARE),
        "Who drops one file at a quiet hour meets no worker. It needs files that come close to each other:"
        f" many users, or batches (3 starts for {experiments.BATCH} files are {3 / experiments.BATCH:.1%})."
        f" With IDLE_SECONDS={enough.value:g} it holds for {SOME} users too, for {enough.per_thousand:.1f}"
        f" instead of {now.per_thousand:.1f} $ per 1,000 results.",
    )


def _users() -> Sequence[int]:
    return sorted({users for users, _, _ in LOADS})


def _by_users(say: Callable[[int], str]) -> str:
    return "; ".join(f"{users:,} users: {say(users)}" for users in _users())


def _where(holds: Callable[[int], bool]) -> str:
    where = [f"{users:,}" for users in _users() if holds(users)]
    if len(where) == len(_users()):
        return "holds"
    return f"holds at {' and '.join(where)} users only" if where else "does not hold"


def _near(one: float, other: float) -> bool:
    return abs(one / other - 1) < NEAR


def _holds(true: bool) -> str:
    return "holds" if true else "does not hold"


def _rounded(number: float) -> str:
    """Return a number to two significant digits: the model is no more precise."""
    digits = 1 - math.floor(math.log10(number))
    return f"{round(number, digits):,.0f}"
