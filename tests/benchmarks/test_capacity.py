from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

import pytest

from benchmarks.capacity import cost, experiments, figures, load
from benchmarks.capacity.experiments import WARM, Bench
from benchmarks.capacity.figures import Times, Warm
from benchmarks.capacity.fleet import Fleet, Scene
from benchmarks.capacity.load import File
from benchmarks.capacity.record import End, Outcome, Record, quantile
from benchmarks.capacity.warm import WarmWorkers
from benchmarks.prediction import fitted

USERS = 30
ARCHITECTURES = (
    experiments.RUNTIME,
    experiments.ALWAYS_ON,
    experiments.MIN_0,
    experiments.MIN_0_MANY,
    experiments.ONE_PER_FILE,
    experiments.WARM,
)


def a_bench(users: int = USERS, gpus: int = 3, **changed: float) -> Bench:
    drawn = experiments.bench(users, 1, gpus, replace(figures.times(), **changed))
    return replace(drawn, deliveries=10)  # the fewer, the sooner a file that finds no place has ended


def run(architecture: str, bench: Bench | None = None) -> tuple[Fleet, Outcome]:
    fleet = (bench or a_bench()).fleets()[architecture]()
    return fleet, fleet.run()


def dollars(outcome: Outcome) -> float:
    parts = cost.monthly(outcome, figures.prices().prices, figures.limits(), figures.footprint())
    return sum(parts.values())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_file_ends_exactly_once(architecture: str) -> None:
    fleet, outcome = run(architecture, a_bench(losses_per_hour=5))
    assert set(fleet.record.ends) == set(range(outcome.files))
    assert sum(outcome.ends.values()) == outcome.files > 0
    assert len(fleet.record.responses) == outcome.ends[End.SUCCEEDED] > 0


def test_seconds_that_were_measured_are_the_model_s_again() -> None:
    times = figures.times()
    found = fitted([(tokens, times.turn(tokens)) for tokens in (128, 256, 512, 512)])
    assert found == pytest.approx((times.device_seconds, times.device_seconds_at_512))


def test_a_file_that_ends_twice_is_an_error_of_the_model() -> None:
    record = Record([File(0, 100)])
    record.end(0, End.SUCCEEDED, 1)
    with pytest.raises(RuntimeError, match="file 0 ended"):
        record.end(0, End.LOST, 2)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_no_worker_is_above_the_limit_and_none_stays(architecture: str) -> None:
    fleet, outcome = run(architecture, a_bench(users=60, gpus=2))
    assert 1 <= outcome.most_alive <= 2
    assert fleet.record.alive == 0


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_no_device_is_busy_for_longer_than_it_is_billed(architecture: str) -> None:
    _, outcome = run(architecture)
    assert 0 < outcome.utilisation <= 1
    assert outcome.billed_seconds <= outcome.most_alive * outcome.horizon_seconds


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_seed_gives_the_same_run_again(architecture: str) -> None:
    assert run(architecture)[1] == run(architecture)[1]


def test_another_seed_gives_other_files() -> None:
    assert load.arrivals(figures.habits(), 10, 1, 1) != load.arrivals(figures.habits(), 10, 1, 2)


def test_cost_grows_with_the_time_used() -> None:
    _, outcome = run(WARM)
    longer = outcome.model_copy(update={"billed_seconds": outcome.billed_seconds + 3600})
    months = outcome.horizon_seconds / 3600 / cost.MONTH_HOURS
    an_hour = 3600 * cost.gpu_second(figures.prices().prices, figures.limits())
    assert dollars(longer) - dollars(outcome) == pytest.approx(an_hour / months)


def test_a_slower_device_costs_more_and_answers_later() -> None:
    _, fast = run(WARM)
    _, slow = run(WARM, a_bench(device_seconds_at_512=60))
    assert dollars(slow) > dollars(fast)
    assert slow.p50_seconds > fast.p50_seconds


def test_an_instance_that_is_always_on_is_warm() -> None:
    scene = Scene([File(0, 512)], 1, replace(figures.times(), losses_per_hour=0), 1)
    outcome = Bench(scene, 1).fleets()[experiments.ALWAYS_ON]().run()
    own = scene.times.prepare_seconds + scene.times.turn(512) + scene.times.write_seconds
    assert outcome.p50_seconds == pytest.approx(own)


def test_what_an_instance_that_is_always_on_costs_does_not_depend_on_its_use() -> None:
    _, few = run(experiments.ALWAYS_ON, a_bench(users=3))
    _, many = run(experiments.ALWAYS_ON)
    assert few.billed_seconds == many.billed_seconds == load.WEEK


BARE: dict[str, float] = dict.fromkeys(
    (
        "schedule_seconds",
        "platform_seconds",
        "process_seconds",
        "first_use_seconds",
        "prepare_seconds",
        "write_seconds",
        "losses_per_hour",
        "device_seconds_at_512",
    ),
    0.0,
)
"""Nothing but the device takes time."""


def alone(files: Sequence[File], times: Times) -> WarmWorkers:
    """One worker that never leaves: the single server of queueing theory."""
    stays = Warm(max_workers=1, idle_seconds=1e9, task_seconds=1e12, decision_seconds=0)
    return WarmWorkers(Scene(files, 1, times, 1), stays, sweep_seconds=3600)


@pytest.mark.parametrize("load_of_one", [0.4, 0.7])
def test_a_single_worker_waits_as_the_formula_for_one_server_and_constant_work_says(
    load_of_one: float,
) -> None:
    # Mean wait of M/D/1 (Pollaczek-Khinchine): rho * s / (2 * (1 - rho)); 5 % for 10,000 random arrivals.
    service, random = 30.0, Random(7)  # noqa: S311  a simulation, not a secret
    at, files = 0.0, []
    for _ in range(10_000):
        at += random.expovariate(load_of_one / service)
        files.append(File(at, 100))
    fleet = alone(files, replace(figures.times(), **BARE, device_seconds=service))
    fleet.run()
    waited = sum(fleet.record.responses) / len(files) - service
    assert waited == pytest.approx(load_of_one * service / (2 * (1 - load_of_one)), rel=0.05)


def test_a_file_that_comes_alone_waits_for_launch_start_and_its_own_prediction() -> None:
    times = replace(figures.times(), losses_per_hour=0)
    fleet = WarmWorkers(Scene([File(100, 512)], 1, times, 1), Warm(), sweep_seconds=60)
    outcome = fleet.run()
    own = times.prepare_seconds + times.turn(512) + times.write_seconds
    assert outcome.p50_seconds == pytest.approx(times.schedule_seconds + times.start_seconds + own)
    billed = times.start_seconds + own + Warm().idle_seconds
    assert outcome.billed_seconds == pytest.approx(billed, abs=times.write_seconds)


@pytest.mark.parametrize(("files", "started"), [(1, 1), (10, 1), (11, 2), (200, 3)])
def test_workers_start_by_the_rule_of_launch(files: int, started: int) -> None:
    at_once = [File(0, 100)] * files
    times = replace(figures.times(), losses_per_hour=0)
    outcome = WarmWorkers(Scene(at_once, 1, times, 1), Warm(jobs_per_worker=10), sweep_seconds=60).run()
    assert outcome.starts == started


def test_a_worker_takes_nothing_after_its_time_and_another_one_goes_on() -> None:
    times = replace(figures.times(), losses_per_hour=0, device_seconds=60, device_seconds_at_512=0)
    warm = Warm(max_workers=1)
    outcome = WarmWorkers(Scene([File(0, 100)] * 100, 1, times, 1), warm, sweep_seconds=60).run()
    assert outcome.ends[End.SUCCEEDED] == 100
    assert outcome.starts == 3  # 100 minutes of work, 48 minutes of taking


def test_a_prediction_above_its_limit_is_a_timeout() -> None:
    times = replace(figures.times(), losses_per_hour=0, device_seconds=10_000)
    warm = WarmWorkers(Scene([File(0, 100)], 1, times, 1), Warm(), sweep_seconds=60).run()
    bench = Bench(Scene([File(0, 100)], 1, times, 1), 3, deliveries=2)
    for outcome in (warm, *(bench.fleets()[name]().run() for name in ARCHITECTURES)):
        assert outcome.ends[End.TIMED_OUT] == 1


def test_a_service_that_holds_ten_requests_runs_into_the_limit_of_a_request() -> None:
    times = replace(figures.times(), losses_per_hour=0, device_seconds=40, device_seconds_at_512=0)
    scene = Scene([File(0, 100)] * 10, 1, times, 1)
    outcome = Bench(scene, 1, deliveries=1).fleets()[experiments.ALWAYS_ON]().run()
    assert outcome.ends[End.SUCCEEDED] == 7  # read, 7 x 40 s and write; what follows ends after 300 s
    assert outcome.ends[End.TIMED_OUT] == 3


def test_more_than_all_workers_can_do_is_called_overloaded() -> None:
    _, outcome = run(experiments.RUNTIME, a_bench(users=100))
    assert outcome.overloaded
    assert not run(WARM)[1].overloaded


def test_quantiles_are_values_that_occurred() -> None:
    assert [quantile([3, 1, 2, 4], share) for share in (0.25, 0.5, 0.95)] == [1, 2, 4]
    assert quantile([], 0.5) == 0


@pytest.mark.parametrize(
    "read", [figures.times, figures.limits, figures.habits, figures.footprint, figures.prices]
)
def test_every_data_file_fits_what_reads_it(read: Callable[[], object]) -> None:
    assert read()
