"""An equal job that succeeded before is copied, not computed; anything else is not equal."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.fakes import NOW, MemoryBucket, MemoryLedger, a_job
from support.paper import DEVICE, judged, passed

from inputs.read import read_input
from jobs import lifecycle
from schemas.checks import Checks, ChecksReport, Verdict
from schemas.failure import Code, FailedError, Failure
from schemas.job import Job, Model, Output, Result
from schemas.options import Options
from worker.cache import MOST_COPIES, copied, fingerprint
from worker.errors import LeaseLostError
from worker.examination import BEFORE
from worker.lease import LeasedJob
from worker.pipeline import Pipeline
from worker.predictor import PredictedFiles
from worker.prepare import Prepared
from worker.report.prediction import Prediction

TEXT = "sequences:\n- protein: {id: A, sequence: NLYIQ, msa: x.a3m}\n- ligand: {id: B, ccd: ATP}\n"
ALIGNMENT = ">q\nNLYIQ\n"
MODEL = Model(name="boltz-2", version="2.2.1", weights_digest="sha256:1", random_weights=True)
OPTIONS = Options(seed=5)


def identity(
    folder: Path,
    *,
    text: str = TEXT,
    alignment: str = ALIGNMENT,
    options: Options = OPTIONS,
    model: Model = MODEL,
) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "x.a3m").write_text(alignment)
    document = read_input("input.yaml", text.encode(), msa_service=True)
    return fingerprint(Prepared(folder / "input.yaml", document, text), options, model)


def test_what_does_not_matter_does_not_change_the_fingerprint(tmp_path: Path) -> None:
    same = "# a comment\r\nversion: 1\r\nsequences:\r\n- protein:\r\n    msa: x.a3m\r\n    id: A\r\n"
    same += "    sequence: NLYIQ\r\n- ligand: {ccd: ATP, id: B}\r\n"
    assert identity(tmp_path / "b", text=same) == identity(tmp_path / "a")


class LaterOptions(Options):
    """Has an option more, which a later release brings."""

    later: int = 1


def test_a_new_option_empties_no_cache_and_counts_where_it_is_used(tmp_path: Path) -> None:
    before = identity(tmp_path)
    assert identity(tmp_path, options=LaterOptions(seed=5)) == before
    assert identity(tmp_path, options=LaterOptions(seed=5, later=2)) != before


def test_the_fingerprint_is_what_it_was_in_the_last_release(tmp_path: Path) -> None:
    assert identity(tmp_path) == "b810a3262647d40f00a2592a63aff88e183247734a6d6e4b630ed1a0927bcfcb"


def test_what_an_earlier_release_may_have_written_with_wrong_elements_is_computed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smiles = ("[Ca+2]", "Cl[Pd]Cl", "CCCl", "c1cc[nH]c1", "[13CH4]", "[O-]S(=O)(=O)[O-]")
    texts = {one: TEXT.replace("ccd: ATP", f"smiles: '{one}'") for one in smiles}
    now = {one: identity(tmp_path, text=text) for one, text in texts.items()}
    monkeypatch.setattr("worker.cache._guessed_before", lambda _document: False)
    assert [one for one in texts if identity(tmp_path, text=texts[one]) != now[one]] == ["[Ca+2]", "Cl[Pd]Cl"]


@pytest.mark.parametrize(
    "change",
    [
        {"text": TEXT.replace("NLYIQ", "NLYIQW")},
        {"text": TEXT.replace("id: B", "id: C")},
        {"alignment": ">q\nNLYIQ\n>h\nNLYVQ\n"},
        {"options": Options(seed=6)},
        {"options": Options(seed=5, samples=2)},
        {"options": Options(seed=5, potentials=True)},
        {"model": MODEL.model_copy(update={"weights_digest": "sha256:2"})},
        {"model": MODEL.model_copy(update={"version": "2.2.2"})},
        {"model": MODEL.model_copy(update={"speed": "fast"})},
    ],
)
def test_whatever_changes_the_result_changes_the_fingerprint(
    tmp_path: Path, change: dict[str, object]
) -> None:
    assert identity(tmp_path, **change) != identity(tmp_path)  # type: ignore[arg-type]  # by name


class NoPredictor:
    """Stands where nothing is to be computed."""

    model, lost, ready_at = MODEL, False, NOW

    def predict(self, input_file: Path, *_others: object, **_more: object) -> PredictedFiles:
        raise FailedError(Failure(code=Code.TIMEOUT, message=f"computed {input_file.name}", remedy="-"))


class Shelf:
    """A job that succeeded, its outputs, and an equal one that has just been queued."""

    def __init__(self, folder: Path) -> None:
        self.ledger, self.uploads, self.results = MemoryLedger(), MemoryBucket("in"), MemoryBucket("out")
        self.uploads.put("run42/foo.yaml", TEXT.encode())
        self.uploads.put("run42/x.a3m", ALIGNMENT.encode())
        self.first = self._succeeded(folder)
        other = a_job(job_id="f" * 16, output_prefix="run43/foo/ffff/", options=OPTIONS)
        self.second = self.ledger.create(lifecycle.take_in(other, NOW))
        self.leased = LeasedJob(self.ledger, self.second, "worker-1", 30)
        self.pipeline = Pipeline(
            self.uploads, self.results, NoPredictor(), passed, folder / "work", NOW, self.ledger
        )

    def _succeeded(self, folder: Path) -> Job:
        job = self.ledger.create(lifecycle.take_in(a_job(options=OPTIONS), NOW))
        (folder / "model_0.cif").write_bytes(b"data_model")
        output = self.results.upload(folder / "model_0.cif", f"{job.output_prefix}deep/model_0.cif", "x")
        result = Result(
            outputs=(output,),
            scores={"ptm": 0.5},
            timings={},
            model=MODEL,
            fingerprint=identity(folder / "first"),
            device=DEVICE,
        )
        return self.ledger.replace(lifecycle.succeed(lifecycle.claim(job, "w", NOW), result, NOW))

    def has_besides(self, folder: Path, name: str, text: str) -> None:
        """Give the first job one output more."""
        (folder / name).write_text(text)
        output = self.results.upload(folder / name, f"{self.first.output_prefix}{name}", "x")
        self.first = self.ledger.replace(self.first.evolve(outputs=(*self.first.outputs, output)))


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_an_equal_job_gets_a_copy_and_says_of_what(shelf: Shelf) -> None:
    result = shelf.pipeline.run(shelf.leased)
    assert result.cached_from == shelf.first.job_id
    assert result.scores == {"ptm": 0.5}
    assert [output.name for output in result.outputs] == [
        "run43/foo/ffff/deep/model_0.cif",
        "run43/foo/ffff/input.yaml",
    ]
    assert shelf.results.objects[result.outputs[0].name][1] == b"data_model"
    assert {"queued", "download", "copy"} <= set(result.timings)
    done = lifecycle.succeed(shelf.leased.job, result, datetime.now(UTC))
    assert (done.cached_from, done.attempt) == (shelf.first.job_id, 1)


def test_a_copy_from_before_structures_were_checked_is_unchecked_and_says_so(shelf: Shelf) -> None:
    checks = shelf.pipeline.run(shelf.leased).checks
    assert checks is not None
    assert (checks.verdict, checks.reasons) == (Verdict.UNCHECKED, (f"Not checked: {BEFORE}.",))


CHECKED = Checks(verdict=Verdict.FAILED, reasons=("L LIG1 1 C57 is inverted.",))


@pytest.mark.parametrize("body", [judged(Verdict.FAILED).model_dump_json(), '{"version": 1, "sam', None])
def test_a_copy_has_the_verdict_of_its_original_and_its_page_what_was_found(
    shelf: Shelf, body: str | None, tmp_path: Path
) -> None:
    def show(prediction: Prediction, path: Path) -> None:
        shown.append((prediction.checks, prediction.summary))
        path.write_text("page")

    shown: list[tuple[ChecksReport | None, Checks | None]] = []
    found = shelf.first.evolve(checks=CHECKED)
    if body:
        (tmp_path / "checks.json").write_text(body)
        report = shelf.results.upload(tmp_path / "checks.json", f"{found.output_prefix}checks.json", "x")
        found = found.evolve(outputs=(*found.outputs, report))
    shelf.first = shelf.ledger.replace(found)
    result = replace(shelf.pipeline, renderers={"report.html": show}).run(shelf.leased)
    assert result.checks == CHECKED
    assert shown == [(judged(Verdict.FAILED) if body and body.endswith("}") else None, CHECKED)]
    assert any(output.name == "run43/foo/ffff/checks.json" for output in result.outputs) is bool(body)


def test_page_and_picture_of_a_copy_are_about_the_upload_that_asked(shelf: Shelf, tmp_path: Path) -> None:
    def show(prediction: Prediction, path: Path) -> None:
        assert prediction.files["deep/model_0.cif"].read_bytes() == b"data_model"
        path.write_text(f"{prediction.job.job_id} {prediction.text}")

    shelf.has_besides(tmp_path, "report.html", "# CONFIDENTIAL")
    result = replace(shelf.pipeline, renderers={"report.html": show}).run(shelf.leased)
    assert [output.name for output in result.outputs] == [
        "run43/foo/ffff/deep/model_0.cif",
        "run43/foo/ffff/report.html",
        "run43/foo/ffff/input.yaml",
    ]
    assert shelf.results.objects[result.outputs[1].name][1].decode() == f"{shelf.second.job_id} {TEXT}"


def test_a_page_is_told_how_files_were_read(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def show(prediction: Prediction, path: Path) -> None:
        path.write_text(" ".join(prediction.warnings))

    cut = ("Chain A: cut.",)
    monkeypatch.setattr("worker.pipeline.repaired", lambda prepared, _call: replace(prepared, warnings=cut))
    result = replace(shelf.pipeline, renderers={"report.html": show}).run(shelf.leased)
    assert result.warnings == cut
    assert shelf.results.objects["run43/foo/ffff/report.html"][1].decode() == cut[0]


def test_a_copy_names_the_files_that_were_read_for_it_and_the_device_of_the_first(
    shelf: Shelf, tmp_path: Path
) -> None:
    shelf.has_besides(tmp_path, "input.yaml", f"# CONFIDENTIAL\n{TEXT}")
    shelf.uploads.put("run42/x.a3m", ALIGNMENT.encode(), generation=9)
    result = shelf.pipeline.run(shelf.leased)
    assert [(file.name, file.generation) for file in result.files] == [("run42/x.a3m", 9)]
    assert result.device == DEVICE
    assert shelf.results.objects["run43/foo/ffff/input.yaml"][1].decode() == TEXT


def test_who_asks_for_a_fresh_result_gets_no_copy(shelf: Shelf) -> None:
    shelf.leased.job = shelf.ledger.replace(shelf.second.evolve(fresh=True))
    with pytest.raises(FailedError, match="computed"):
        shelf.pipeline.run(shelf.leased)


def test_a_result_that_is_not_whole_any_more_is_computed_again(shelf: Shelf) -> None:
    shelf.results.objects.clear()
    with pytest.raises(FailedError, match="computed"):
        shelf.pipeline.run(shelf.leased)


def test_what_was_copied_often_is_computed_anew(shelf: Shelf) -> None:
    for number in range(2, MOST_COPIES + 1):
        assert shelf.ledger.count_as((shelf.first.fingerprint or ""), MOST_COPIES) == number - 1
        shelf.ledger.create(shelf.first.evolve(job_id=f"{number:016x}"))
    with pytest.raises(FailedError, match="computed"):
        shelf.pipeline.run(shelf.leased)


def test_without_a_cache_everything_is_computed(shelf: Shelf) -> None:
    pipeline = Pipeline(shelf.uploads, shelf.results, NoPredictor(), passed, shelf.pipeline.work_dir, NOW)
    with pytest.raises(FailedError, match="computed"):
        pipeline.run(shelf.leased)


def test_a_job_that_somebody_else_took_gets_no_copy(shelf: Shelf) -> None:
    shelf.ledger.replace(lifecycle.claim(shelf.second, "other", NOW))
    with pytest.raises(LeaseLostError):
        shelf.pipeline.run(shelf.leased)
    assert len(shelf.results.objects) == 1


def test_nothing_is_written_over_what_lies_there(shelf: Shelf) -> None:
    shelf.results.put("run43/foo/ffff/deep/model_0.cif", b"of an earlier attempt")
    assert copied(shelf.first, "run43/foo/ffff/", shelf.results) is None
    assert shelf.results.objects["run43/foo/ffff/deep/model_0.cif"][1] == b"of an earlier attempt"


def test_the_copies_carry_size_and_checksum(shelf: Shelf) -> None:
    outputs = copied(shelf.first, "there/", shelf.results)
    assert outputs is not None
    original = shelf.first.outputs[0]
    assert outputs == (Output(name="there/deep/model_0.cif", size=original.size, crc32c=original.crc32c),)
