"""How near two results are: bytes, structures, scores, and what else differs."""

from pathlib import Path

import gemmi
import pytest
from support.predictions import a_prediction
from support.receipts import an_end

from dropfold.replay.agreement import Agreement, Comparison, Deviation
from dropfold.replay.comparison import NEAR, TOLERANCES, compare, conditions
from schemas.checks import Checks, Verdict
from schemas.checksum import crc32c
from schemas.job import ComputeDevice, Model, Output
from schemas.receipt import Receipt
from schemas.scores import AFFINITY, CONFIDENCE, Score

DEVICE = ComputeDevice(name="L4", driver="535", cuda="12.8", torch="2.10", kernels=True, precision="bfloat16")
MODEL = Model(name="boltz-2", version="2.2.1", weights_digest=f"sha256:{'0' * 64}", random_weights=False)
SCORES = {"confidence_score": 0.8, "affinity_pred_value": -1.0}


class Results:
    """Two results of one input, the second changed."""

    def __init__(self, folder: Path) -> None:
        self.files = dict[str, Path]()
        self.first, self.second = (self._result(folder / name) for name in ("first", "second"))

    def _result(self, folder: Path) -> Receipt:
        files = a_prediction(folder, samples=2).files
        job = an_end().evolve(model=MODEL, device=DEVICE, scores=SCORES, fingerprint="f")
        receipt = Receipt.of(job)
        return receipt.model_copy(update={"outputs": tuple(map(self._output, files.values()))})

    def _output(self, path: Path) -> Output:
        name = f"{path.parent.name}/{path.name}"
        self.files[name] = path
        return Output(name=name, size=path.stat().st_size, crc32c=crc32c(path))

    def change(self, **changes: object) -> None:
        """Change what the second's receipt says."""
        self.second = self.second.model_copy(update=changes)

    def rewrite(self, name: str, content: str) -> None:
        """Change a file of the second."""
        path = self.files[f"second/{name}"]
        path.write_text(content)
        rest = [each for each in self.second.outputs if not each.name.endswith(f"/{name}")]
        self.change(outputs=(*rest, self._output(path)))

    def push(self, chain: str, by: float, sample: int = 0) -> None:
        """Move a chain of the second along the helix."""
        structure = gemmi.read_structure(str(self.files[f"second/model_{sample}.cif"]))
        for residue in structure[0][chain]:
            for atom in residue:
                atom.pos += gemmi.Position(0, 0, by)
        self.rewrite(f"model_{sample}.cif", structure.make_mmcif_document().as_string())

    def compared(self) -> Comparison:
        return compare(self.first, self.second, lambda output: self.files[output.name])


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path)


def test_equal_bytes_are_exact_and_pages_do_not_count(results: Results) -> None:
    report = results.first.outputs[0].model_copy(update={"name": "first/report.html"})
    results.first = results.first.model_copy(update={"outputs": (*results.first.outputs, report)})
    assert results.compared() == Comparison(Agreement.EXACT, Deviation(0, None))


@pytest.mark.parametrize("name", ["confidence_model_1.json", "pae_model_0.npz"])
def test_one_file_of_other_bytes_is_not_exact(results: Results, name: str) -> None:
    results.rewrite(name, "{}")
    compared = results.compared()
    assert (compared.agreement, compared.scores) == (Agreement.CLOSE, {})
    assert compared.deviation
    assert max(compared.deviation.atoms, compared.deviation.ligands or 0) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("by", "agreement"), [(0.9 * NEAR, Agreement.CLOSE), (1.1 * NEAR, Agreement.DIFFERS)]
)
def test_a_ligand_that_has_moved_is_told_of_the_worst_sample(
    results: Results, by: float, agreement: Agreement
) -> None:
    results.push("L", by, sample=1)
    compared = results.compared()
    assert compared.agreement is agreement
    assert compared.deviation
    assert compared.deviation.ligands == pytest.approx(by, abs=0.002)
    assert compared.deviation.atoms < NEAR / 2


@pytest.mark.parametrize("score", TOLERANCES)
@pytest.mark.parametrize(("times", "agreement"), [(0.9, Agreement.CLOSE), (1.1, Agreement.DIFFERS)])
def test_a_score_has_its_tolerance(
    results: Results, score: Score, times: float, agreement: Agreement
) -> None:
    before, after = 0.5, 0.5 + times * TOLERANCES[score]
    results.first = results.first.model_copy(update={"scores": {score.name: before}})
    results.change(scores={score.name: after})
    results.push("L", 0.01)
    compared = results.compared()
    assert (compared.agreement, compared.scores) == (agreement, {score.name: (before, after)})


def test_a_score_that_only_one_has_differs(results: Results) -> None:
    results.change(scores={CONFIDENCE.name: SCORES[CONFIDENCE.name]})
    results.push("L", 0.01)
    compared = results.compared()
    assert (compared.agreement, compared.scores) == (Agreement.DIFFERS, {AFFINITY.name: (-1.0, None)})


def test_other_atoms_and_fewer_samples_differ(results: Results) -> None:
    whole = results.second
    structure = gemmi.read_structure(str(results.files["second/model_0.cif"]))
    structure[0].remove_chain("L")
    results.rewrite("model_0.cif", structure.make_mmcif_document().as_string())
    compared = results.compared()
    assert (compared.agreement, compared.why) == (
        Agreement.DIFFERS,
        ("3 atoms are in one of the two structures only.",),
    )
    results.change(outputs=tuple(each for each in whole.outputs if "model_1" not in each.name))
    assert results.compared().agreement is Agreement.DIFFERS


def test_what_else_differs_is_told(results: Results) -> None:
    results.change(device=DEVICE.model_copy(update={"name": "H100", "kernels": False}), fingerprint="g")
    assert list(conditions(results.first, results.second)) == [
        "device L4 → H100",
        "kernels True → False",
        "not the same input, files and options",
    ]
    results.first = results.first.model_copy(update={"checks": Checks(verdict=Verdict.PASSED)})
    other = MODEL.model_copy(update={"weights_digest": f"sha256:{'1' * 64}"})
    results.change(device=None, model=other, checks=Checks(verdict=Verdict.FAILED))
    assert list(conditions(results.first, results.second)) == [
        "weights digest sha256:000000000000 → sha256:111111111111",
        "the device of one is not known",
        "checks passed → failed",
    ]
