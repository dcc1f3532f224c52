"""Write docs/capacity.md from its template and the results."""

from collections.abc import Iterable
from pathlib import Path

from benchmarks.capacity import advice, cost, figures, load
from benchmarks.capacity.claims import claims
from benchmarks.capacity.experiments import (
    ALWAYS_ON,
    MIN_0,
    MIN_0_MANY,
    MOST_DELIVERIES,
    ONE_PER_FILE,
    RUNTIME,
    SWEPT,
    SWEPT_LOADS,
    WARM,
    Case,
    Point,
    Results,
)
from benchmarks.capacity.figures import HERE, PriceTable
from benchmarks.capacity.record import End

PAGE = Path(__file__).parents[2] / "docs" / "capacity.md"

TEMPLATE = HERE / "page.md"
SIZES = (128, 256, 512, 1024)


def text(results: Results) -> str:
    """Return the template, filled in."""
    table = figures.prices()
    page = TEMPLATE.read_text().format(
        seed=results.seed,
        claims=_table(("Claim", "The model gives", "Verdict", "Why"), claims(results)),
        cases=_cases(results),
        advice=_advice(results),
        slower_table=_slower(results),
        molecules=_molecules(table),
        figures=_figures(),
        prices=_prices(table),
        read=table.read,
        **_setting(results),
        **_read(results),
    )
    return page.rstrip() + "\n"


def _setting(results: Results) -> dict[str, object]:
    case, times = results.cases[0], figures.times()
    months = case.weeks * load.WEEK / 3600 / cost.MONTH_HOURS
    return {
        "RUNTIME": RUNTIME,
        "ALWAYS_ON": ALWAYS_ON,
        "MIN_0": MIN_0,
        "MIN_0_MANY": MIN_0_MANY,
        "ONE_PER_FILE": ONE_PER_FILE,
        "WARM": WARM,
        "concurrency": figures.limits().concurrency,
        "before": figures.limits().concurrency - 1,
        "limit": times.request_seconds,
        "idle": times.service_idle_seconds / 60,
        "before_lunch": figures.habits().before_lunch,
        "largest": figures.habits().largest_batch,
        "files": case.outcome.files / case.users / months,
        "deliveries": figures.redelivery().max_delivery_attempts,
        "patience": MOST_DELIVERIES,
        "affordable": advice.AFFORDABLE - 1,
        "equals": advice.AS_FAST - 1,
        "seconds_kind": figures.figures()["times"]["device_seconds_at_512"].kind,
        "vcpus": figures.limits().vcpus,
        "memory": figures.limits().memory_gib,
    }


def _cases(results: Results) -> str:
    head = "Users, L4, Architecture, p50, p95, Starts per file, GPU used, $ per month, $ per 1000 results"
    ends = ("Timed out", "Refused", "Lost")
    return _table((*head.split(", "), *ends), (_case(case) for case in results.cases))


def _case(case: Case) -> tuple[str, ...]:
    outcome = case.outcome
    return (
        f"{case.users:,}",
        str(case.gpus),
        case.architecture,
        *_responses(case),
        f"{outcome.cold_share:.1%}",
        f"{outcome.utilisation:.0%}",
        f"{case.monthly:,.0f}",
        f"{case.per_thousand:,.1f}",
        *(_share(outcome.ends[end] / outcome.files) for end in (End.TIMED_OUT, End.REFUSED, End.LOST)),
    )


def _responses(case: Case) -> tuple[str, str]:
    if case.queue_grows:
        return "overloaded", "overloaded"
    return _minutes(case.outcome.p50_seconds), _minutes(case.outcome.p95_seconds)


def _share(share: float) -> str:
    return f"{share:.1%}" if share else "–"  # noqa: RUF001  a dash for none


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:,.1f} min"


def _read(results: Results) -> dict[str, object]:
    at = {(case.architecture, case.users, case.gpus): case for case in results.cases}
    warm, per_file, service = (at[name, 1000, 12] for name in (WARM, ONE_PER_FILE, MIN_0_MANY))
    few = at[WARM, 1000, 3]
    return {
        "turn": warm.outcome.busy_seconds / warm.outcome.files,
        "service_cost": service.monthly,
        "service_undone": service.undone,
        "warm_cost": warm.monthly,
        "warm_undone": warm.undone,
        "impatient": results.impatient.undone,
        "patient": at[ALWAYS_ON, 100, 3].undone,
        "per_file": per_file.monthly / warm.monthly,
        "per_file_few": at[ONE_PER_FILE, 10, 3].monthly / at[WARM, 10, 3].monthly,
        "slower": per_file.outcome.p95_seconds / warm.outcome.p95_seconds,
        "few": few.outcome.p95_seconds / 3600,
        "many": warm.outcome.p95_seconds / 60,
        "more": warm.monthly / few.monthly - 1,
        "per_result": warm.per_thousand / 1000,
    }


def _advice(results: Results) -> str:
    head = ("Setting", "Default", *(f"{users:,} users" for users, _ in SWEPT_LOADS))
    return _table(head, (_advised(results, setting) for setting in SWEPT))


def _advised(results: Results, setting: str) -> tuple[str, ...]:
    default = getattr(figures.Warm(), setting)
    best = (advice.best(advice.swept(results, setting, users)) for users, _ in SWEPT_LOADS)
    return (f"`{setting.upper()}`", f"{default:g}", *(_chosen(point) for point in best))


def _chosen(point: Point) -> str:
    times = f"p50 {_minutes(point.p50_seconds)}, p95 {_minutes(point.p95_seconds)}"
    money = f"{point.per_thousand:.1f} $ per 1,000 results"
    return f"**{point.value:g}**: {times}, {money}, starts {point.cold_share:.1%}"


def _slower(results: Results) -> str:
    rows = (
        (
            f"{point.value:g} times as assumed",
            _minutes(point.p95_seconds),
            f"{point.per_thousand:.1f}",
            f"{point.cold_share:.1%}",
        )
        for point in results.slower
    )
    return _table(("Seconds on the device", "p95", "$ per 1,000 results", "Starts per file"), rows)


def _molecules(table: PriceTable) -> str:
    second = cost.gpu_second(table.prices, figures.limits())
    turns = {tokens: figures.times().turn(tokens) for tokens in SIZES}
    rows = (
        (f"{tokens:,}", f"{seconds:.0f} s", f"{seconds * second:.4f}") for tokens, seconds in turns.items()
    )
    return _table(("Tokens", "Seconds of an L4", "$ for each"), rows)


def _figures() -> str:
    rows = (
        (f"`{name}`", f"{figure.value:,g} {figure.unit}", figure.kind, figure.source)
        for section in figures.figures().values()
        for name, figure in section.items()
    )
    return _table(("Figure", "Value", "Kind", "Source"), rows)


def _prices(table: PriceTable) -> str:
    rows = (
        (f"`{name}`", f"{price.usd:.7f}".rstrip("0").rstrip("."), price.unit, price.checked, price.source)
        for name, price in table.prices.items()
    )
    return _table(("Price", "USD", "Per", "Checked", "Source"), rows)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [tuple(head), *(tuple(row) for row in rows)]
    rule = tuple("---" for _ in lines[0])
    return "".join(f"| {' | '.join(line)} |\n" for line in (lines[0], rule, *lines[1:]))
