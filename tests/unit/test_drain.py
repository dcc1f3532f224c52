"""The worker's story with a predictor that writes small files of the right form, all else in memory.

The predictor here is not Boltz-2: what is tested is the way of a job, not of a structure.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import gemmi
import numpy as np
import pytest
from fakes import MemoryBucket, MemoryDelivery, MemoryLedger, MemoryTopic, a_job

from jobs import lifecycle
from jobs.objects import StorageUnavailableError
from jobs.settle import Settler
from schemas.failure import Code, FailedError, Failure
from schemas.job import Job, Model, State
from schemas.messages import CapacityWanted, PredictionRequested
from schemas.options import Options
from worker.attempt import Bench
from worker.drain import DeviceLostError, LeaveError, Worker

INPUT = b"sequences:\n  - protein: {id: A, sequence: NLYIQ, msa: empty}\n"
WITH_MSA = INPUT.replace(b"empty", b"msas/trp.a3m")
Hook = Callable[[Path], None]


def nothing(_input_file: Path) -> None:
    pass


@dataclass
class PaperPredictor:
    """Writes files of the form that Boltz-2 writes, for one chain of five residues."""

    before: Hook = nothing
    model: Model = field(
        default_factory=lambda: Model(
            name="paper", version="1", weights_digest="sha256:0", random_weights=True
        )
    )
    seen: list[Path] = field(default_factory=list)

    def predict(self, input_file: Path, options: Options, seed: int, out: Path) -> Mapping[str, float]:
        assert options.samples == 1
        assert seed == 5
        self.seen.append(input_file)
        self.before(input_file)
        folder = out / "predictions" / input_file.stem
        folder.mkdir(parents=True)
        write_structure(folder / f"{input_file.stem}_model_0.cif")
        (folder / f"confidence_{input_file.stem}_model_0.json").write_text('{"confidence_score": 0.5}')
        for kind, shape in (("plddt", (5,)), ("pae", (5, 5)), ("pde", (5, 5))):
            np.savez(folder / f"{kind}_{input_file.stem}_model_0.npz", **{kind: np.ones(shape)})
        return {"predict": 1.0}


def write_structure(path: Path) -> None:
    structure, model, chain = gemmi.Structure(), gemmi.Model("1"), gemmi.Chain("A")
    for number in range(1, 6):
        residue = gemmi.Residue()
        residue.name, residue.seqid = "ALA", gemmi.SeqId(str(number))
        atom = gemmi.Atom()
        atom.name, atom.element = "CA", gemmi.Element("C")
        residue.add_atom(atom)
        chain.add_residue(residue)
    model.add_chain(chain)
    structure.add_model(model)
    structure.setup_entities()
    structure.make_mmcif_document().write_file(str(path))


@dataclass
class Shop:
    """A worker and everything that it reaches, in memory."""

    folder: Path
    predictor: PaperPredictor = field(default_factory=PaperPredictor)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    uploads: MemoryBucket = field(default_factory=lambda: MemoryBucket("in"))
    results: MemoryBucket = field(default_factory=lambda: MemoryBucket("out"))
    requests: MemoryTopic = field(default_factory=MemoryTopic)
    completions: MemoryTopic = field(default_factory=MemoryTopic)
    renew_seconds: float = 30

    def queue(self, content: bytes = INPUT) -> MemoryDelivery:
        job = a_job(options=Options(seed=5))
        self.uploads.put(job.source.name, content)
        recorded = self.ledger.create(lifecycle.take_in(job, datetime.now(UTC)))
        self.ledger.replace(recorded.evolve(pending=()))
        return self.bell()

    def bell(self) -> MemoryDelivery:
        message = PredictionRequested.of(self.ledger.only()).encode()
        return MemoryDelivery(message.data, message.attributes)

    def drain(self, *deliveries: MemoryDelivery) -> Job:
        settler = Settler(self.ledger, self.results, self.requests, self.completions)
        bench = Bench(self.uploads, self.results, self.predictor, self.folder)
        Worker(self.ledger, settler, bench, "worker-1", self.renew_seconds).drain(deliveries)
        return self.ledger.only()

    def receipt(self) -> dict[str, object]:
        name = f"{self.ledger.only().output_prefix}receipt.json"
        return dict(json.loads(self.results.objects[name][1]))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "work")


def failing(code: Code) -> Hook:
    def fail(_input_file: Path) -> None:
        raise FailedError(Failure(code=code, message="m", remedy="r"))

    return fail


def test_a_job_is_predicted_delivered_and_settled(shop: Shop) -> None:
    delivery = shop.queue()
    job = shop.drain(delivery)
    assert (job.state, job.pending, delivery.answers) == (State.SUCCEEDED, (), ["ack"])
    assert [output.name.removeprefix(job.output_prefix) for output in job.outputs] == [
        "model_0.cif",
        "confidence_model_0.json",
        "plddt_model_0.npz",
        "pae_model_0.npz",
        "pde_model_0.npz",
    ]
    assert all(len(shop.results.objects[output.name][1]) == output.size for output in job.outputs)
    receipt = shop.receipt()
    assert receipt["scores"] == {"confidence_score": 0.5}
    assert receipt["worker"] == "worker-1"
    assert {"queued", "download", "predict", "upload"} <= set(job.timings)
    assert [message.attributes["state"] for message in shop.completions.messages] == ["SUCCEEDED"]


def test_the_input_lies_in_a_fresh_folder_under_the_job_s_name_and_is_cleared_away(shop: Shop) -> None:
    delivery = shop.queue()
    job = shop.drain(delivery)
    assert shop.predictor.seen[0].name == f"{job.job_id}.yaml"
    assert list(shop.folder.iterdir()) == []


def test_the_file_that_an_input_names_lies_beside_it(shop: Shop) -> None:
    def look(input_file: Path) -> None:
        assert (input_file.parent / "msas" / "trp.a3m").read_bytes() == b">q\nNLYIQ\n"

    shop.predictor.before = look
    shop.uploads.put("run42/msas/trp.a3m", b">q\nNLYIQ\n")
    assert shop.drain(shop.queue(WITH_MSA)).state is State.SUCCEEDED


def test_a_file_that_went_away_fails_the_job_by_name(shop: Shop) -> None:
    job = shop.drain(shop.queue(WITH_MSA))
    assert (job.state, job.errors[0].code) == (State.FAILED, Code.MISSING_REFERENCE)
    assert "trp.a3m" in job.errors[0].message


def test_an_object_replaced_before_the_worker_came_fails_the_job(shop: Shop) -> None:
    delivery = shop.queue()
    shop.uploads.put("run42/foo.yaml", INPUT, generation=8)
    assert shop.drain(delivery).state is State.FAILED


@pytest.mark.parametrize("code", [Code.INVALID_INPUT, Code.OUT_OF_MEMORY, Code.NO_OUTPUT, Code.TIMEOUT])
def test_a_permanent_failure_ends_the_job_with_a_receipt(shop: Shop, code: Code) -> None:
    shop.predictor.before = failing(code)
    delivery = shop.queue()
    assert shop.drain(delivery).state is State.FAILED
    error = shop.receipt()["error"]
    assert isinstance(error, dict)
    assert error["code"] == code
    assert delivery.answers == ["ack"]


def unlucky(_input_file: Path) -> None:
    raise KeyError("surprise")


def offline(_input_file: Path) -> None:
    raise StorageUnavailableError("gs://out/x: 503")


@pytest.mark.parametrize("trouble", [unlucky, offline])
def test_a_failure_that_is_not_the_input_s_gives_the_job_back(shop: Shop, trouble: Hook) -> None:
    shop.predictor.before = trouble
    job = shop.drain(shop.queue())
    assert (job.state, job.attempt, job.lease) == (State.QUEUED, 1, None)
    assert len(shop.requests.messages) == 1
    assert not shop.completions.messages


def test_a_poison_input_fails_after_three_attempts_with_the_reason(shop: Shop) -> None:
    shop.predictor.before = unlucky
    first = shop.queue()
    job = shop.drain(first, shop.bell(), shop.bell(), shop.bell())
    assert (job.state, job.attempt) == (State.FAILED, 3)
    assert "KeyError" in job.errors[0].message
    assert len(shop.predictor.seen) == 3


def test_after_a_device_error_the_job_is_given_back_and_the_process_leaves(shop: Shop) -> None:
    shop.predictor.before = failing(Code.CUDA_ERROR)
    delivery = shop.queue()
    with pytest.raises(DeviceLostError):
        shop.drain(delivery)
    assert shop.ledger.only().state is State.QUEUED
    assert delivery.answers == ["nack"]


def leave(_input_file: Path) -> None:
    raise LeaveError


def test_a_worker_that_is_asked_to_leave_gives_job_and_message_back(shop: Shop) -> None:
    shop.predictor.before = leave
    delivery = shop.queue()
    with pytest.raises(LeaveError):
        shop.drain(delivery)
    assert shop.ledger.only().state is State.QUEUED
    assert len(shop.requests.messages) == 1
    assert delivery.answers == ["nack"]


def test_the_same_request_twice_is_one_prediction(shop: Shop) -> None:
    first = shop.queue()
    again = shop.bell()
    shop.drain(first, again)
    assert len(shop.predictor.seen) == len(shop.completions.messages) == 1
    assert again.answers == ["ack"]


class BusyLedger(MemoryLedger):
    """A ledger in which intake clears its outbox between the worker's look and its claim."""

    interrupted = False

    def replace(self, job: Job) -> Job:
        if job.state is State.RUNNING and not self.interrupted:
            self.interrupted = True
            super().replace(self.only().evolve(pending=()))
        return super().replace(job)


def test_a_job_whose_outbox_is_cleared_at_the_moment_of_the_claim_is_claimed_all_the_same(
    shop: Shop,
) -> None:
    shop.ledger = ledger = BusyLedger()
    assert shop.drain(shop.queue()).state is State.SUCCEEDED
    assert ledger.interrupted


def test_a_job_that_another_worker_holds_is_left_alone(shop: Shop) -> None:
    delivery = shop.queue()
    shop.ledger.replace(lifecycle.claim(shop.ledger.only(), "other", datetime.now(UTC)))
    job = shop.drain(delivery)
    assert job.lease
    assert (job.lease.holder, shop.predictor.seen, delivery.answers) == ("other", [], ["ack"])


def test_a_worker_that_lost_its_lease_throws_its_result_away(shop: Shop) -> None:
    def taken_over(_input_file: Path) -> None:
        shop.ledger.replace(
            lifecycle.advance(shop.ledger.only(), lifecycle.Event.CANCELLED, datetime.now(UTC))
        )

    shop.predictor.before = taken_over
    delivery = shop.queue()
    assert shop.drain(delivery).state is State.CANCELLED
    assert not shop.results.objects
    assert delivery.answers == ["ack"]


def test_the_lease_is_renewed_while_the_model_works(shop: Shop) -> None:
    ends = []

    def wait_for_renewal(_input_file: Path) -> None:
        claimed = shop.ledger.only()
        for _ in range(2000):
            now = shop.ledger.only()
            if now.lease != claimed.lease:
                ends.append(now.lease)
                return

    shop.renew_seconds = 0.001
    shop.predictor.before = wait_for_renewal
    assert shop.drain(shop.queue()).state is State.SUCCEEDED
    assert ends


def test_what_an_earlier_attempt_left_in_the_output_folder_is_replaced(shop: Shop) -> None:
    delivery = shop.queue()
    name = f"{shop.ledger.only().output_prefix}confidence_model_0.json"
    shop.results.put(name, b"half a fil")
    job = shop.drain(delivery)
    assert job.state is State.SUCCEEDED
    assert shop.results.objects[name][1] == b'{"confidence_score": 0.5}'
    assert {output.name: output.size for output in job.outputs}[name] == 25


@pytest.mark.parametrize(
    "delivery",
    [
        MemoryDelivery(b"garbage", {}),
        MemoryDelivery(b'{"job_id":"ffffffffffffffff"}', PredictionRequested.of(a_job()).encode().attributes),
        MemoryDelivery(b"{}", CapacityWanted.at(datetime.now(UTC)).encode().attributes),
    ],
    ids=["garbage", "unknown job", "bell for launch"],
)
def test_a_message_without_a_job_is_done_with(shop: Shop, delivery: MemoryDelivery) -> None:
    waiting = shop.queue()
    shop.drain(delivery)
    assert delivery.answers == ["ack"]
    assert shop.drain(waiting).state is State.SUCCEEDED
