"""The worker as Cloud Run starts it: a process of its own, with the small model, at the emulators."""

import signal
from pathlib import Path

import pytest
from integration.worker_process import (
    MISCHIEF,
    OTHER,
    ROOT,
    THIRD,
    TINY,
    Pipeline,
    StartWorker,
    WorkerProcess,
)
from support.patience import until

from local.small_model import DEFAULT, ensure
from schemas.failure import Code
from schemas.job import State

STRUCTURE = "boltz2_conf.ckpt"
ASKED = Path(__file__).parent / "asked"
STAGES = {
    "queued",
    "start_up",
    "download",
    "parse",
    "featurise",
    "predict",
    "write",
    "check",
    "report",
    "upload",
}


@pytest.mark.extra
def test_a_prediction_that_takes_too_long_fails_alone(pipeline: Pipeline, start_worker: StartWorker) -> None:
    long = pipeline.drop("long.yaml", TINY, sampling_steps=1000, samples=25)
    first = start_worker(PREDICTION_SECONDS=3)
    until(lambda: pipeline.job(long).state is State.RUNNING)
    others = [pipeline.drop("a.yaml", OTHER), pipeline.drop("b.yaml", THIRD)]
    assert first.ends() == 1
    receipt = pipeline.receipt(long)
    assert receipt.error is not None
    assert (receipt.state, receipt.error.code, receipt.attempt) == (State.FAILED, Code.TIMEOUT, 1)
    assert [pipeline.job(job).attempt for job in others] == [0, 0]
    until(lambda: pipeline.requested() >= set(others))

    start_worker()
    assert pipeline.ends(*others) == [State.SUCCEEDED] * 2
    ends = {f"{long}-failed": 1, **{f"{job}-succeeded": 1 for job in others}}
    until(lambda: pipeline.completions() == ends)


def test_two_lives_with_a_result_computed_anew_an_endless_input_and_a_copy(
    pipeline: Pipeline, start_worker: StartWorker
) -> None:
    """The limit for reading is short only in the second life, which reads nothing but the endless input."""
    job, anew = pipeline.drop("a.yaml", TINY), pipeline.drop("anew.yaml", TINY)
    first = start_worker(RESULT_CACHE="false")
    assert pipeline.ends(job, anew) == [State.SUCCEEDED] * 2
    first.send(signal.SIGTERM)
    assert first.ends() == 0
    check_log(first, pipeline, {job: State.SUCCEEDED, anew: State.SUCCEEDED})
    assert all(line["timings"].keys() == STAGES for line in first.said("attempt ended"))
    assert first.said("worker life")[0]["device_busy_share"] > 0
    assert pipeline.receipt(anew).cached_from is None
    again, before = pipeline.outputs(anew), pipeline.outputs(job)
    for shown in ("report.html", "summary.png"):
        assert again.pop(shown) != before.pop(shown)  # each names its own job
    assert again == before

    endless, copy = pipeline.drop("endless.yaml", OTHER), pipeline.drop("copy.yaml", "# the same\n" + TINY)
    second = start_worker(**MISCHIEF, MISCHIEF_HOLDS=rf"/{endless}\.yaml$", READ_SECONDS=1, IDLE_SECONDS=20)
    assert pipeline.ends(endless, copy) == [State.FAILED, State.SUCCEEDED]
    assert second.ends() == 0
    failed, copied = pipeline.receipt(endless), pipeline.receipt(copy)
    assert failed.error is not None
    assert failed.error.code is Code.TIMEOUT
    assert copied.cached_from in {job, anew}
    # Page and picture are drawn anew, if there is time in this life's second: they are about one upload.
    outputs = pipeline.outputs(copy)
    assert outputs.pop("input.yaml") != before.pop("input.yaml")
    assert {name: outputs[name] for name in before} == before
    check_log(second, pipeline, {endless: State.FAILED, copy: State.SUCCEEDED})


@pytest.mark.extra
def test_a_fast_result_says_so_and_no_exact_one_is_copied_for_it(
    pipeline: Pipeline, start_worker: StartWorker
) -> None:
    exact = pipeline.drop("exact.yaml", TINY)
    first = start_worker()
    assert pipeline.ends(exact) == [State.SUCCEEDED]
    first.send(signal.SIGTERM)
    assert first.ends() == 0
    fast = pipeline.drop("fast.yaml", TINY)
    start_worker(SPEED="fast")
    assert pipeline.ends(fast) == [State.SUCCEEDED]
    again = pipeline.drop("again.yaml", TINY)
    assert pipeline.ends(again) == [State.SUCCEEDED]
    receipts = [pipeline.receipt(job) for job in (exact, fast, again)]
    assert [receipt.cached_from for receipt in receipts] == [None, None, fast]
    assert [receipt.model.speed for receipt in receipts if receipt.model] == ["exact", "fast", "fast"]


def check_log(worker: WorkerProcess, pipeline: Pipeline, ends: dict[str, State]) -> None:
    """Hold the log of a worker that ended to what operators read: JSON lines with the fields to filter by."""
    assert len(worker.said("model loaded")) == 1
    ended = worker.said("attempt ended")
    assert {line["job_id"]: line["state"] for line in ended} == ends
    for line in ended:
        trace = f"projects/{pipeline.settings.google_cloud_project}/traces/"
        assert line["logging.googleapis.com/trace"] == trace + pipeline.job(line["job_id"]).trace
        assert (line["attempt"], line["execution"]) == (1, f"{worker.log.stem}/0/0")
    [life] = worker.said("worker life")
    assert 0 <= life["device_busy_share"] <= 1  # nothing was computed in a life that copied
    assert life["peak_memory_bytes"] > 100e6  # torch alone takes more


@pytest.mark.parametrize("module", ["chaos.paper_worker", pytest.param("worker", marks=pytest.mark.extra)])
def test_a_worker_whose_time_is_nearly_over_takes_nothing(
    pipeline: Pipeline, start_worker: StartWorker, module: str
) -> None:
    job = pipeline.drop("a.yaml", TINY)
    assert start_worker(module, **MISCHIEF, TASK_SECONDS=1).ends() == 0
    assert (pipeline.job(job).state, pipeline.job(job).attempt) == (State.QUEUED, 0)
    until(lambda: pipeline.requested() == {job})


def test_a_truncated_checkpoint_costs_no_job_an_attempt(
    pipeline: Pipeline, start_worker: StartWorker, tmp_path: Path
) -> None:
    jobs = [pipeline.drop("a.yaml", TINY), pipeline.drop("b.yaml", OTHER)]
    worker = start_worker(BOLTZ_CACHE=truncated(tmp_path / "weights"))
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


def test_a_worker_that_is_asked_to_leave_while_it_imports_is_gone_before_it_has_begun(
    start_worker: StartWorker,
) -> None:
    worker = start_worker(
        PYTHONPATH=f"{ASKED}:{ROOT}", ASKED_AT="worker.boltz2.predictor", ASKED_IN="weakref"
    )
    assert worker.ends() == 0
    [line] = worker.lines
    assert line["message"] == "left as asked"


def test_a_missing_cache_is_named_in_one_line(start_worker: StartWorker, tmp_path: Path) -> None:
    worker = start_worker(BOLTZ_CACHE=tmp_path / "nowhere")
    assert worker.ends() == 1
    [line] = worker.lines
    assert line["severity"] == "CRITICAL"
    assert f"{tmp_path / 'nowhere'}" in line["message"]
    assert "BOLTZ_CACHE" in line["message"]


@pytest.mark.parametrize("module", ["worker", "worker.service"])
def test_a_bucket_that_is_not_there_is_named_in_one_line(start_worker: StartWorker, module: str) -> None:
    worker = start_worker(module, OUTPUT_BUCKET="no-such-bucket")
    assert worker.ends() == 2
    [line] = [line for line in worker.lines if line["severity"] not in {"INFO", "DEBUG"}]
    assert (line["severity"], line["action"]) == ("CRITICAL", "start.refused")
    assert line["message"].startswith("OUTPUT_BUCKET=no-such-bucket: there is no such bucket (")
    assert line["message"].endswith("create it, or set OUTPUT_BUCKET to one that exists")


def test_a_missing_setting_is_named(start_worker: StartWorker) -> None:
    worker = start_worker(BOLTZ_CACHE=None)
    assert worker.ends() == 2
    [line] = worker.lines
    assert "boltz_cache" in line["message"]
