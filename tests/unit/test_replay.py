"""`dropfold replay`: results computed once more from the same files, or the reason why not."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path, PurePosixPath

import pytest
from click.testing import Result
from support.backbones import chain, codes
from support.commands import run
from support.fakes import MemoryBucket, MemoryCloud, MemoryTopic
from support.inputs import MSA, TRP_CAGE, one_protein
from support.paper import DEVICE, PaperPredictor, failing, passed, write_prediction

from dropfold.commands import replay
from functions.intake import Intake
from inputs.alignments import MsaServer
from inputs.examine import Rules, is_input
from schemas.failure import Code
from schemas.job import Job, Model, State, job_id
from schemas.receipt import Receipt, receipt_name
from worker.alignments import Alignments
from worker.job_runner import JobRunner
from worker.pipeline import Pipeline

TEXT = one_protein(msa="msa/trp.a3m")
PROTEINS = {"A": "VLSPADKTNVK", "B": "VHLTPEEKSAV"}


@dataclass
class Plant(MemoryCloud):
    """A project whose intake and worker do their work while somebody waits."""

    folder: Path = field(kw_only=True)
    predictor: PaperPredictor = field(default_factory=lambda: PaperPredictor(residues=len(TRP_CAGE)))
    rules: Rules = field(default_factory=lambda: Rules(msa_service=True))
    server: MsaServer = field(default_factory=lambda: MsaServer("http://msa.example"))

    def work(self, _seconds: float = 0) -> None:
        """Take in what is new, and predict what is queued."""
        intake = Intake(self.inputs, self.ledger, self.settler, MemoryTopic(), self.rules)
        for source in list(self.inputs.listed()):
            if is_input(source.name):
                intake.on_upload(source)
        for queued in self.ledger.under("in", "", [State.QUEUED], 100):
            runner = JobRunner(self.ledger, self.settler, self._pipeline, "worker", 30)
            runner.run(runner.session(queued, lambda _turns: True))

    @property
    def _pipeline(self) -> Pipeline:
        return Pipeline(
            uploads=self.inputs,
            results=self.results,
            predictor=self.predictor,
            check=passed,
            work_dir=self.folder,
            started_at=datetime.now(UTC),
            cache=self.ledger,
            alignments=Alignments(self.server, self.alignments),
        )

    def predicted(self, name: str, text: str = TEXT, **options: object) -> Job:
        """Drop an input; return its job, which has ended."""
        self.inputs.put(name, text.encode())
        self.inputs.metadata[name] = {f"dropfold-{key}": str(value) for key, value in options.items()}
        self.work()
        return self.job(job_id("in", name, 7))

    def job(self, identity: str) -> Job:
        job = self.ledger.get(identity)
        assert job
        return job

    def rewrite(self, job: Job, **changes: object) -> None:
        """Change what a receipt says."""
        receipt = Receipt.of(job).model_copy(update=changes)
        self.results.put(receipt_name(job), receipt.encode())


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plant:
    plant = Plant(folder=tmp_path / "work")
    plant.inputs.put("run42/msa/trp.a3m", MSA)
    monkeypatch.setattr("time.sleep", plant.work)
    return plant


@pytest.fixture
def first(plant: Plant) -> Job:
    return plant.predicted("run42/foo.yaml", samples=2)


def rows(done: Result) -> list[list[str]]:
    return [line.split("\t") for line in done.stdout.splitlines()]


def stored(bucket: MemoryBucket, prefix: str) -> Mapping[str, tuple[int, bytes]]:
    return {name: there for name, there in bucket.objects.items() if name.startswith(prefix)}


def now_drawing(monkeypatch: pytest.MonkeyPatch, value: float) -> None:
    """Have the next predictions say another confidence."""
    monkeypatch.setattr("support.paper.write_prediction", partial(write_prediction, value=value))


def unrepeatable(plant: Plant, target: str) -> str:
    """Return why a result is not computed again."""
    done = run(replay.command, plant, target)
    [row] = rows(done)
    assert (row[0], row[3], done.exit_code) == ("UNREPEATABLE", "", 1)
    return row[-1]


def test_a_result_is_computed_again_from_the_same_and_the_first_is_left_as_it_is(
    plant: Plant, first: Job
) -> None:
    before = stored(plant.results, "run42/")
    done = run(replay.command, plant, first.job_id)
    [[agreement, name, identity, again, rmsd, scores, why]] = rows(done)
    assert (agreement, name, identity, rmsd, scores, why) == (
        "EXACT",
        "run42/foo.yaml",
        first.job_id,
        "0.000",
        "equal",
        "",
    )
    assert done.exit_code == 0
    second = plant.job(again)
    assert second.source.name.startswith("replay/")
    assert second.source.name.endswith(f"/{first.job_id}/foo.yaml")
    assert (second.fresh, second.cached_from, second.batch) == (
        True,
        None,
        second.source.name.split(f"/{first.job_id}")[0],
    )
    assert (second.options, second.fingerprint) == (first.options, first.fingerprint)
    assert stored(plant.results, "run42/") == before


def test_another_score_is_close_or_differs(plant: Plant, first: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    now_drawing(monkeypatch, 0.53)
    done = run(replay.command, plant, "run42/foo.yaml")
    assert (rows(done)[0][0], rows(done)[0][5], done.exit_code) == ("CLOSE", "confidence 0.500 → 0.530", 0)
    now_drawing(monkeypatch, 0.6)
    plant.predictor.model = Model(name="paper", version="2", weights_digest="sha256:0", random_weights=True)
    done = run(replay.command, plant, "run42/foo.yaml", "--json")
    [told] = json.loads(done.stdout)
    assert done.exit_code == 1
    assert told == {
        "agreement": "DIFFERS",
        "input": "run42/foo.yaml",
        "job_id": first.job_id,
        "replay_job_id": told["replay_job_id"],
        "rmsd": pytest.approx(0, abs=1e-6),
        "ligand_rmsd": None,
        "scores": {"confidence_score": {"first": 0.5, "replay": 0.6}},
        "why": ["version 1 → 2"],
    }


def test_a_prediction_that_fails_now_differs(plant: Plant, first: Job) -> None:
    plant.predictor.before = failing(Code.OUT_OF_MEMORY)
    done = run(replay.command, plant, first.job_id)
    assert (rows(done)[0][0], done.exit_code) == ("DIFFERS", 1)
    assert rows(done)[0][-1] == "FAILED this time; OUT_OF_MEMORY: m"


def test_another_device_is_told(plant: Plant, first: Job) -> None:
    plant.rewrite(first, device=DEVICE.model_copy(update={"name": "pencil", "driver": "5"}))
    done = run(replay.command, plant, "run42/")
    assert rows(done)[0][-1] == "device pencil → paper; driver 5 → None"


def test_the_copy_of_the_input_will_do_where_the_upload_is_gone(plant: Plant, first: Job) -> None:
    plant.inputs.put("run42/foo.yaml", one_protein("GSGS").encode(), generation=8)
    assert rows(run(replay.command, plant, first.job_id))[0][0] == "EXACT"


def test_a_receipt_of_before_there_were_copies_needs_the_upload(plant: Plant, first: Job) -> None:
    outputs = tuple(each for each in first.outputs if not each.name.endswith("/input.yaml"))
    plant.rewrite(first, outputs=outputs, files=(), device=None)
    [row] = rows(run(replay.command, plant, "run42/"))
    assert (row[0], row[-1]) == ("EXACT", "the device of one is not known")
    plant.inputs.put("run42/foo.yaml", TEXT.encode(), generation=8)
    assert "gs://in/run42/foo.yaml#7 is gone" in unrepeatable(plant, "run42/")


def test_a_file_that_is_another_one_now_is_told(plant: Plant, first: Job) -> None:
    plant.inputs.put("run42/msa/trp.a3m", MSA, generation=8)  # uploaded once more, the same
    assert rows(run(replay.command, plant, first.job_id))[0][0] == "EXACT"
    plant.inputs.put("run42/msa/trp.a3m", MSA + MSA, generation=9)
    why = "gs://in/run42/msa/trp.a3m is another file now: generation 7 was read, 9 is there."
    assert unrepeatable(plant, first.job_id) == why
    del plant.inputs.objects["run42/msa/trp.a3m"]
    assert unrepeatable(plant, first.job_id) == "gs://in/run42/msa/trp.a3m is gone."


def test_a_template_is_read_again_as_it_was_by_boltz_s_names_of_its_chains(plant: Plant) -> None:
    plant.inputs.put("run42/t.pdb", chain(codes(TRP_CAGE)).encode())
    templated = plant.predicted("run42/t.yaml", f"{TEXT}templates: [{{pdb: t.pdb, template_id: A}}]\n")
    copy = plant.results.objects[f"{templated.output_prefix}input.yaml"][1]
    assert json.loads(copy)["templates"][0]["template_id"] == ["A1"]
    [row] = rows(run(replay.command, plant, templated.job_id))
    assert (row[0], plant.job(row[3]).fingerprint) == ("EXACT", templated.fingerprint)


def test_an_input_that_this_release_refuses_is_told(plant: Plant, first: Job) -> None:
    plant.rules = Rules(max_tokens=5)
    assert unrepeatable(plant, first.job_id).startswith("Its input is refused now: ")


def test_a_result_whose_files_are_gone_cannot_be_compared(
    plant: Plant, first: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_drawing(monkeypatch, 0.6)
    del plant.results.objects[f"{first.output_prefix}model_1.cif"]
    [row] = rows(run(replay.command, plant, first.job_id))
    assert (row[0], row[-1]) == (
        "UNREPEATABLE",
        f"{first.output_prefix}model_1.cif is not in the bucket any more.",
    )


def put_alignments(plant: Plant, *found: str) -> None:
    """Keep alignments of both proteins, and the rows of them that are paired; ``found`` are further pairs."""
    needed = plant.server.needed(list(PROTEINS.values()))
    for name, sequence in zip(needed.unpaired, PROTEINS.values(), strict=True):
        plant.alignments.put(name, a3m(sequence, f"{sequence[:-1]}-").encode())
    assert needed.paired
    pairs = "\0".join(a3m(sequence, *found) for sequence in PROTEINS.values())
    plant.alignments.put(needed.paired, pairs.encode())


def a3m(*rows: str) -> str:
    return "".join(f">{number}\n{row}\n" for number, row in enumerate(rows, 101))


@pytest.fixture
def aligned(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> Job:
    """Return the job of a complex for which alignments were made, paired rows among them."""
    put_alignments(plant, "-LSPADKTNVK")
    monkeypatch.setattr("support.paper.write_prediction", partial(write_prediction, chains="AB"))
    plant.predictor.residues = 11
    proteins = (f"- protein: {{id: {chain}, sequence: {each}}}\n" for chain, each in PROTEINS.items())
    return plant.predicted("run42/globin.yaml", f"sequences:\n{''.join(proteins)}")


def test_alignments_that_were_made_are_laid_down_again(plant: Plant, aligned: Job) -> None:
    assert [each.paired for each in aligned.alignments] == [2, 2]
    [row] = rows(run(replay.command, plant, aligned.job_id))
    assert row[0] == "EXACT"
    again = plant.job(row[3])
    assert again.fingerprint == aligned.fingerprint
    assert {PurePosixPath(file.name).name for file in again.files} == {"dropfold-0.csv", "dropfold-1.csv"}


def test_alignments_that_were_made_anew_or_are_gone_are_told(plant: Plant, aligned: Job) -> None:
    put_alignments(plant, "VLSPADKTNV-")
    assert unrepeatable(plant, aligned.job_id) == "The alignment of chain A was made anew since."
    plant.alignments.objects.clear()
    assert unrepeatable(plant, aligned.job_id) == "The alignment of chain A is not kept any more."


def test_a_sample_of_a_folder_is_always_the_same_and_holds_no_replays(plant: Plant) -> None:
    jobs = [plant.predicted(f"run42/{letter}.yaml") for letter in "abcde"]
    done = run(replay.command, plant, "gs://in/", "--sample", 2)
    chosen = {row[2] for row in rows(done)}
    assert chosen == set(sorted(job.job_id for job in jobs)[:2])
    assert "2 of 5 results are computed again" in done.stderr
    assert "2 EXACT." in done.stderr
    assert {row[2] for row in rows(run(replay.command, plant, "gs://in/", "--sample", 2))} == chosen
    assert len(rows(run(replay.command, plant, "replay/"))) == 4  # whoever means them gets them


def test_what_ended_before_is_left_out(plant: Plant, first: Job) -> None:
    plant.predicted("run42/new.yaml")
    plant.rewrite(first, finished_at=datetime.now(UTC) - timedelta(days=8))
    assert [row[1] for row in rows(run(replay.command, plant, "run42/", "--since", "7d"))] == [
        "run42/new.yaml"
    ]


def test_without_a_result_there_is_nothing_to_repeat(plant: Plant) -> None:
    plant.predictor.before = failing(Code.TIMEOUT)
    failed = plant.predicted("run42/foo.yaml")
    for target, why in (
        (failed.job_id, "is FAILED"),
        ("run42/", "No result lies there"),
        ("f" * 16, "No result"),
    ):
        done = run(replay.command, plant, target)
        assert (done.exit_code, why in done.stderr) == (1, True)
    assert run(replay.command, plant, "run42/", "--since", "soon").exit_code == 2
