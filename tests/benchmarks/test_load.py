"""The load benchmark's own parts: what it drops, what it predicts, how it divides."""

from pathlib import Path

import pytest

from benchmarks.load import meter
from benchmarks.load.meter import READ, RENEWAL, WRITE, Operation
from benchmarks.load.operations import per_job
from benchmarks.load.product import FUNCTIONS, document
from benchmarks.load.worker import RESIDUES, Gate, NoModel
from inputs.read import BoltzInput, read_input
from local import topology
from schemas.options import Options
from worker import outputs
from worker.device import Device


def read(number: int) -> BoltzInput:
    return read_input("a.yaml", document(number).encode(), msa_service=False)


def test_every_file_is_a_valid_input_unlike_all_others() -> None:
    documents = [read(number) for number in (0, 1, 10, 99_999)]
    assert len({document.model_dump_json() for document in documents}) == len(documents)
    assert {outputs.expected(each, Options()).chains["A"] for each in documents} == {RESIDUES}


def test_what_stands_in_for_the_model_passes_the_worker_s_proof(tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    gate.open_to(1)
    (tmp_path / "job.yaml").write_text(document(7))
    model = NoModel(Device(60), gate)
    predicted = model.predict(
        tmp_path / "job.yaml",
        Options(),
        0,
        tmp_path / "out",
        begin=lambda: None,
        examine=lambda written: range(len(written.files)),
    )
    files = outputs.checked(predicted.files, outputs.expected(read(7), Options()))
    assert outputs.scores(files)["confidence_score"] == 0.5


def test_operations_are_divided_among_jobs_by_who_did_them(tmp_path: Path) -> None:
    for role, kind, amount in (
        ("on_upload", WRITE, 4),
        ("worker", READ, 6),
        ("worker", RENEWAL, 2),
        ("on_sweep", READ, 3),
        ("on_compare", READ, 20),
    ):
        meter.Meter(tmp_path, role).note(kind, "call", amount)
    divided = per_job(meter.operations(tmp_path), jobs=2, minutes=1)
    assert (divided.work[WRITE], divided.work[READ], divided.work[RENEWAL]) == (2, 3, 1)
    assert (divided.background[READ], divided.comparison[READ]) == (1.5, 10)
    assert divided.firestore == pytest.approx(6.5)


def test_every_function_of_a_stack_is_counted() -> None:
    """By its text: whoever imports it is counted from then on."""
    text = FUNCTIONS.read_text()
    assert all(f'"{function}"' in text for function in topology.load().functions)


def test_a_line_that_is_just_being_written_is_left_out(tmp_path: Path) -> None:
    meter.Meter(tmp_path, "worker").note(READ, "RunQuery", 1)
    [file] = tmp_path.iterdir()
    whole = file.read_text()
    file.write_text(whole + whole[:20])
    [operation] = meter.operations(tmp_path)
    assert operation == Operation(operation.at, "worker", READ, "RunQuery", 1)
