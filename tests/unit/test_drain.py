"""The worker's story with a predictor that writes small files of the right form, all else in memory.

The predictor here is not Boltz-2: what is tested is the way of jobs, not of structures. Jobs go by letters.
"""

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import ParamSpec, TypeVar

import pytest
from support.backbones import chain, codes, models
from support.clock import Clock
from support.fakes import (
    NOW,
    BusyLedger,
    Document,
    MemoryBucket,
    MemoryDelivery,
    MemoryTopic,
    Outside,
    RefusingOnce,
    a_job,
    a_source,
)
from support.inputs import one_protein
from support.later import DAMAGES, EFFECT, as_the_next, beyond
from support.paper import DEVICE, Hook, PaperPredictor, failing, judged, passed
from support.patience import HANG, NEVER, until

from inputs.read import read_input
from jobs import lifecycle
from schemas.checks import Checks, ChecksReport, SampleVerdict, Verdict
from schemas.failure import Code, Failure
from schemas.job import Job, Output, State
from schemas.messages import CapacityWanted, Message, PredictionRequested
from schemas.options import Options
from schemas.storage import StorageUnavailableError
from worker.checks.run import Asking
from worker.device import Device
from worker.drain import Worker
from worker.errors import DeviceLostError, ShutdownRequestedError
from worker.examination import Check
from worker.job_runner import JobRunner
from worker.pipeline import Pipeline
from worker.prepare import Call, check_all, here
from worker.repair.references import repair
from worker.slots import Slots

INPUT = one_protein("NLYIQ").encode()
WITH_MSA = INPUT.replace(b"empty", b"msas/trp.a3m")
WITH_AFFINITY = INPUT + b"- ligand: {id: L, ccd: GOL}\nproperties: [{affinity: {binder: L}}]\n"
P = ParamSpec("P")
T = TypeVar("T")
TURN = 720.0
"""Seconds that a job may take for each of its turns, here."""


def letter(input_file: Path) -> str:
    return input_file.stem[0]


def waiting(event: Event) -> None:
    assert event.wait(HANG)


def by_letter(**hooks: Callable[[], object]) -> Hook:
    """Do what is named for the job, and nothing for the others."""
    return lambda input_file: hooks.get(letter(input_file), lambda: None)()


@dataclass
class HeardTopic(MemoryTopic):
    """Tells whoever waits that a message about a job was published."""

    heard: dict[str, Event] = field(default_factory=lambda: {name: Event() for name in "abc"})

    def publish(self, message: Message) -> None:
        super().publish(message)
        self.heard[json.loads(message.data)["job_id"][0]].set()


@dataclass
class HeldBucket(MemoryBucket):
    """Takes no file until it is told to."""

    told: Event = field(default_factory=Event)

    def upload(self, path: Path, name: str, content_type: str, if_generation: int = 0) -> Output:
        waiting(self.told)
        return super().upload(path, name, content_type, if_generation)


@dataclass
class Shop(Outside):
    """A worker and everything that it reaches, in memory."""

    folder: Path = field(kw_only=True)
    predictor: PaperPredictor = field(default_factory=PaperPredictor)
    uploads: MemoryBucket = field(default_factory=lambda: MemoryBucket("in"))
    completions: HeardTopic = field(default_factory=HeardTopic)
    check: Check = passed
    call: Call = here
    renew_seconds: float = 30
    idle_seconds: float = NEVER
    ends_at: float = float("inf")

    def queue(self, content: bytes = INPUT, name: str = "a", attempt: int = 0) -> MemoryDelivery:
        job = a_job(
            job_id=name * 16,
            source=a_source(f"run42/{name}.yaml"),
            output_prefix=f"run42/{name}/",
            options=Options(seed=5),
            attempt=attempt,
        )
        self.uploads.put(job.source.name, content)
        self.ledger.create(lifecycle.take_in(job, datetime.now(UTC)))
        return self.request(name)

    def request(self, name: str = "a") -> MemoryDelivery:
        message = PredictionRequested.of(self.job(name)).encode()
        return MemoryDelivery(message.data, message.attributes)

    def drain(self, deliveries: Iterable[MemoryDelivery | None]) -> None:
        pipeline = Pipeline(
            self.uploads,
            self.results,
            self.predictor,
            self.check,
            self.folder,
            NOW,
            max_tokens=20,
            call=self.call,
        )
        runner = JobRunner(self.ledger, self.settler, pipeline, "worker-1", self.renew_seconds)
        worker = Worker(runner, self.idle_seconds, self.ends_at, lambda turns: TURN * turns)
        worker.drain(deliveries)

    def job(self, name: str = "a") -> Job:
        job = self.ledger.get(name * 16)
        assert job
        return job

    def is_untouched(self, name: str) -> bool:
        """Tell whether a job is as it was queued, and nothing was told or written about it."""
        job = self.job(name)
        told = [*self.requests.messages, *self.completions.messages]
        return (
            (job.state, job.attempt, len(job.history)) == (State.QUEUED, 0, 1)
            and not any(job.job_id.encode() in message.data for message in told)
            and not any(written.startswith(job.output_prefix) for written in self.results.objects)
        )

    def receipt(self, name: str = "a") -> dict[str, object]:
        return dict(json.loads(self.results.objects[f"run42/{name}/receipt.json"][1]))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(folder=tmp_path / "work")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Tell the story's time; nothing else is told by this clock."""
    clock = Clock()
    monkeypatch.setattr("worker.drain.time", clock)
    return clock


@pytest.fixture
def gate(shop: Shop) -> Iterator[Event]:
    """Hold a prediction back until the test opens it; it opens at the test's end, so that no thread stays."""
    opened = Event()
    yield opened
    opened.set()
    shop.predictor.device._thread.shutdown()


@pytest.fixture
def _short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.drain.GRACE_SECONDS", 0.05)


def test_a_job_is_predicted_delivered_and_settled(shop: Shop) -> None:
    delivery = shop.queue()
    shop.drain([delivery])
    job = shop.job()
    assert (job.state, job.pending, delivery.answers) == (State.SUCCEEDED, (), ["ack"])
    assert [output.name.removeprefix(job.output_prefix) for output in job.outputs] == [
        "model_0.cif",
        "confidence_model_0.json",
        "plddt_model_0.npz",
        "pae_model_0.npz",
        "pde_model_0.npz",
        "checks.json",
        "input.yaml",
    ]
    assert shop.results.objects[f"{job.output_prefix}input.yaml"][1] == INPUT
    assert job.device == DEVICE
    assert all(len(shop.results.objects[output.name][1]) == output.size for output in job.outputs)
    receipt = shop.receipt()
    assert receipt["scores"] == {"confidence_score": 0.5}
    assert receipt["worker"] == "worker-1"
    assert shop.predictor.seeds == [5]
    assert {"queued", "download", "predict", "check", "upload"} <= set(job.timings)
    assert [message.attributes["state"] for message in shop.completions.messages] == ["SUCCEEDED"]


def test_the_verdict_is_in_receipt_and_event(shop: Shop) -> None:
    shop.check = lambda _asking: judged(Verdict.FAILED)
    shop.drain([shop.queue()])
    [event] = shop.completions.messages
    assert event.attributes["checks"] == json.loads(event.data)["checks"] == "failed"
    assert shop.receipt()["checks"] == json.loads(shop.job().model_dump_json())["checks"]
    assert (shop.job().state, shop.job().checks) == (
        State.SUCCEEDED,
        Checks(
            verdict=Verdict.FAILED, samples=(SampleVerdict(rank=0, boltz_rank=0, verdict=Verdict.FAILED),)
        ),
    )


def test_a_prediction_is_not_lost_to_its_checker(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    def stumble(_asking: Asking) -> ChecksReport:
        raise KeyError("surprise")

    shop.check = stumble
    shop.drain([shop.queue()])
    job = shop.job()
    assert (job.state, job.attempt, job.checks and job.checks.verdict) == (
        State.SUCCEEDED,
        1,
        Verdict.UNCHECKED,
    )
    assert {output.name.rpartition("/")[2] for output in job.outputs} >= {"model_0.cif", "checks.json"}
    assert "structures.not_checked" in {vars(record).get("action") for record in caplog.records}
    assert [message.attributes["checks"] for message in shop.completions.messages] == ["unchecked"]


def test_the_end_of_an_attempt_is_logged_with_what_metrics_and_alerts_count(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    begun = datetime.now(UTC)
    shop.drain([shop.queue()])
    [line] = [vars(record) for record in caplog.records if record.msg == "attempt ended"]
    assert (line["state"], line["code"], line["checks"]) == (State.SUCCEEDED, None, Verdict.PASSED)
    assert 0 <= line["seconds"] <= (datetime.now(UTC) - begun).total_seconds() + 0.001  # it is rounded
    assert line["timings"]["queued"] >= 0


def test_the_input_lies_in_a_fresh_folder_under_the_job_s_name_and_is_cleared_away(shop: Shop) -> None:
    delivery = shop.queue()
    shop.drain([delivery])
    job = shop.job()
    assert shop.predictor.seen[0].name == f"{job.job_id}.yaml"
    assert list(shop.folder.iterdir()) == []


def test_the_file_that_an_input_names_lies_beside_it(shop: Shop) -> None:
    def look(input_file: Path) -> None:
        assert (input_file.parent / "msas" / "trp.a3m").read_bytes() == b">q\nNLYIQ\n"

    shop.predictor.before = look
    shop.uploads.put("run42/msas/trp.a3m", b">q\nNLYIQ\n")
    shop.drain([shop.queue(WITH_MSA)])
    assert shop.job().state is State.SUCCEEDED


def test_a_file_that_went_away_fails_the_job_by_name(shop: Shop) -> None:
    shop.drain([shop.queue(WITH_MSA)])
    job = shop.job()
    assert (job.state, job.errors[0].code) == (State.FAILED, Code.MISSING_REFERENCE)
    assert "trp.a3m" in job.errors[0].message


def test_an_object_replaced_before_the_worker_came_fails_the_job(shop: Shop) -> None:
    delivery = shop.queue()
    shop.uploads.put("run42/a.yaml", INPUT, generation=8)
    shop.drain([delivery])
    assert shop.job().state is State.FAILED


@pytest.mark.parametrize("code", [Code.INVALID_INPUT, Code.OUT_OF_MEMORY, Code.NO_OUTPUT, Code.TIMEOUT])
def test_a_permanent_failure_ends_the_job_with_a_receipt(shop: Shop, code: Code) -> None:
    shop.predictor.before = failing(code)
    delivery = shop.queue()
    shop.drain([delivery])
    assert shop.job().state is State.FAILED
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
    shop.drain([shop.queue()])
    job = shop.job()
    assert (job.state, job.attempt, job.lease) == (State.QUEUED, 1, None)
    assert len(shop.requests.messages) == 1
    assert not shop.completions.messages


def redelivered(shop: Shop, first: MemoryDelivery) -> Iterator[MemoryDelivery | None]:
    """Deliver as the queue does: again when the job was requested again."""
    yield first
    for _ in range(lifecycle.MAX_ATTEMPTS):
        while not shop.requests.messages and not shop.job().state.terminal:
            yield None
        if shop.job().state.terminal:
            return
        shop.requests.messages.clear()
        yield shop.request()


def test_a_poison_input_fails_after_three_attempts_with_the_reason(shop: Shop) -> None:
    shop.predictor.before = unlucky
    shop.drain(redelivered(shop, shop.queue()))
    job = shop.job()
    assert (job.state, job.attempt) == (State.FAILED, 3)
    assert job.errors[0].message.endswith("The worker failed: there is no 'surprise'.")
    assert len(shop.predictor.seen) == 3


def test_after_a_device_error_the_job_is_given_back_and_the_process_leaves(shop: Shop) -> None:
    shop.predictor.before = failing(Code.CUDA_ERROR)
    delivery = shop.queue()
    with pytest.raises(DeviceLostError):
        shop.drain([delivery])
    assert shop.job().state is State.QUEUED
    assert delivery.answers == ["nack"]


def test_the_same_request_twice_is_one_prediction(shop: Shop) -> None:
    first = shop.queue()
    again = shop.request()
    shop.drain([first, again])
    assert len(shop.predictor.seen) == len(shop.completions.messages) == 1
    assert again.answers == ["ack"]


def test_a_job_that_is_asked_for_again_at_the_moment_of_the_claim_is_claimed_all_the_same(
    shop: Shop,
) -> None:
    shop.ledger = ledger = BusyLedger(meanwhile=lambda job: lifecycle.request_again(job, datetime.now(UTC)))
    shop.drain([shop.queue()])
    assert shop.job().state is State.SUCCEEDED
    assert not ledger.busy


def test_a_job_that_another_worker_holds_is_left_alone(shop: Shop) -> None:
    delivery = shop.queue()
    shop.ledger.replace(lifecycle.claim(shop.job(), "other", datetime.now(UTC)))
    shop.drain([delivery])
    job = shop.job()
    assert job.lease
    assert (job.lease.holder, shop.predictor.seen, delivery.answers) == ("other", [], ["ack"])


def test_a_worker_that_lost_its_lease_throws_its_result_away(shop: Shop) -> None:
    def taken_over(_input_file: Path) -> None:
        shop.ledger.replace(lifecycle.advance(shop.job(), lifecycle.Trigger.CANCELLED, datetime.now(UTC)))

    shop.predictor.before = taken_over
    delivery = shop.queue()
    shop.drain([delivery])
    assert shop.job().state is State.CANCELLED
    assert not shop.results.objects
    assert delivery.answers == ["ack"]


def test_the_lease_is_renewed_while_the_model_works(shop: Shop) -> None:
    def wait_for_renewal(_input_file: Path) -> None:
        claimed = shop.job()
        until(lambda: shop.job().lease != claimed.lease)

    shop.renew_seconds = 0.001
    shop.predictor.before = wait_for_renewal
    shop.drain([shop.queue()])
    assert shop.job().state is State.SUCCEEDED


def test_what_an_earlier_attempt_left_in_the_output_folder_is_replaced(shop: Shop) -> None:
    delivery = shop.queue()
    name = f"{shop.job().output_prefix}confidence_model_0.json"
    shop.results.put(name, b"half a fil")
    shop.drain([delivery])
    job = shop.job()
    assert job.state is State.SUCCEEDED
    assert shop.results.objects[name][1] == b'{"confidence_score": 0.5}'
    assert {output.name: output.size for output in job.outputs}[name] == 25


@pytest.mark.parametrize("left", [b"of an earlier attempt", b"of the next"])
def test_a_worker_that_sleeps_past_its_lease_replaces_nothing_that_the_next_made(
    shop: Shop, left: bytes
) -> None:
    """The next holder replaces what an earlier attempt left even where it is the same."""
    delivery = shop.queue(attempt=1)
    name = f"{shop.job().output_prefix}model_0.cif"

    class Bucket(MemoryBucket):
        def upload(self, path: Path, name: str, content_type: str, if_generation: int = 0) -> Output:
            if name.endswith("model_0.cif"):
                shop.ledger.replace(lifecycle.claim(shop.job().evolve(state=State.QUEUED), "next", NOW))
                made = path.parent / "made"
                made.write_bytes(b"of the next")
                super().upload(made, name, content_type, if_generation)
            return super().upload(path, name, content_type, if_generation)

    shop.results = Bucket("out")
    shop.results.put(name, left)
    shop.drain([delivery])
    assert shop.results.objects[name][1] == b"of the next"
    assert shop.job().worker == "next"
    assert delivery.answers == ["ack"]


@pytest.mark.parametrize(
    "delivery",
    [
        MemoryDelivery(b"garbage", {}),
        MemoryDelivery(b'{"job_id":"ffffffffffffffff"}', PredictionRequested.of(a_job()).encode().attributes),
        MemoryDelivery(b"{}", CapacityWanted.at(datetime.now(UTC)).encode().attributes),
    ],
    ids=["garbage", "unknown job", "request for capacity"],
)
def test_a_message_without_a_job_is_done_with(shop: Shop, delivery: MemoryDelivery) -> None:
    queued = shop.queue()
    shop.drain([delivery])
    assert delivery.answers == ["ack"]
    shop.drain([queued])
    assert shop.job().state is State.SUCCEEDED


def then_leave(*deliveries: MemoryDelivery, when: Event) -> Iterator[MemoryDelivery]:
    """Deliver; then the platform asks to leave, as its signal does: in the main thread, where it waits."""
    yield from deliveries
    waiting(when)
    raise ShutdownRequestedError


def side_by_side(shop: Shop, then: Callable[[], object] = lambda: None) -> Event:
    """Let a stay on the device until b has been read, and then do more; return the event of that reading."""
    on_device, read = Event(), Event()

    def predict_a() -> None:
        on_device.set()
        waiting(read)
        then()

    def read_b() -> None:
        waiting(on_device)
        read.set()

    shop.predictor.read, shop.predictor.before = by_letter(b=read_b), by_letter(a=predict_a)
    return read


def test_the_next_input_is_read_while_one_is_on_the_device(shop: Shop) -> None:
    read = side_by_side(shop)
    shop.drain([shop.queue(name="a"), shop.queue(name="b")])
    assert read.is_set()
    assert [shop.job(name).state for name in "ab"] == [State.SUCCEEDED] * 2
    assert [letter(path) for path in shop.predictor.seen] == ["a", "b"]


def test_a_result_is_uploaded_and_settled_while_the_next_is_on_the_device(shop: Shop) -> None:
    first, on_device = Event(), Event()

    def predict_b() -> None:
        on_device.set()
        waiting(shop.completions.heard["a"])

    shop.results = HeldBucket("out", told=on_device)
    shop.predictor.read = by_letter(b=lambda: waiting(first))
    shop.predictor.before = by_letter(a=first.set, b=predict_b)
    shop.drain([shop.queue(name="a"), shop.queue(name="b")])
    assert [shop.job(name).state for name in "ab"] == [State.SUCCEEDED] * 2


def test_a_job_counts_as_attempted_only_when_the_device_is_free_for_it(shop: Shop) -> None:
    untouched: list[bool] = []
    side_by_side(shop, lambda: untouched.append(shop.is_untouched("b")))
    shop.drain([shop.queue(name="a"), shop.queue(name="b")])
    assert untouched == [True]
    assert shop.job("b").attempt == 1


@pytest.mark.usefixtures("_short_grace")
def test_a_worker_that_is_asked_to_leave_gives_jobs_and_messages_back(shop: Shop, gate: Event) -> None:
    read = side_by_side(shop, lambda: waiting(gate))
    a, b = shop.queue(name="a"), shop.queue(name="b")
    with pytest.raises(ShutdownRequestedError):
        shop.drain(then_leave(a, b, when=read))
    taken = shop.job("a")
    assert (taken.state, taken.attempt, taken.lease) == (State.QUEUED, 1, None)
    assert taken.history[-1].event == "RELEASED"
    [request] = shop.requests.messages
    assert taken.job_id.encode() in request.data
    assert shop.is_untouched("b")
    assert (a.answers, b.answers) == (["nack"], ["nack"])


class Signalled(Slots[object]):
    """Slots whose owner is asked to leave while it waits for them, once ``when`` is there."""

    when = Event()

    def wait(self, seconds: float | None = None) -> list[object]:
        if seconds is None and self.held():
            waiting(self.when)
            raise ShutdownRequestedError
        return super().wait(seconds)


@pytest.fixture
def stuck(shop: Shop, gate: Event, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a on the device; ask the worker to leave when it waits for that."""
    on_device = Event()

    def predict_a() -> None:
        on_device.set()
        waiting(gate)

    monkeypatch.setattr("worker.drain.Slots", Signalled)
    monkeypatch.setattr(Signalled, "when", on_device)
    shop.predictor.before = by_letter(a=predict_a)


@pytest.mark.usefixtures("_short_grace", "stuck")
def test_a_job_released_for_the_last_time_says_that_the_worker_had_to_leave(shop: Shop) -> None:
    with pytest.raises(ShutdownRequestedError):
        shop.drain([shop.queue(attempt=lifecycle.MAX_ATTEMPTS - 1)])
    assert (shop.job().state, shop.job().errors[0].code) == (State.FAILED, Code.PREEMPTED)


@pytest.mark.usefixtures("_short_grace", "stuck")
def test_a_job_that_waits_to_be_alone_is_given_back_too(shop: Shop) -> None:
    a, b = shop.queue(name="a"), shop.queue(name="b", attempt=1)
    with pytest.raises(ShutdownRequestedError):
        shop.drain([a, b])
    assert (shop.job("b").state, shop.job("b").attempt) == (State.QUEUED, 1)
    assert (a.answers, b.answers) == (["nack"], ["nack"])


@pytest.fixture
def leaving(monkeypatch: pytest.MonkeyPatch) -> Event:
    """Open when the worker, asked to leave, waits for what may still end."""
    begun = Event()

    class Watched(Slots[object]):
        def wait(self, seconds: float | None = None) -> list[object]:
            if seconds is not None:
                begun.set()
            return super().wait(seconds)

    monkeypatch.setattr("worker.drain.Slots", Watched)
    monkeypatch.setattr("worker.drain.GRACE_SECONDS", HANG)
    return begun


def test_a_job_that_ends_within_the_grace_is_done(shop: Shop, leaving: Event) -> None:
    on_device = Event()

    def predict_a() -> None:
        on_device.set()
        waiting(leaving)

    shop.predictor.before = by_letter(a=predict_a)
    a = shop.queue()
    with pytest.raises(ShutdownRequestedError):
        shop.drain(then_leave(a, when=on_device))
    assert (shop.job().state, shop.job().attempt, a.answers) == (State.SUCCEEDED, 1, ["ack"])
    assert shop.receipt()["state"] == "SUCCEEDED"


def test_a_job_whose_turn_comes_while_the_worker_leaves_is_given_back(shop: Shop, leaving: Event) -> None:
    read = side_by_side(shop, lambda: waiting(leaving))
    a, b = shop.queue(name="a"), shop.queue(name="b")
    with pytest.raises(ShutdownRequestedError):
        shop.drain(then_leave(a, b, when=read))
    assert shop.job("a").state is State.SUCCEEDED
    assert shop.is_untouched("b")
    assert (a.answers, b.answers) == (["ack"], ["nack"])


def test_a_failure_before_the_turn_while_the_worker_leaves_is_not_recorded(
    shop: Shop, leaving: Event
) -> None:
    reading = Event()

    def fail() -> None:
        reading.set()
        waiting(leaving)
        failing(Code.INVALID_INPUT)()

    shop.predictor.read = by_letter(a=fail)
    a = shop.queue()
    with pytest.raises(ShutdownRequestedError):
        shop.drain(then_leave(a, when=reading))
    assert shop.is_untouched("a")
    assert a.answers == ["nack"]


@pytest.mark.usefixtures("_short_grace")
def test_a_job_that_cannot_be_given_back_does_not_keep_the_others(shop: Shop, gate: Event) -> None:
    shop.requests = RefusingOnce()
    read = side_by_side(shop, lambda: waiting(gate))
    a, b = shop.queue(name="a"), shop.queue(name="b")
    with pytest.raises(ShutdownRequestedError):
        shop.drain(then_leave(a, b, when=read))
    assert (a.answers, b.answers) == (["nack"], ["nack"])


@pytest.fixture
def hanging(shop: Shop, gate: Event) -> Iterator[list[str]]:
    """Let a hang on the device while b waits for it; return a list that stays empty while it hangs."""
    ended, on_device, read = list[str](), Event(), Event()

    def hang() -> None:
        on_device.set()
        gate.wait(HANG)
        ended.append("came back")

    def read_b() -> None:
        read.set()
        waiting(on_device)

    shop.predictor.device = Device(limit=0.2)
    shop.predictor.read = by_letter(a=lambda: waiting(read), b=read_b)
    shop.predictor.before = by_letter(a=hang)
    yield ended
    gate.set()


@pytest.mark.usefixtures("_short_grace")
def test_after_a_hang_the_job_fails_the_process_leaves_and_the_neighbour_is_unharmed(
    shop: Shop, hanging: list[str]
) -> None:
    a, b = shop.queue(name="a"), shop.queue(name="b")
    with pytest.raises(DeviceLostError):
        shop.drain(itertools.chain((a, b), itertools.repeat(None)))
    assert not hanging
    assert (shop.job("a").state, shop.job("a").errors[0].code) == (State.FAILED, Code.TIMEOUT)
    assert shop.receipt("a")["state"] == "FAILED"
    assert shop.is_untouched("b")
    assert b.answers == ["nack"]


@pytest.mark.usefixtures("_short_grace")
def test_a_hang_is_noticed_when_nothing_more_is_taken(shop: Shop, hanging: list[str]) -> None:
    a, b = shop.queue(name="a"), shop.queue(name="b")
    with pytest.raises(DeviceLostError):
        shop.drain([a, b])
    assert not hanging
    assert shop.job("a").errors[0].code is Code.TIMEOUT
    assert b.answers == ["nack"]


@pytest.mark.usefixtures("_short_grace")
def test_a_hang_is_noticed_while_a_lone_job_waits(shop: Shop, hanging: list[str]) -> None:
    a, b, c = shop.queue(name="a"), shop.queue(name="b"), shop.queue(name="c", attempt=1)
    with pytest.raises(DeviceLostError):
        shop.drain([a, b, c])
    assert not hanging
    assert shop.job("a").errors[0].code is Code.TIMEOUT
    assert shop.is_untouched("b")
    assert (shop.job("c").state, shop.job("c").attempt) == (State.QUEUED, 1)
    assert (b.answers, c.answers) == (["nack"], ["nack"])


def test_after_a_device_error_the_neighbour_is_unharmed(shop: Shop) -> None:
    side_by_side(shop, lambda: failing(Code.CUDA_ERROR)(Path()))
    a, b = shop.queue(name="a"), shop.queue(name="b")
    with pytest.raises(DeviceLostError):
        shop.drain([a, b])
    assert (shop.job("a").state, shop.job("a").attempt) == (State.QUEUED, 1)
    assert len(shop.requests.messages) == 1
    assert shop.is_untouched("b")
    assert (a.answers, b.answers) == (["nack"], ["nack"])


def test_a_model_that_cannot_be_loaded_costs_no_job_an_attempt(shop: Shop) -> None:
    def no_model(_input_file: Path) -> None:
        shop.predictor.device.lost = True
        raise DeviceLostError("the model cannot be loaded")

    shop.predictor.read = no_model
    deliveries = [shop.queue(name=name) for name in "ab"]
    with pytest.raises(DeviceLostError):
        shop.drain(deliveries)
    assert shop.is_untouched("a")
    assert shop.is_untouched("b")
    assert "ack" not in [answer for delivery in deliveries for answer in delivery.answers]


def test_a_job_whose_message_came_before_counts_as_attempted_before_it_is_read(shop: Shop) -> None:
    """Whatever then ends this process has an end itself: Pub/Sub counts deliveries, nobody else would."""
    seen: list[tuple[State, int]] = []

    class Bucket(MemoryBucket):
        def read(self, name: str, generation: int | None, limit: int) -> bytes:
            seen.append((shop.job().state, shop.job().attempt))
            return super().read(name, generation, limit)

    shop.uploads = Bucket("in")
    delivery = shop.queue()
    delivery.attempt = 2
    shop.drain([delivery])
    assert seen == [(State.RUNNING, 1)]
    assert (shop.job().state, delivery.answers) == (State.SUCCEEDED, ["ack"])


def test_the_input_is_read_and_the_structures_are_checked_as_the_worker_has_it_done(shop: Shop) -> None:
    """The product's does it in a child, which can be killed."""
    called: list[object] = []

    def call(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        called.append(function)
        return function(*args, **kwargs)

    shop.call = call
    shop.uploads.put("run42/msas/trp.a3m", b">q\nNLYIQ\n")
    shop.drain([shop.queue(WITH_MSA)])
    assert called == [read_input, check_all, repair, passed]
    assert shop.job().state is State.SUCCEEDED


def test_what_was_read_otherwise_is_told_in_receipt_and_event(shop: Shop) -> None:
    model = chain(codes("NLYIQ"))
    shop.uploads.put("run42/t.pdb", models(model, model).encode())
    shop.drain([shop.queue(INPUT + b"templates: [{pdb: t.pdb, template_id: A}]\n")])
    assert shop.job().warnings == ("Of the template t.pdb the first of its 2 models was used.",)
    assert shop.receipt()["warnings"] == [*shop.job().warnings]
    assert json.loads(shop.completions.messages[0].data)["warnings"] == [*shop.job().warnings]


def test_an_input_of_more_tokens_than_the_worker_holds_is_refused(shop: Shop) -> None:
    """Intake has the same limit, but may have had another one when it took the job in."""
    shop.drain([shop.queue(INPUT.replace(b"NLYIQ", b"NLYIQ" * 5))])
    [error] = shop.job().errors
    assert (shop.job().state, error.code) == (State.FAILED, Code.TOO_LARGE)
    assert "25 tokens" in error.message
    assert "there is memory for 20" in error.message


def test_a_job_whose_message_came_before_is_not_claimed_where_there_is_no_model(shop: Shop) -> None:
    class NoModel(PaperPredictor):
        def __getattribute__(self, name: str) -> object:
            if name == "ready_at":
                raise DeviceLostError("the model cannot be loaded")
            return super().__getattribute__(name)

    shop.predictor = NoModel()
    delivery = shop.queue()
    delivery.attempt = 2
    with pytest.raises(DeviceLostError):
        shop.drain([delivery])
    assert shop.is_untouched("a")
    assert delivery.answers == ["nack"]


@pytest.mark.parametrize("why", ["attempted", "delivered"])
@pytest.mark.parametrize("order", ["abc", "bac", "acb"])
def test_a_job_that_was_attempted_or_delivered_before_is_alone_in_hand(
    shop: Shop, order: str, why: str
) -> None:
    """Neither read nor predicted, written nor uploaded while another is: b is the one."""
    told: list[str] = []

    class Topic(HeardTopic):
        def publish(self, message: Message) -> None:
            told.append(f"{json.loads(message.data)['job_id'][0]} ends")
            super().publish(message)

    shop.completions = Topic()
    shop.predictor.read = lambda path: told.append(f"{letter(path)} begins")
    deliveries = {
        name: shop.queue(name=name, attempt=int((name, why) == ("b", "attempted"))) for name in order
    }
    if why == "delivered":
        deliveries["b"].attempt = 2
    shop.drain(deliveries.values())
    assert [shop.job(name).state for name in "abc"] == [State.SUCCEEDED] * 3
    at, before = told.index("b begins"), order[: order.index("b")]
    assert told[at + 1] == "b ends"
    assert sorted(told[:at]) == sorted(f"{name} {what}" for name in before for what in ("begins", "ends"))


def test_two_messages_at_once_for_one_job_are_one_prediction(shop: Shop) -> None:
    both = [Event(), Event()]
    numbers = iter(range(2))

    def meet() -> None:
        both[next(numbers)].set()
        assert all(event.wait(HANG) for event in both)

    shop.predictor.read = by_letter(a=meet)
    first, second = shop.queue(), shop.request()
    shop.drain([first, second])
    assert (shop.job().state, shop.job().attempt) == (State.SUCCEEDED, 1)
    assert len(shop.predictor.seen) == len(shop.completions.messages) == 1
    assert (first.answers, second.answers) == (["ack"], ["ack"])


def idle_noise(shop: Shop) -> dict[str, Callable[[], MemoryDelivery | None]]:
    capacity = CapacityWanted.at(NOW).encode()
    return {
        "nothing": lambda: None,
        "capacity": lambda: MemoryDelivery(capacity.data, capacity.attributes),
        "garbage": lambda: MemoryDelivery(b"garbage", {}),
        "done": shop.request,
    }


@pytest.mark.parametrize("noise", ["nothing", "capacity", "garbage", "done"])
def test_what_is_no_work_does_not_keep_an_idle_worker(shop: Shop, clock: Clock, noise: str) -> None:
    looks = []

    def deliveries() -> Iterator[MemoryDelivery | None]:
        for look in range(10):
            clock.now += 11
            looks.append(look)
            yield idle_noise(shop)[noise]()

    shop.idle_seconds = 30
    shop.drain([shop.queue()])
    shop.drain(deliveries())
    assert len(looks) == 3  # of 11 s each


def test_a_worker_is_not_idle_while_something_is_in_hand(shop: Shop, clock: Clock) -> None:
    on_device, looked = Event(), Event()
    shop.idle_seconds = 30

    def predict_a() -> None:
        on_device.set()
        waiting(looked)

    def deliveries() -> Iterator[MemoryDelivery | None]:
        yield a
        waiting(on_device)
        for _ in range(5):
            clock.now += 100
            yield None
        looked.set()
        yield b

    shop.predictor.before = by_letter(a=predict_a)
    a, b = shop.queue(name="a"), shop.queue(name="b")
    try:
        shop.drain(deliveries())
    finally:
        looked.set()
    assert [shop.job(name).state for name in "ab"] == [State.SUCCEEDED] * 2


def test_near_the_task_s_end_what_is_in_hand_ends_and_no_more_is_looked_for(shop: Shop, clock: Clock) -> None:
    on_device, over = Event(), Event()

    def predict_a() -> None:
        on_device.set()
        waiting(over)

    def deliveries() -> Iterator[MemoryDelivery | None]:
        yield a
        waiting(on_device)
        clock.now += 601
        over.set()
        yield None
        yield b

    shop.ends_at = clock.now + TURN + 600
    shop.predictor.before = by_letter(a=predict_a)
    a, b = shop.queue(name="a"), shop.queue(name="b")
    shop.drain(deliveries())
    assert (shop.job("a").state, a.answers) == (State.SUCCEEDED, ["ack"])
    assert shop.is_untouched("b")
    assert b.answers == []


def test_a_job_whose_turn_comes_too_near_the_task_s_end_is_given_back(shop: Shop, clock: Clock) -> None:
    def pass_time() -> None:
        clock.now += 601

    shop.ends_at = clock.now + TURN + 600
    side_by_side(shop, pass_time)
    a, b = shop.queue(name="a"), shop.queue(name="b")
    shop.drain([a, b])
    assert (shop.job("a").state, a.answers) == (State.SUCCEEDED, ["ack"])
    assert shop.is_untouched("b")
    assert b.answers == ["nack"]


def test_what_was_computed_is_delivered_however_long_it_takes_when_no_more_begins(
    shop: Shop, clock: Clock
) -> None:
    """Its upload goes on when the next job's turn comes too late."""
    told = Event()

    def pass_time() -> None:
        clock.now += 601

    b = shop.queue(name="b")
    b.nack = told.set  # type: ignore[method-assign]
    shop.results, shop.ends_at = HeldBucket("out", told=told), clock.now + TURN + 600
    side_by_side(shop, pass_time)
    shop.drain([shop.queue(name="a"), b])
    assert (shop.job("a").state, shop.job("a").attempt) == (State.SUCCEEDED, 1)
    assert shop.is_untouched("b")


def test_a_job_that_takes_two_turns_needs_time_for_both(shop: Shop, clock: Clock) -> None:
    shop.ends_at = clock.now + 2 * TURN - 1
    a, b = shop.queue(WITH_AFFINITY, name="a"), shop.queue(name="b")
    shop.drain([a, b])
    assert shop.is_untouched("a")
    assert (a.answers, shop.job("b").state) == (["nack"], State.SUCCEEDED)


def test_what_comes_too_near_the_task_s_end_is_given_back(shop: Shop, clock: Clock) -> None:
    shop.ends_at = clock.now + TURN - 1
    a = shop.queue()
    shop.drain([a])
    assert shop.is_untouched("a")
    assert a.answers == ["nack"]


def test_a_failure_before_the_turn_is_one_attempt(shop: Shop) -> None:
    shop.predictor.read = failing(Code.INVALID_INPUT)
    a = shop.queue()
    shop.drain([a])
    job = shop.job()
    assert (job.state, job.attempt, job.errors[0].code) == (State.FAILED, 1, Code.INVALID_INPUT)
    assert [change.event for change in job.history] == ["TAKEN_IN", "CLAIMED", "FAILED"]
    assert (shop.predictor.seen, a.answers, len(shop.completions.messages)) == ([], ["ack"], 1)


def test_a_failure_before_the_turn_of_a_job_that_another_took_is_not_recorded(shop: Shop) -> None:
    theirs: list[Job] = []

    def taken_meanwhile() -> None:
        theirs.append(shop.ledger.replace(lifecycle.claim(shop.job(), "other", datetime.now(UTC))))
        failing(Code.INVALID_INPUT)()

    shop.predictor.read = by_letter(a=taken_meanwhile)
    a = shop.queue()
    shop.drain([a])
    assert [shop.job()] == theirs
    assert not shop.results.objects
    assert a.answers == ["ack"]


def test_a_lease_lost_on_the_device_leaves_the_device_to_the_next(shop: Shop) -> None:
    def taken_over() -> None:
        shop.ledger.replace(
            lifecycle.release(shop.job("a"), lifecycle.Trigger.LEASE_EXPIRED, lost, datetime.now(UTC))
        )

    lost = Failure(code=Code.WORKER_LOST, message="m", remedy="r")
    shop.predictor.before = by_letter(a=taken_over)
    shop.drain([shop.queue(name="a"), shop.queue(name="b")])
    assert (shop.job("a").state, shop.job("a").outputs) == (State.QUEUED, ())
    assert not any(name.startswith("run42/a/") for name in shop.results.objects)
    assert shop.job("b").state is State.SUCCEEDED


def test_jobs_that_fail_at_once_are_all_recorded(shop: Shop) -> None:
    together = {name: Event() for name in "abc"}

    def fail(input_file: Path) -> None:
        together[letter(input_file)].set()
        assert all(event.wait(HANG) for event in together.values())
        failing(Code.INVALID_INPUT)(input_file)

    shop.predictor.read = fail
    deliveries = [shop.queue(name=name) for name in "abc"]
    shop.drain(deliveries)
    for name, delivery in zip("abc", deliveries, strict=True):
        assert (shop.job(name).state, delivery.answers) == (State.FAILED, ["ack"])
        assert shop.receipt(name)["state"] == "FAILED"


def test_a_surprise_in_one_job_does_not_disturb_the_others(shop: Shop) -> None:
    shop.predictor.before = by_letter(b=lambda: unlucky(Path()))
    shop.drain([shop.queue(name=name) for name in "abc"])
    assert [shop.job(name).state for name in "abc"] == [State.SUCCEEDED, State.QUEUED, State.SUCCEEDED]


def test_the_files_that_an_input_names_share_one_limit(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.prepare.MAX_TOGETHER_BYTES", 20)
    both = WITH_MSA + b"- protein: {id: B, sequence: GLYIQ, msa: msas/b.a3m}\n"
    shop.uploads.put("run42/msas/trp.a3m", b">q\nNLYIQ\n>h\n")
    shop.uploads.put("run42/msas/b.a3m", b">q\nGLYIQ\n>h\n")
    shop.drain([shop.queue(both)])
    assert (shop.job().state, shop.job().errors[0].code) == (State.FAILED, Code.TOO_LARGE)


def test_boltz_gets_an_input_without_byte_order_mark_and_with_line_feeds(shop: Shop) -> None:
    given: list[bytes] = []
    shop.predictor.read = lambda input_file: given.append(input_file.read_bytes())
    shop.drain([shop.queue(b"\xef\xbb\xbf" + INPUT.replace(b"\n", b"\r\n"))])
    assert (shop.job().state, given) == (State.SUCCEEDED, [INPUT])


def test_a_job_of_the_next_release_is_predicted_and_keeps_what_it_has(shop: Shop) -> None:
    delivery = shop.queue()
    document = as_the_next(shop.job())
    shop.ledger.put(document)
    shop.drain([delivery])
    assert (shop.job().state, shop.job().pending, delivery.answers) == (State.SUCCEEDED, (EFFECT,), ["ack"])
    _, written = shop.ledger.documents[shop.job().job_id]
    assert dict(beyond(written)) == dict(beyond(document))


BEYOND: dict[str, Document] = {
    "state": {"state": "HELD"},
    "option": {"options": {"seed": 5, "step_scale": 1.5}},
}


@pytest.mark.parametrize("beyond_us", [*BEYOND.values(), *DAMAGES.values()], ids=[*BEYOND, *DAMAGES])
def test_a_job_beyond_this_release_is_left_to_the_next_execution(shop: Shop, beyond_us: Document) -> None:
    first, second, third = shop.queue(name="a"), shop.queue(name="b"), shop.queue(name="c")
    document = as_the_next(shop.job("b")) | beyond_us
    shop.ledger.put(document)
    shop.drain([first, second, third])
    assert (first.answers, second.answers, third.answers) == (["ack"], ["nack"], [])
    assert (shop.job("a").state, shop.job("c").state) == (State.SUCCEEDED, State.QUEUED)
    assert shop.ledger.documents["b" * 16][1] == document


def test_a_job_that_asked_for_more_and_has_ended_is_done_with(shop: Shop) -> None:
    delivery = shop.queue()
    shop.ledger.put(as_the_next(shop.job()) | BEYOND["option"] | {"state": "SUCCEEDED"})
    shop.drain([delivery])
    assert delivery.answers == ["ack"]
