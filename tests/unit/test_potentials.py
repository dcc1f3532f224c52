"""Options that are left to the worker: what is decided, when, and who is told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.fakes import NOW, MemoryBucket, MemoryLedger, Outside, a_job, a_source
from support.inputs import one_protein
from support.paper import MODEL, PaperPredictor, failing, passed

from inputs.read import BoltzInput, read_input
from inputs.stereo import stereo_places
from jobs import lifecycle
from schemas.failure import Code
from schemas.job import Job, State
from schemas.options import Options
from schemas.receipt import Receipt
from worker.job_runner import JobRunner
from worker.pipeline import Pipeline
from worker.potentials import decided
from worker.predictor import Examine, PredictedFiles
from worker.prepare import here

REAL = MODEL.model_copy(update={"random_weights": False})
PROTEIN = one_protein("NLSIQ")
MODIFIED = PROTEIN.replace("empty}", "empty, modifications: [{position: 3, ccd: SEP}]}")


def document(*ligands: str, protein: str = PROTEIN) -> BoltzInput:
    entries = (f"- ligand: {{id: L{at}, {ligand}}}\n" for at, ligand in enumerate(ligands))
    return read_input("a.yaml", (protein + "".join(entries)).encode())


@pytest.mark.parametrize(
    ("ligand", "there"),
    [
        ("smiles: 'C[C@H](N)C(=O)O'", True),  # L-alanine
        ("smiles: 'CC(N)C(=O)O'", False),  # its hand is left open: nothing to steer to
        ("smiles: 'CC[C@H](C)CC'", False),  # no stereocentre after all
        ("smiles: 'C/C=C/C(=O)O'", True),
        ("smiles: 'CC=CC(=O)O'", False),
        ("smiles: 'c1ccccc1'", False),
        ("smiles: 'C[S@](=O)c1ccccc1'", True),
        ("smiles: 'OC(=O)c1ccccc1OC(C)=O'", False),
        ("ccd: ATP", True),
        ("ccd: [GOL, NAG]", True),
        ("ccd: GOL", False),
        ("ccd: MG", False),
    ],
)
def test_a_ligand_has_stereochemistry_where_smiles_or_dictionary_give_it(ligand: str, there: bool) -> None:
    assert stereo_places(document(ligand)) == (("ligand L0",) if there else ())


@pytest.mark.parametrize(
    ("code", "place"),
    [("SEP", "SEP 3 of A"), ("DAL", "DAL 3 of A"), ("MSE", None), ("ALA", None), ("AIB", None)],
)
def test_a_residue_counts_where_it_is_modified_and_has_a_hand(code: str, place: str | None) -> None:
    found = stereo_places(document(protein=MODIFIED.replace("SEP", code)))
    assert found == ((place,) if place else ())


@pytest.mark.parametrize("potentials", [True, False])
def test_what_was_asked_for_is_done(potentials: bool) -> None:
    options = Options(potentials=potentials)
    assert decided(options, document("ccd: ATP"), REAL, here) == (options, {})


def test_what_was_left_open_is_decided_with_the_reason() -> None:
    found = decided(Options(), document("ccd: ATP", "ccd: NAG", protein=MODIFIED), REAL, here)
    assert found.options.potentials is True
    assert found.reasons == {"potentials": "on: stereochemistry in SEP 3 of A, ligand L0, ligand L1"}
    found = decided(Options(), document("ccd: GOL"), REAL, here)
    assert found.options.potentials is False
    assert found.reasons == {"potentials": "off: no ligand and no modified residue has a stereocentre"}


def test_random_weights_are_not_steered_and_nothing_is_read_for_it() -> None:
    found = decided(Options(), document("ccd: ATP"), MODEL, failing(Code.TIMEOUT))
    assert found.options.potentials is False
    assert found.reasons == {"potentials": "off: the weights are random"}


def test_a_reason_names_few() -> None:
    found = decided(Options(), document(*["ccd: ATP"] * 7), REAL, here)
    assert found.reasons["potentials"].endswith("ligand L3, ligand L4 and 2 more")


@dataclass
class Noting(PaperPredictor):
    """Notes the options that it gets."""

    given: list[Options] = field(default_factory=list)

    def predict(
        self,
        input_file: Path,
        options: Options,
        seed: int,
        out: Path,
        begin: Callable[[], object],
        *,
        examine: Examine,
    ) -> PredictedFiles:
        self.given.append(options)
        return super().predict(input_file, options, seed, out, begin, examine=examine)


@dataclass
class Bench(Outside):
    """A worker, one job, and everything around them."""

    folder: Path = field(kw_only=True)
    predictor: Noting = field(default_factory=lambda: Noting(model=REAL))
    uploads: MemoryBucket = field(default_factory=lambda: MemoryBucket("in"))

    def attempt(self, options: Options, name: str = "a", *, suspect: bool = False) -> Job:
        job = a_job(
            job_id=name * 16,
            source=a_source(f"run42/{name}.yaml"),
            output_prefix=f"run42/{name}/",
            options=options,
        )
        self.uploads.put(job.source.name, MODIFIED.encode())
        self.ledger.create(lifecycle.take_in(job, NOW))
        return self.again(job.job_id, suspect=suspect)

    def again(self, job_id: str, *, suspect: bool = False) -> Job:
        pipeline = Pipeline(
            self.uploads, self.results, self.predictor, passed, self.folder, NOW, cache=self.ledger
        )
        runner = JobRunner(self.ledger, self.settler, pipeline, "worker-1", 3600)
        job = runner.find(job_id)
        assert job
        runner.run(runner.session(job, lambda _turns: True, suspect=suspect))
        ended = self.ledger.get(job_id)
        assert ended
        return ended


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(folder=tmp_path / "work")


@pytest.mark.parametrize("suspect", [False, True])
def test_the_model_does_and_the_receipt_says_what_was_decided(bench: Bench, suspect: bool) -> None:
    job = bench.attempt(Options(seed=5), suspect=suspect)
    assert [options.potentials for options in bench.predictor.given] == [True]
    receipt = Receipt.decode(bench.results.objects["run42/a/receipt.json"][1])
    assert receipt.options == job.options == Options(seed=5, potentials=True)
    assert receipt.decided == {"potentials": "on: stereochemistry in SEP 3 of A"}


def test_what_was_decided_is_told_of_a_failure_and_holds_for_the_next_attempt(bench: Bench) -> None:
    bench.predictor.before = failing(Code.WORKER_LOST)
    job = bench.attempt(Options(seed=5))
    assert (job.state, job.options.potentials, list(job.decided)) == (State.QUEUED, True, ["potentials"])
    bench.predictor.before = failing(Code.OUT_OF_MEMORY)
    job = bench.again(job.job_id)
    receipt = Receipt.decode(bench.results.objects["run42/a/receipt.json"][1])
    assert (job.state, receipt.decided) == (State.FAILED, {"potentials": "on: stereochemistry in SEP 3 of A"})


def test_a_job_that_changes_while_it_is_claimed_is_still_steered(bench: Bench) -> None:
    def asked_again(_input_file: Path) -> None:
        job = bench.ledger.get("a" * 16)
        assert job
        bench.ledger.replace(lifecycle.request_again(job, NOW))

    bench.predictor.read = asked_again
    job = bench.attempt(Options(seed=5))
    assert (job.state, job.options.potentials) == (State.SUCCEEDED, True)


def test_a_decision_finds_the_result_of_who_asked_for_the_same(bench: Bench) -> None:
    asked = bench.attempt(Options(seed=5, potentials=True), "a")
    left_open = bench.attempt(Options(seed=5), "b")
    off = bench.attempt(Options(seed=5, potentials=False), "c")
    assert left_open.cached_from == asked.job_id
    assert left_open.decided
    assert (off.cached_from, off.decided) == (None, {})


def test_what_is_left_open_is_not_stored_so_that_an_earlier_worker_does_as_it_did() -> None:
    ledger = MemoryLedger()
    job = ledger.create(a_job(options=Options(seed=5)))
    (_, stored), *_others = ledger.documents.values()
    assert "potentials" not in stored["options"]
    assert "potentials" not in Receipt.of(job.evolve(state=State.CANCELLED)).model_dump()["options"]
    read = ledger.get(job.job_id)
    assert read
    assert read.options.potentials is None
