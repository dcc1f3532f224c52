"""Structures are checked before they are delivered, and no prediction is lost to what checks them."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.child_calls import be_killed, die, hang, pid, take
from support.inputs import one_protein
from support.paper import examined, judged, passed, write_prediction
from support.patience import NEVER

from inputs.read import read_input
from schemas.checks import CheckedSample, ChecksReport, Verdict
from schemas.failure import Code, FailedError
from schemas.options import Options
from worker import examination
from worker.checks.run import Asking
from worker.child_pool import ChildPool
from worker.errors import StoppedError
from worker.examination import REASON, REASONS, Check, Examination, Examined
from worker.predictor import Written
from worker.prepare import here, in_child
from worker.stopwatch import Stopwatch

DOCUMENT = read_input("a.yaml", one_protein("NLYIQ").encode())
BINDING = read_input(
    "a.yaml",
    (one_protein("NLYIQ") + "- ligand: {id: L, ccd: GOL}\nproperties: [{affinity: {binder: L}}]\n").encode(),
)
FAILED, PASSED, WARNINGS, UNCHECKED = Verdict.FAILED, Verdict.PASSED, Verdict.WARNINGS, Verdict.UNCHECKED


@pytest.fixture(scope="module")
def children() -> Iterator[ChildPool]:
    with ChildPool(NEVER, "worker.child_pool") as children:
        yield children


def asked(check: Check, samples: int = 1) -> Examination:
    about: dict[str, object] = {"job_id": "f" * 16}
    return Examination(DOCUMENT, Options(samples=samples), check, here, Stopwatch(), about)


def predicted(folder: Path, samples: int = 1) -> dict[str, Path]:
    """Write samples whose confidence tells them apart: 0.9, 0.8, ..."""
    files: dict[str, Path] = {}
    for rank in range(samples):
        files |= write_prediction(folder, 5, 0.9 - rank / 10, rank=rank)
    return files


def run(it: Examination, folder: Path) -> Examined:
    """Have samples predicted and examined."""
    return it.conclude(examined(predicted(folder, it.options.samples), it.order), folder)


def finding(*verdicts: Verdict) -> Check:
    return lambda _asking: judged(*verdicts)


def confidences(done: Examined) -> list[float]:
    names = [name for name in done.files if name.startswith("confidence")]
    return [json.loads(done.files[name].read_text())["confidence_score"] for name in sorted(names)]


def test_samples_that_failed_come_last_and_files_and_scores_follow(tmp_path: Path) -> None:
    done = run(asked(finding(FAILED, PASSED, FAILED, WARNINGS), samples=4), tmp_path)
    assert confidences(done) == [pytest.approx(each) for each in (0.8, 0.6, 0.9, 0.7)]
    assert done.scores["confidence_score"] == pytest.approx(0.8)
    assert [(each.rank, each.boltz_rank) for each in done.checks.samples] == [(0, 1), (1, 3), (2, 0), (3, 2)]
    assert (done.checks.verdict, done.checks.best) == (PASSED, 1)


def test_where_every_sample_failed_the_order_stays_and_none_is_the_best(tmp_path: Path) -> None:
    done = run(asked(finding(FAILED, FAILED), samples=2), tmp_path)
    assert [each.boltz_rank for each in done.report.samples] == [0, 1]
    assert (done.checks.verdict, done.checks.best) == (FAILED, None)


def test_what_the_checks_found_is_a_file_of_the_prediction(tmp_path: Path) -> None:
    it = asked(finding(FAILED, WARNINGS), samples=2)
    done = run(it, tmp_path)
    written = json.loads(done.files["checks.json"].read_text())
    assert [sample["verdict"] for sample in written["samples"]] == ["warnings", "failed"]
    assert ChecksReport.decode(done.files["checks.json"].read_bytes()) == done.report
    assert set(it.watch.seconds) == {"check"}


def test_the_checks_get_what_the_prediction_was_made_of(tmp_path: Path) -> None:
    seen: list[Asking] = []

    def look(asking: Asking) -> ChecksReport:
        seen.append(asking)
        return passed(asking)

    it = asked(look)
    files = predicted(tmp_path)
    assert it.order(Written(files, tmp_path / "own.pkl", tmp_path / "mols")) == [0]
    assert seen == [Asking(DOCUMENT, Options(), files, tmp_path / "own.pkl", tmp_path / "mols")]


def raises(_asking: Asking) -> ChecksReport:
    raise KeyError("surprise")


def leaves_one_out(_asking: Asking) -> ChecksReport:
    return judged(PASSED)


def names_one_twice(_asking: Asking) -> ChecksReport:
    one = CheckedSample(rank=0, boltz_rank=0, verdict=PASSED)
    return ChecksReport(samples=(one, one))


@pytest.mark.parametrize("check", [raises, leaves_one_out, names_one_twice])
def test_checks_that_fail_leave_the_prediction_as_it_is_and_unchecked(
    check: Check, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    done = run(asked(check, samples=2), tmp_path)
    assert confidences(done) == [0.9, 0.8]
    assert (done.checks.verdict, done.checks.best) == (UNCHECKED, 0)
    assert done.checks.reasons == (f"Not checked: {REASON}.",)
    assert {(each.verdict, each.unchecked) for each in done.report.samples} == {(UNCHECKED, REASON)}
    [line] = [vars(record) for record in caplog.records]
    assert (line["action"], line["job_id"]) == ("structures.not_checked", "f" * 16)
    assert line["exc_info"]


def hangs(asking: Asking) -> ChecksReport:
    hang(asking.molecules)
    return passed(asking)


def dies(_asking: Asking) -> ChecksReport:
    die(3)
    raise AssertionError


def is_killed(_asking: Asking) -> ChecksReport:
    be_killed()
    raise AssertionError


@pytest.mark.parametrize(("check", "code"), [(dies, Code.WORKER_LOST), (is_killed, Code.WORKER_LOST)])
def test_a_death_over_the_checks_costs_the_checks_alone(
    check: Check, code: Code, children: ChildPool, tmp_path: Path
) -> None:
    done = run(replace(asked(check), call=in_child(children)), tmp_path)
    assert done.checks.reasons == (f"Not checked: {REASONS[code]}.",)
    assert (done.checks.verdict, confidences(done)) == (UNCHECKED, [0.9])


def test_checks_that_hang_are_ended_and_cost_the_checks_alone(tmp_path: Path) -> None:
    files = predicted(tmp_path)
    with ChildPool(NEVER, "worker.child_pool") as children:
        it = replace(asked(hangs), call=in_child(children))
        children.run(pid)  # the child that hangs is one that has started
        children._limit = 0.5
        order = it.order(Written(files, tmp_path / "note", tmp_path))
    assert (order, it.conclude(files, tmp_path).checks.reasons) == (
        [0],
        (f"Not checked: {REASONS[Code.TIMEOUT]}.",),
    )


def takes_too_much(asking: Asking) -> ChecksReport:
    take(1024)
    return passed(asking)


def test_checks_that_want_too_much_memory_cost_the_checks_alone(tmp_path: Path) -> None:
    with ChildPool(NEVER, "worker.child_pool", memory=256 * 2**20) as children:
        done = run(replace(asked(takes_too_much), call=in_child(children)), tmp_path)
    assert done.checks.reasons == (f"Not checked: {REASONS[Code.OUT_OF_MEMORY]}.",)


def test_a_worker_that_stops_stops_in_the_checks_as_well(tmp_path: Path) -> None:
    def stopped(_asking: Asking) -> ChecksReport:
        raise StoppedError

    with pytest.raises(StoppedError):
        run(asked(stopped), tmp_path)


def test_samples_that_are_not_whole_are_not_checked(tmp_path: Path) -> None:
    files = predicted(tmp_path)
    files["model_0.cif"].unlink()
    with pytest.raises(FailedError) as caught:
        asked(raises).order(Written(files, tmp_path, tmp_path))
    assert caught.value.failure.code is Code.NO_OUTPUT


def surprise(*_anything: object) -> None:
    raise KeyError("surprise")


def test_a_summary_that_fails_costs_the_verdict_and_the_report_is_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examination, "summary", surprise)
    done = run(asked(finding(FAILED, PASSED), samples=2), tmp_path)
    assert (done.checks.verdict, done.checks.reasons) == (UNCHECKED, (f"Not checked: {REASON}.",))
    assert [each.verdict for each in done.checks.samples] == [PASSED, FAILED]
    assert "passed" in done.files["checks.json"].read_text()


AFFINITY = {"affinity_pred_value": -1.5, "affinity_probability_binary": 0.25}
CAVEAT = "The two models behind it differ by 1.2."


def binding(folder: Path, affinity: str, examine: Callable[..., object]) -> dict[str, Path]:
    files = write_prediction(folder, 5, chains="AL")
    examine(Written(files, folder, folder))
    (folder / "affinity.json").write_text(affinity)
    return files | {"affinity.json": folder / "affinity.json"}


def test_an_affinity_comes_with_its_caveats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def caveats(*given: object) -> tuple[str, ...]:
        seen.extend(given)
        return (CAVEAT,)

    seen: list[object] = []
    monkeypatch.setattr(examination, "affinity_caveats", caveats)
    it = replace(asked(finding(WARNINGS)), document=BINDING)
    done = it.conclude(binding(tmp_path, json.dumps(AFFINITY), it.order), tmp_path)
    assert seen == [AFFINITY, BINDING, Options(), done.report.samples[0]]
    assert done.checks.affinity == done.report.affinity == (CAVEAT,)
    assert done.scores["affinity_pred_value"] == -1.5


def test_caveats_that_fail_cost_the_caveats_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "affinity_caveats", surprise)
    it = replace(asked(finding(WARNINGS)), document=BINDING)
    done = it.conclude(binding(tmp_path, json.dumps(AFFINITY), it.order), tmp_path)
    assert (done.checks.verdict, done.checks.affinity) == (WARNINGS, ())


def test_an_affinity_that_is_not_whole_is_no_result(tmp_path: Path) -> None:
    it = replace(asked(passed), document=BINDING)
    files = binding(tmp_path, '{"affinity_pred_value": NaN}', it.order)
    with pytest.raises(FailedError) as caught:
        it.conclude(files, tmp_path)
    assert caught.value.failure.field == "affinity.json"
