"""The worker as Cloud Run starts it: a process of its own, with the small model, at the emulators."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from integration.worker_process import ROOT, WORK, Pipeline, WorkerProcess, until

from local.small_model import DEFAULT, ensure
from schemas.failure import Code
from schemas.job import Change, State

TINY, OTHER, THIRD = (
    f"sequences:\n- protein: {{id: A, sequence: {sequence}, msa: empty}}\n"
    for sequence in ("MKTAY", "GSHMK", "PEPTI")
)
CARBONS = f"sequences:\n- ligand: {{id: A, smiles: {'C' * 300}}}\n"  # minutes for Boltz-2's parser
STRUCTURE = "boltz2_conf.ckpt"
FILES_PER_SAMPLE = 5
POISON = Path(__file__).parent / "poison"
STAGES = {"queued", "start_up", "download", "parse", "featurise", "predict", "write", "report", "upload"}
AT_ONCE = 20.0  # what was nacked is there again; what was not, only when its lease of 60 s runs out
Start = Callable[..., WorkerProcess]


@pytest.fixture
def pipeline(pubsub_host: str, firestore_host: str, storage_host: str, project: str) -> Pipeline:
    assert all((pubsub_host, firestore_host, storage_host))
    return Pipeline.make(project)


@pytest.fixture
def start(pipeline: Pipeline, tmp_path: Path) -> Iterator[Start]:
    """Return what starts a worker, with settings to change or (None) to leave out; it ends with the test."""
    workers = list[WorkerProcess]()
    usual = {
        "PYTHONPATH": ROOT,
        "INPUT_BUCKET": pipeline.settings.input_bucket,
        "OUTPUT_BUCKET": pipeline.settings.output_bucket,
        "WORK_SUBSCRIPTION": WORK,
        "BOLTZ_CACHE": ensure(DEFAULT),
        "WORK_DIR": tmp_path / "work",
        "IDLE_SECONDS": 60,
        "OMP_NUM_THREADS": 1,
        "PYTHONWARNINGS": "ignore::FutureWarning",
    }

    def start_one(**changed: object) -> WorkerProcess:
        name = f"worker-{len(workers)}"
        wanted = usual | {"CLOUD_RUN_EXECUTION": name} | changed
        ours = {key: str(value) for key, value in wanted.items() if value is not None}
        others = {key: value for key, value in os.environ.items() if key not in wanted}
        workers.append(WorkerProcess.start(tmp_path / f"{name}.log", others | ours))
        return workers[-1]

    yield start_one
    for worker in workers:
        worker.destroy()


def reasons(history: tuple[Change, ...]) -> list[Code]:
    """Say why attempts came to nothing."""
    return [change.code for change in history if change.code]


def test_workers_that_are_asked_to_leave_lose_nothing(pipeline: Pipeline, start: Start) -> None:
    long = pipeline.drop("long.yaml", TINY, sampling_steps=1000, samples=3)
    first = start()
    until(lambda: pipeline.job(long).state is State.RUNNING)
    others = [pipeline.drop("a.yaml", OTHER), pipeline.drop("b.yaml", THIRD)]
    first.send(signal.SIGTERM)
    assert first.ends(10) == 0
    assert pipeline.all_are(State.QUEUED, (long, *others))
    assert [pipeline.job(job).attempt for job in (long, *others)] == [1, 0, 0]
    until(lambda: pipeline.requested() == {long, *others}, AT_ONCE)

    second = start()
    until(lambda: pipeline.job(long).state is State.RUNNING)
    second.send(signal.SIGTERM)
    assert second.ends(10) == 0
    assert pipeline.job(long).state is State.QUEUED
    until(lambda: long in pipeline.requested(), AT_ONCE)

    start()
    until(lambda: pipeline.all_are(State.SUCCEEDED, (long, *others)))
    assert [pipeline.job(job).attempt for job in (long, *others)] == [3, 1, 1]
    assert reasons(pipeline.job(long).history) == [Code.PREEMPTED, Code.PREEMPTED]
    assert len(pipeline.outputs(long)) == 3 * FILES_PER_SAMPLE + 2  # and page and picture
    until(lambda: pipeline.completions() == {f"{job}-succeeded": 1 for job in (long, *others)}, AT_ONCE)


def test_what_a_killed_worker_had_is_finished_by_the_next(pipeline: Pipeline, start: Start) -> None:
    job = pipeline.drop("a.yaml", TINY, sampling_steps=500)
    killed = start()
    until(lambda: pipeline.job(job).state is State.RUNNING)
    killed.send(signal.SIGKILL)
    assert killed.ends() == -signal.SIGKILL
    pipeline.expire_lease(job)
    pipeline.sweep()
    assert (pipeline.job(job).state, pipeline.job(job).attempt) == (State.QUEUED, 1)

    start()
    until(lambda: pipeline.job(job).state is State.SUCCEEDED)
    assert pipeline.receipt(job).attempt == 2
    assert reasons(pipeline.job(job).history) == [Code.WORKER_LOST]
    assert len(pipeline.outputs(job)) == FILES_PER_SAMPLE + 2
    until(lambda: pipeline.completions() == {f"{job}-succeeded": 1}, AT_ONCE)


def test_a_prediction_that_takes_too_long_fails_alone(pipeline: Pipeline, start: Start) -> None:
    long = pipeline.drop("long.yaml", TINY, sampling_steps=1000, samples=25)
    first = start(PREDICTION_SECONDS=3)
    until(lambda: pipeline.job(long).state is State.RUNNING)
    others = [pipeline.drop("a.yaml", OTHER), pipeline.drop("b.yaml", THIRD)]
    assert first.ends() == 1
    receipt = pipeline.receipt(long)
    assert receipt.error is not None
    assert (receipt.state, receipt.error.code, receipt.attempt) == (State.FAILED, Code.TIMEOUT, 1)
    assert [pipeline.job(job).attempt for job in others] == [0, 0]
    until(lambda: pipeline.requested() >= set(others), AT_ONCE)

    start()
    until(lambda: pipeline.all_are(State.SUCCEEDED, others))
    ends = {f"{long}-failed": 1, **{f"{job}-succeeded": 1 for job in others}}
    until(lambda: pipeline.completions() == ends, AT_ONCE)


def test_a_life_with_a_result_an_endless_input_and_a_copy(pipeline: Pipeline, start: Start) -> None:
    job, endless = pipeline.drop("a.yaml", TINY), pipeline.drop("carbons.yaml", CARBONS)
    worker = start(READ_SECONDS=6, IDLE_SECONDS=3)
    until(lambda: pipeline.all_are(State.FAILED, [endless]) and pipeline.all_are(State.SUCCEEDED, [job]))
    copy = pipeline.drop("copy.yaml", "# the same\n" + TINY)
    assert worker.ends() == 0
    failed, copied = pipeline.receipt(endless), pipeline.receipt(copy)
    assert failed.error is not None
    assert failed.error.code is Code.TIMEOUT
    assert copied.cached_from == job
    assert pipeline.outputs(copy) == pipeline.outputs(job)
    check_log(worker, pipeline, {job: State.SUCCEEDED, endless: State.FAILED, copy: State.SUCCEEDED})

    anew = pipeline.drop("anew.yaml", TINY)
    start(RESULT_CACHE="false")
    until(lambda: pipeline.job(anew).state is State.SUCCEEDED)
    assert pipeline.receipt(anew).cached_from is None
    again, before = pipeline.outputs(anew), pipeline.outputs(job)
    for shown in ("report.html", "summary.png"):
        assert again.pop(shown) != before.pop(shown)  # each names its own job
    assert again == before


def check_log(worker: WorkerProcess, pipeline: Pipeline, ends: dict[str, State]) -> None:
    """Hold the log of a worker that ended to what operators read: JSON lines with the fields to filter by."""
    assert len(worker.said("model loaded")) == 1
    ended = worker.said("attempt ended")
    assert {line["job_id"]: line["state"] for line in ended} == ends
    for line in ended:
        trace = f"projects/{pipeline.settings.google_cloud_project}/traces/"
        assert line["logging.googleapis.com/trace"] == trace + pipeline.job(line["job_id"]).trace
        assert (line["attempt"], line["execution"]) == (1, "worker-0/0/0")
    computed = next(line for line in ended if line["job_id"] == next(iter(ends)))
    assert computed["timings"].keys() == STAGES
    [life] = worker.said("worker life")
    assert 0 < life["device_busy_share"] <= 1
    assert life["peak_memory_bytes"] > 100e6  # torch alone takes more


def test_an_input_that_kills_its_worker_is_given_up(pipeline: Pipeline, start: Start) -> None:
    a, poison, b = (pipeline.drop(f"{n}.yaml", text) for n, text in enumerate((OTHER, TINY, THIRD)))
    ends = []
    while not pipeline.job(poison).state.terminal:
        ends.append(start(PYTHONPATH=f"{POISON}:{ROOT}", POISONED_JOB=poison).ends())
        for job in (a, poison, b):
            pipeline.expire_lease(job)
        pipeline.sweep()
    assert ends == [-signal.SIGKILL] * 3
    receipt = pipeline.receipt(poison)
    assert receipt.error is not None
    assert (receipt.state, receipt.error.code, receipt.attempt) == (State.FAILED, Code.WORKER_LOST, 3)

    start()
    until(lambda: pipeline.all_are(State.SUCCEEDED, (a, b)))
    assert max(pipeline.job(job).attempt for job in (a, b)) <= 2
    expected = {f"{poison}-failed": 1, f"{a}-succeeded": 1, f"{b}-succeeded": 1}
    until(lambda: pipeline.completions() == expected, AT_ONCE)


def test_a_worker_whose_time_is_nearly_over_takes_nothing(pipeline: Pipeline, start: Start) -> None:
    job = pipeline.drop("a.yaml", TINY)
    assert start(TASK_SECONDS=1).ends() == 0
    assert (pipeline.job(job).state, pipeline.job(job).attempt) == (State.QUEUED, 0)
    until(lambda: pipeline.requested() == {job}, AT_ONCE)


def test_a_truncated_checkpoint_costs_no_job_an_attempt(
    pipeline: Pipeline, start: Start, tmp_path: Path
) -> None:
    jobs = [pipeline.drop("a.yaml", TINY), pipeline.drop("b.yaml", OTHER)]
    worker = start(BOLTZ_CACHE=truncated(tmp_path / "weights"))
    assert worker.ends() == 1
    [why] = [line for line in worker.lines if line["severity"] == "CRITICAL"]
    assert f"{tmp_path / 'weights'}" in why["message"]
    assert [(pipeline.job(job).state, pipeline.job(job).attempt) for job in jobs] == [(State.QUEUED, 0)] * 2


def truncated(cache: Path) -> Path:
    """Make a cache whose structure checkpoint ends halfway, as an interrupted download leaves it."""
    cache.mkdir()
    whole = ensure(DEFAULT)
    for part in whole.iterdir():
        (cache / part.name).symlink_to(part)
    content = (whole / STRUCTURE).read_bytes()
    (cache / STRUCTURE).unlink()
    (cache / STRUCTURE).write_bytes(content[: len(content) // 2])
    return cache


def test_a_missing_cache_is_named_in_one_line(start: Start, tmp_path: Path) -> None:
    worker = start(BOLTZ_CACHE=tmp_path / "nowhere")
    assert worker.ends() == 1
    [line] = worker.lines
    assert line["severity"] == "CRITICAL"
    assert f"{tmp_path / 'nowhere'}" in line["message"]
    assert "BOLTZ_CACHE" in line["message"]


def test_a_missing_setting_is_named(start: Start) -> None:
    worker = start(BOLTZ_CACHE=None)
    assert worker.ends() == 2
    [line] = worker.lines
    assert "boltz_cache" in line["message"]
