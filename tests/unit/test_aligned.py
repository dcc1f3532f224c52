"""The worker lays alignments beside an input: what Boltz reads then, what counts, and where it cannot."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from support.fakes import NOW, MemoryBucket, MemoryTopic, Outside, a_job, a_source
from support.inputs import one_protein
from support.paper import PaperPredictor, passed
from support.patience import NEVER
from support.serving import Service, serving

from inputs.alignments import MsaServer, unaligned
from inputs.read import read_input, references
from jobs import lifecycle
from jobs.settle import Settler
from schemas.failure import Code, FailedError
from schemas.job import Alignment, Effect, Job, Model, State
from schemas.messages import AlignmentsWanted
from schemas.options import Options
from worker.alignments import Alignments, Fetched, aligned, lay
from worker.cache import fingerprint
from worker.errors import UnalignedError
from worker.job_runner import JobRunner
from worker.pipeline import Pipeline
from worker.prepare import Prepared, here
from worker.report.prediction import Prediction
from worker.web.app import create

ALPHA, BETA = "VLSPADKTNVK", "VHLTPEEKSAV"
MSA = MsaServer("http://msa.example/api", "tiny")
ONE = f"# mine\nsequences:\n- protein: {{id: A, sequence: {ALPHA}}}\n"
TWO = f"""\
version: 1
sequences:
- protein: {{id: [A, C], sequence: {ALPHA}}}
- ligand: {{id: L, ccd: GOL}}
- protein: {{id: B, sequence: {BETA}}}
- protein: {{id: D, sequence: GSGS, msa: empty}}
"""
MODEL = Model(name="boltz-2", version="2.2.1", weights_digest="sha256:1", random_weights=True)


def unpaired(sequence: str, *others: str) -> bytes:
    """Return the object of a sequence's alignment: the query, and rows that others found."""
    return "".join(f">{at}\n{row}\n" for at, row in enumerate((sequence, *others), 101)).encode()


@dataclass
class Shelf:
    """A bucket of alignments, and a folder for an input."""

    folder: Path
    objects: MemoryBucket = field(default_factory=lambda: MemoryBucket("alignments"))

    def __post_init__(self) -> None:
        self.put()

    @property
    def alignments(self) -> Alignments:
        return Alignments(MSA, self.objects)

    def put(self, *found: str) -> None:
        """Keep alignments of both proteins, and of their pairs; ``found`` are further rows of the first."""
        one, two = (MSA.needed([each]).unpaired[0] for each in (ALPHA, BETA))
        self.objects.put(one, unpaired(ALPHA, "VLSPAEKTNVK", *found))
        self.objects.put(two, unpaired(BETA))
        paired = MSA.needed((ALPHA, BETA)).paired
        assert paired
        pairs = (unpaired(ALPHA, "VLSPADKTNIK", "-" * 11), unpaired(BETA, "VHLTAEEKSAV", "VHLSPEEKSAV"))
        self.objects.put(paired, b"\0".join(pairs))

    def prepared(self, text: str = TWO, name: str = "0123456789abcdef.yaml") -> Prepared:
        """Return an input as the worker has prepared it."""
        folder = self.folder / "input"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text)
        return Prepared(folder / name, read_input(name, text.encode(), msa_service=True), text)

    def laid(self, text: str = TWO, name: str = "0123456789abcdef.yaml") -> Prepared:
        """Return it with alignments beside it."""
        return aligned(self.prepared(text, name), here, self.alignments)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_a_single_chain_gets_its_rows_unpaired(shelf: Shelf) -> None:
    laid = shelf.laid(ONE)
    [name] = references(laid.document)
    content = (laid.input_file.parent / name).read_bytes()
    assert content == b"key,sequence\n-1,VLSPADKTNVK\n-1,VLSPAEKTNVK"
    assert laid.alignments == (
        Alignment(
            chains=("A",),
            server="msa.example",
            database="tiny",
            rows=2,
            paired=0,
            sha256=sha256(content).hexdigest(),
            object=MSA.needed([ALPHA]).unpaired[0],
        ),
    )


def test_chains_of_a_complex_get_rows_of_equal_key_where_they_are_partners(shelf: Shelf) -> None:
    laid = shelf.laid()
    one, two = (laid.input_file.parent / name for name in references(laid.document))
    assert one.read_text() == "key,sequence\n0,VLSPADKTNVK\n1,VLSPADKTNIK\n-1,VLSPAEKTNVK"
    assert two.read_text() == "key,sequence\n0,VHLTPEEKSAV\n1,VHLTAEEKSAV\n2,VHLSPEEKSAV"
    assert [(each.chains, each.rows, each.paired) for each in laid.alignments] == [
        (("A", "C"), 3, 2),
        (("B",), 3, 3),
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("0123456789abcdef.yaml", TWO),
        ("0123456789abcdef.yml", TWO),
        ("0123456789abcdef.fasta", f">A|protein\n{ALPHA}\n>L|ccd\nGOL\n>B|protein\n{BETA}\n"),
    ],
    ids=["yaml", "yml", "fasta"],
)
def test_what_is_written_is_an_input_that_differs_by_its_msas_alone(
    shelf: Shelf, name: str, text: str
) -> None:
    laid = shelf.laid(text, name)
    content = laid.input_file.read_bytes()
    assert laid.input_file.name == "0123456789abcdef.yaml"
    assert read_input(laid.input_file.name, content) == laid.document
    assert unaligned(laid.document) == ()
    before = read_input(name, text.encode(), msa_service=True).model_dump(exclude_none=True)
    after = json.loads(content)
    for entry in after["sequences"]:
        if "protein" in entry and entry["protein"]["msa"] != "empty":
            del entry["protein"]["msa"]
    again = read_input("again.yaml", json.dumps(after).encode(), msa_service=True)
    assert again.model_dump(exclude_none=True) == before
    assert laid.text == text


def test_what_needs_no_alignment_is_left_as_it_is(shelf: Shelf) -> None:
    shelf.objects.objects.clear()
    prepared = shelf.prepared(one_protein(ALPHA))
    assert aligned(prepared, here, shelf.alignments) is aligned(prepared, here, None) is prepared
    assert [path.name for path in prepared.input_file.parent.iterdir()] == [prepared.input_file.name]


def test_a_file_of_the_user_s_in_a_folder_called_alignments_is_in_nobody_s_way(shelf: Shelf) -> None:
    prepared = shelf.prepared()
    theirs = prepared.input_file.parent / "alignments" / "0.a3m"
    theirs.parent.mkdir()
    theirs.write_text("theirs")
    assert len(aligned(prepared, here, shelf.alignments).alignments) == 2
    assert theirs.read_text() == "theirs"


def test_without_a_server_the_job_fails_and_says_what_the_worker_lacks(shelf: Shelf) -> None:
    with pytest.raises(FailedError) as caught:
        aligned(shelf.prepared(), here, None)
    assert caught.value.failure.code is Code.MSA_UNAVAILABLE
    assert "MSA_SERVER_URL" in caught.value.failure.remedy


def test_all_objects_that_are_gone_are_named(shelf: Shelf) -> None:
    document = shelf.prepared().document
    needed = MSA.needed((ALPHA, BETA))
    for name in (needed.unpaired[1], needed.paired):
        assert name
        del shelf.objects.objects[name]
    with pytest.raises(UnalignedError) as caught:
        shelf.alignments.fetch(document, shelf.folder / "fetched")
    assert caught.value.names == (needed.unpaired[1], needed.paired)


def test_an_object_too_large_fails_the_job(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.alignments.MAX_OBJECT_BYTES", 10)
    with pytest.raises(FailedError) as caught:
        shelf.laid()
    assert caught.value.failure.code is Code.TOO_LARGE


def test_a_server_that_pairs_nothing_leaves_rows_unpaired(shelf: Shelf) -> None:
    document = shelf.prepared().document
    fetched = shelf.alignments.fetch(document, shelf.folder / "fetched")
    assert fetched.paired
    fetched.paired.write_text(f">101\n{ALPHA}\n\0>102\n{BETA}\n")
    alone = lay(document, Fetched(fetched.unpaired, fetched.paired), MSA, shelf.folder)
    assert [(each.rows, each.paired) for each in alone.alignments] == [(2, 1), (1, 1)]


def test_the_alignment_counts_in_the_fingerprint(shelf: Shelf) -> None:
    first = fingerprint(shelf.laid(ONE), Options(seed=5), MODEL)
    again = Shelf(shelf.folder / "again")
    again.folder.mkdir()
    assert fingerprint(again.laid(ONE), Options(seed=5), MODEL) == first
    other = Shelf(shelf.folder / "other")
    other.folder.mkdir()
    other.put("VLSPADKTNVR")
    assert fingerprint(other.laid(ONE), Options(seed=5), MODEL) != first


@dataclass
class Bench(Outside):
    """A worker with a job, in memory; jobs that lack alignments are asked for on ``wanted``."""

    folder: Path = field(kw_only=True)
    uploads: MemoryBucket = field(default_factory=lambda: MemoryBucket("in"))
    wanted: MemoryTopic = field(default_factory=MemoryTopic)
    predictor: PaperPredictor = field(default_factory=lambda: PaperPredictor(residues=len(ALPHA)))
    texts: list[str] = field(default_factory=list)

    @property
    def settler(self) -> Settler:
        return replace(super().settler, alignments=self.wanted)

    def queue(self) -> Job:
        job = a_job(source=a_source("run42/a.yaml"), options=Options(seed=5), msa_server=MSA.host)
        self.uploads.put(job.source.name, ONE.encode())
        return self.ledger.create(lifecycle.take_in(job, datetime.now(UTC)))

    def attempt(self, job: Job, alignments: Alignments | None) -> Job:
        """Have a queued job attempted; return it as it is then."""

        def show(prediction: Prediction, path: Path) -> None:
            self.texts.append(prediction.text)
            path.write_text("page")

        pipeline = Pipeline(
            self.uploads,
            self.results,
            self.predictor,
            passed,
            self.folder,
            NOW,
            renderers={"report.html": show},
            alignments=alignments,
        )
        runner = JobRunner(self.ledger, self.settler, pipeline, "worker-1", NEVER)
        runner.run(runner.session(job, lambda _turns: True))
        found = self.ledger.get(job.job_id)
        assert found
        return found


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(folder=tmp_path / "work")


def test_a_job_is_predicted_with_its_alignment_and_its_report_has_the_user_s_text(
    bench: Bench, shelf: Shelf
) -> None:
    def look(input_file: Path) -> None:
        document = read_input(input_file.name, input_file.read_bytes())
        [name] = references(document)
        assert (input_file.parent / name).read_text().startswith("key,sequence\n-1,VLSPADKTNVK")

    bench.predictor.before = look
    job = bench.attempt(bench.queue(), shelf.alignments)
    assert (job.state, job.errors) == (State.SUCCEEDED, ())
    assert [(each.chains, each.rows) for each in job.alignments] == [(("A",), 2)]
    assert bench.texts == [ONE]
    receipt = json.loads(bench.results.objects[f"{job.output_prefix}receipt.json"][1])
    assert receipt["alignments"] == [each.model_dump(mode="json") for each in job.alignments]
    assert b"dropfold-0.csv" in bench.results.objects[f"{job.output_prefix}input.yaml"][1]
    assert receipt["files"] == []


def test_a_job_whose_alignment_is_gone_goes_back_to_have_it_made(bench: Bench, shelf: Shelf) -> None:
    shelf.objects.objects.clear()
    job = bench.attempt(bench.queue(), shelf.alignments)
    assert (job.state, job.aligns, job.pending) == (
        State.ALIGNING,
        MSA.needed([ALPHA]).names,
        (Effect.ALIGN,),
    )
    assert (job.lease, job.errors) == (None, ())
    [message] = bench.wanted.messages
    assert AlignmentsWanted.decode(message.data, message.attributes)
    assert bench.completions.messages == []
    shelf.put()
    again = bench.ledger.replace(lifecycle.align(job, datetime.now(UTC)))
    assert bench.attempt(again, shelf.alignments).state is State.SUCCEEDED


def test_a_job_whose_alignments_are_never_found_ends(bench: Bench, shelf: Shelf) -> None:
    shelf.objects.objects.clear()
    job = bench.attempt(bench.queue(), shelf.alignments)
    while job.state is State.ALIGNING:
        queued = bench.ledger.replace(lifecycle.align(job, datetime.now(UTC)))
        job = bench.attempt(queued, shelf.alignments)
    assert (job.state, job.errors[0].code) == (State.FAILED, Code.MSA_UNAVAILABLE)
    assert "did not find them" in job.errors[0].message
    assert bench.results.objects[f"{job.output_prefix}receipt.json"]


def test_a_worker_without_a_server_ends_the_job_by_name(bench: Bench) -> None:
    job = bench.attempt(bench.queue(), None)
    while job.state is State.QUEUED:  # another worker may know one
        job = bench.attempt(job, None)
    assert (job.state, job.errors[0].code) == (State.FAILED, Code.MSA_UNAVAILABLE)


def test_the_service_refuses_what_names_no_msa_as_before(tmp_path: Path) -> None:
    service = Service(tmp_path / "work")
    with serving(create(service.service_state)) as service.served:
        answer = service.post(body=ONE)
    service.predictor.device._thread.shutdown()
    assert answer.status_code == 422
    assert "msa" in f"{answer.json()}"
