"""`dropfold results`: what came of inputs, in order, and files that are what their receipts say."""

import csv
import json
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from support.commands import run
from support.fakes import NOW, MemoryCloud, a_job, a_source
from support.later import CODE, MORE

from dropfold.commands import results
from schemas.checks import Checks, Verdict
from schemas.failure import Code, Failure
from schemas.job import Alignment, Job, State
from schemas.receipt import Receipt, receipt_name


def add(cloud: MemoryCloud, name: str, scores: dict[str, float] | None = None, **changes: object) -> Job:
    """Have a job end, with a structure, a report and its PAE where it has scores."""
    prefix = f"{name.removesuffix('.yaml')}/0123456789abcdef/"
    files = ("model_0.cif", "report.html", "pae_0.npz") if scores else ()
    for file in files:
        cloud.outputs.put(prefix + file, f"{name} {file}".encode())
    error = Failure(code=Code.TIMEOUT, message="It took too long.", remedy="Ask for less.")
    job = a_job(
        State.SUCCEEDED if scores else State.FAILED,
        source=a_source(name),
        output_prefix=prefix,
        outputs=tuple(cloud.outputs._output(prefix + file) for file in files),
        scores=scores or {},
        errors=() if scores else (error,),
    ).evolve(**changes)
    cloud.outputs.put(receipt_name(job), Receipt.of(job).encode())
    return job


@pytest.fixture
def cloud() -> MemoryCloud:
    cloud = MemoryCloud()
    add(cloud, "run1/a.yaml", {"confidence_score": 0.5, "affinity_pred_value": -1.0})
    add(cloud, "run1/b.yaml", {"confidence_score": 0.9})
    add(cloud, "run1/c.yaml")
    add(cloud, "run1/d.yaml", {"confidence_score": 0.4, "affinity_pred_value": -2.0})
    add(cloud, "run10/a.yaml", {"confidence_score": 0.1})
    return cloud


@pytest.mark.parametrize(
    ("sort", "order"), [("confidence", "badc"), ("affinity", "dabc"), ("name", "abcd"), ("binder", "abcd")]
)
def test_the_best_comes_first(cloud: MemoryCloud, sort: str, order: str) -> None:
    rows = [
        line.split("\t") for line in run(results.command, cloud, "run1/", "--sort", sort).stdout.splitlines()
    ]
    assert [row[0] for row in rows] == [f"run1/{letter}.yaml" for letter in order]
    [failed] = [row for row in rows if row[1] == "FAILED"]
    assert failed[-1] == "TIMEOUT: It took too long."


def test_an_input_s_own_name_finds_its_results_and_none_is_told(cloud: MemoryCloud) -> None:
    assert len(run(results.command, cloud, "gs://in/run1/a.yaml").stdout.splitlines()) == 1
    assert len(run(results.command, cloud).stdout.splitlines()) == 5
    none = run(results.command, cloud, "run3/")
    assert (none.exit_code, "nothing has ended there" in none.stderr) == (1, True)


def test_json_is_the_receipts_and_csv_has_all_scores_and_no_formula(cloud: MemoryCloud) -> None:
    add(cloud, "run1/=HYPERLINK().yaml", {"iptm": 0.3})
    told = json.loads(run(results.command, cloud, "run1/b.yaml", "--json").stdout)
    assert told[0]["scores"] == {"confidence_score": 0.9}
    rows = {
        row["input"]: row
        for row in csv.DictReader(run(results.command, cloud, "run1/", "--csv").stdout.splitlines())
    }
    assert rows["run1/a.yaml"]["affinity_pred_value"] == "-1.0"
    assert rows["run1/b.yaml"]["results"] == "gs://out/run1/b/0123456789abcdef/"
    assert rows["run1/c.yaml"]["error"] == "TIMEOUT: It took too long."
    assert run(results.command, cloud, "--json", "--csv").exit_code == 2
    own = MemoryCloud()
    add(own, "=1+1.yaml")
    assert run(results.command, own, "--csv").stdout.splitlines()[1].startswith('"\'=1+1.yaml",')


REASON = "L LIG1 1 C57 is inverted."


@pytest.fixture
def checked() -> MemoryCloud:
    """Return a project with a result for each verdict, one from before there were any, and a failed job."""
    cloud = MemoryCloud()
    for verdict in Verdict:
        reasons = (REASON, "=1+1") if verdict is Verdict.FAILED else ()
        checks = Checks(verdict=verdict, reasons=reasons)
        add(cloud, f"run1/{verdict}.yaml", {"confidence_score": 0.5}, checks=checks)
    add(cloud, "run1/before.yaml", {"confidence_score": 0.5})
    add(cloud, "run1/none.yaml")
    return cloud


def test_each_verdict_is_told(checked: MemoryCloud) -> None:
    rows = [line.split("\t") for line in run(results.command, checked, "run1/").stdout.splitlines()]
    told = {row[0].removeprefix("run1/").removesuffix(".yaml"): row[2] for row in rows}
    assert told == {verdict: verdict for verdict in Verdict} | {"before": "", "none": ""}
    table = csv.DictReader(run(results.command, checked, "run1/", "--csv").stdout.splitlines())
    written = {row["input"]: (row["checks"], row["reasons"]) for row in table}
    assert written["run1/failed.yaml"] == ("failed", f"{REASON} =1+1")
    assert written["run1/before.yaml"] == ("", "")


@pytest.mark.parametrize("verdicts", [("passed",), ("passed", "warnings")])
def test_only_results_with_a_verdict_are_told_and_fetched(
    checked: MemoryCloud, verdicts: tuple[str, ...], tmp_path: Path
) -> None:
    asked = [word for verdict in verdicts for word in ("--checks", verdict)]
    done = run(results.command, checked, "run1/", *asked, "--download", tmp_path)
    assert {line.split("\t")[2] for line in done.stdout.splitlines()} == set(verdicts)
    assert {path.name for path in (tmp_path / "run1").iterdir()} == set(verdicts)


def test_where_nothing_has_the_verdict_that_is_said(cloud: MemoryCloud) -> None:
    done = run(results.command, cloud, "run1/", "--checks", "failed")
    assert (done.exit_code, "No structure there has this verdict: failed." in done.stderr) == (1, True)


def test_structures_and_reports_are_fetched_once(cloud: MemoryCloud, tmp_path: Path) -> None:
    done = run(results.command, cloud, "run1/", "--download", tmp_path)
    assert done.exit_code == 0
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {
        f"run1/{letter}/0123456789abcdef/{file}"
        for letter in "abd"
        for file in ("model_0.cif", "report.html")
    }
    assert f"{tmp_path}/run1/a/0123456789abcdef/" in done.stdout
    for name in list(cloud.outputs.objects):
        if name.endswith(".cif"):
            del cloud.outputs.objects[name]  # nobody needs them again
    assert run(results.command, cloud, "run1/", "--download", tmp_path).exit_code == 0


def test_what_is_not_what_its_receipt_says_is_not_kept(cloud: MemoryCloud, tmp_path: Path) -> None:
    name = "run1/a/0123456789abcdef/model_0.cif"
    body = cloud.outputs.objects[name][1]
    for wrong in (body[::-1], body + b"x", None):
        cloud.outputs.put(name, wrong) if wrong else cloud.outputs.objects.pop(name)
        done = run(results.command, cloud, "run1/a.yaml", "--download", tmp_path)
        assert (done.exit_code, f"{name} is not" in done.stderr) == (1, True)
        assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["report.html"]


A3M = ">101\nNLYIQ\n>101\nNLYIQ\n>x\nNLY-Q\n"
MERGED = "key,sequence\n-1,NLYIQ\n-1,NLYIQ\n-1,NLY-Q"


def made(*chains: str, paired: int = 0, name: str = "x/unpaired/1.a3m") -> Alignment:
    """Return an alignment of these chains, as a worker describes it."""
    digest = sha256(MERGED.encode()).hexdigest()
    return Alignment(
        chains=chains, server="msa.example", database="d", rows=2, paired=paired, sha256=digest, object=name
    )


def test_alignments_are_fetched_beside_the_results_by_chain(cloud: MemoryCloud, tmp_path: Path) -> None:
    alignments = (made("A", "B"), made("C", paired=3, name="x/unpaired/2.a3m"))
    add(cloud, "run4/a.yaml", {"confidence_score": 0.5}, alignments=alignments)
    cloud.alignments.put("x/unpaired/1.a3m", A3M.encode())
    cloud.alignments.put("x/unpaired/2.a3m", b">101\nGSGS\n")
    done = run(results.command, cloud, "run4/", "--download", tmp_path, "--msa")
    folder = tmp_path / "run4" / "a" / "0123456789abcdef"
    assert done.exit_code == 0
    assert {path.name for path in folder.iterdir()} == {
        "model_0.cif",
        "report.html",
        "msa_A.a3m",
        "msa_C.a3m",
    }
    assert (folder / "msa_A.a3m").read_text() == A3M
    assert f"2 of 2 alignments are in {tmp_path}." in done.stderr
    told = run(results.command, cloud, "run4/", "--csv").stdout.splitlines()
    assert next(csv.DictReader(told))["msa_rows"] == "2"


def test_an_alignment_that_is_gone_or_another_is_not_kept(cloud: MemoryCloud, tmp_path: Path) -> None:
    add(cloud, "run4/a.yaml", {"confidence_score": 0.5}, alignments=(made("A"),))
    for content, why in ((None, "is not in the bucket any more"), (A3M + ">y\nN--IQ\n", "it was made anew")):
        if content:
            cloud.alignments.put("x/unpaired/1.a3m", content.encode())
        done = run(results.command, cloud, "run4/", "--download", tmp_path, "--msa")
        assert (done.exit_code, f"x/unpaired/1.a3m {'is not what' if content else why}" in done.stderr) == (
            1,
            True,
        )
        assert why in done.stderr
        assert not list(tmp_path.rglob("*.a3m*"))


def test_results_without_alignments_ask_for_no_bucket_of_them(tmp_path: Path) -> None:
    cloud = SimpleNamespace(**vars(MemoryCloud()))
    del cloud.alignments
    cloud.outputs = cloud.results
    add(cast("MemoryCloud", cloud), "run4/a.yaml", {"confidence_score": 0.5})
    done = run(results.command, cast("MemoryCloud", cloud), "run4/", "--download", tmp_path, "--msa")
    assert (done.exit_code, f"0 of 0 alignments are in {tmp_path}." in done.stderr) == (0, True)


def test_alignments_without_a_folder_are_wrong_usage(cloud: MemoryCloud) -> None:
    done = run(results.command, cloud, "--msa")
    assert (done.exit_code, "--msa needs --download DIR" in done.stderr) == (2, True)


def test_no_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    cloud = MemoryCloud()
    add(cloud, "../../escaped.yaml", {"confidence_score": 1.0}, alignments=(made("A"),))
    cloud.alignments.put("x/unpaired/1.a3m", A3M.encode())
    done = run(results.command, cloud, "--download", tmp_path / "deep" / "results", "--msa")
    assert (done.exit_code, "leads out of" in done.stderr) == (1, True)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_random_weights_are_called_so_and_a_broken_receipt_is_named(cloud: MemoryCloud) -> None:
    model = {"name": "boltz2", "version": "2.2.1", "weights_digest": "x", "random_weights": True}
    add(cloud, "run2/a.yaml", {"confidence_score": 0.1}, model=model, updated_at=NOW)
    cloud.outputs.put("run2/b/0123456789abcdef/receipt.json", b"{")
    done = run(results.command, cloud, "run2/")
    assert (done.exit_code, len(done.stdout.splitlines())) == (0, 1)
    assert "Random weights: these structures mean nothing." in done.stderr
    assert "run2/b/0123456789abcdef/receipt.json is no receipt that can be read" in done.stderr


def test_no_more_receipts_are_read_than_asked_for(cloud: MemoryCloud) -> None:
    done = run(results.command, cloud, "--limit", 2)
    assert (len(done.stdout.splitlines()), "Only 2 receipts are read" in done.stderr) == (2, True)


def test_receipts_of_the_next_release_are_results_too(cloud: MemoryCloud) -> None:
    job = add(cloud, "run3/a.yaml")
    receipt = json.loads(Receipt.of(job).encode())
    receipt["more"] = receipt["source"]["more"] = receipt["errors"][0]["more"] = MORE
    receipt["error"]["code"] = CODE
    cloud.outputs.put(receipt_name(job), json.dumps(receipt).encode())
    told = run(results.command, cloud, "run3/", "--json")
    [shown] = json.loads(told.stdout)
    assert (shown["error"]["code"], "more" in told.stdout, told.stderr) == (CODE, False, "")
