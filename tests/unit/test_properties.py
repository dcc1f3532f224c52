"""Invariants of all that is read, against what hypothesis makes up."""

import json
from collections.abc import Mapping

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from support.invariants import (
    alignment_or_failure,
    input_or_failures,
    message_comes_back,
    message_or_undecodable,
    request_or_failures,
    template_or_failure,
    trace_kept_or_made,
    upload_or_undecodable,
)
from support.strategies import DOCUMENTS, ENDED, FASTAS, JOBS, JSON, RIGHT, TREES

from inputs.read import read_input
from schemas.job import Job
from schemas.messages import CapacityWanted, Event, PredictionCompleted, PredictionRequested
from schemas.receipt import Receipt

# What is made of one job is held together: to draw a job takes longest.


@given(JOBS)
def test_a_job_comes_back_from_json_and_from_plain_data_and_its_request_as_it_was_sent(job: Job) -> None:
    assert Job.model_validate_json(job.model_dump_json()) == job
    assert Job.model_validate(job.model_dump(mode="python")) == job
    event = PredictionRequested.of(job)
    message_comes_back(event)
    assert event.encode() == PredictionRequested.of(job).encode()


@given(ENDED)
def test_a_receipt_comes_back_as_it_was_written_and_a_completion_as_it_was_sent(job: Job) -> None:
    receipt = Receipt.of(job)
    assert Receipt.model_validate_json(receipt.encode()) == receipt
    message_comes_back(PredictionCompleted.of(job, "out"))


@given(st.binary() | JSON.map(lambda data: json.dumps(data).encode()), st.dictionaries(st.text(), st.text()))
@pytest.mark.parametrize("kind", [PredictionRequested, PredictionCompleted, CapacityWanted])
def test_any_message_is_read_or_undecodable(
    kind: type[Event], data: bytes, attributes: Mapping[str, str]
) -> None:
    message_or_undecodable(kind, data, attributes)


@given(
    ENDED,
    st.sampled_from(["ce-id", "ce-time", "ce-type", "ce-traceparent", "state", "data"]),
    st.text(),
    JSON,
)
def test_a_message_with_one_thing_wrong_is_read_or_undecodable(
    job: Job, where: str, text: str, data: object
) -> None:
    message = PredictionCompleted.of(job, "out").encode()
    changed = {**json.loads(message.data), "error": data} if where == "data" else json.loads(message.data)
    attributes = {**message.attributes, where: text} if where != "data" else message.attributes
    message_or_undecodable(PredictionCompleted, json.dumps(changed).encode(), attributes)


FIELDS = ["bucket", "name", "generation", "size", "crc32c", "timeCreated", "metadata"]


@given(JSON | st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_any_event_is_an_upload_or_undecodable(data: object) -> None:
    upload_or_undecodable(data)


@given(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=2))
@example({"timeCreated": 1e300})
@example({"timeCreated": "0001-01-01T00:00:00+23:59"})
@example({"metadata": {"dropfold-\ud800": "\ud800"}})
def test_an_event_with_one_thing_wrong_is_an_upload_or_undecodable(change: Mapping[str, object]) -> None:
    event = {"bucket": "in", "name": "a.yaml", "generation": "7", "timeCreated": "2026-01-02T03:04:05Z"}
    upload_or_undecodable({**event, **change})


@given(
    st.dictionaries(
        st.text(max_size=9)
        | st.sampled_from([f"dropfold-{name}" for name in ("seed", "samples", "batch", "potentials")]),
        st.text(max_size=9) | st.integers().map(str) | st.floats().map(str) | st.booleans().map(str),
    )
)
def test_any_metadata_is_a_request_or_says_why_not(metadata: Mapping[str, str]) -> None:
    request_or_failures(metadata)


@given(st.text(), st.none() | st.text() | st.from_regex(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"))
def test_a_trace_is_kept_or_made(job_id: str, given_trace: str | None) -> None:
    trace_kept_or_made(job_id, given_trace)


@given(st.binary() | st.text().map(str.encode))
@pytest.mark.parametrize("name", ["x.yaml", "x.fasta", "x.txt", "x"])
def test_any_bytes_are_an_input_or_say_why_not(name: str, content: bytes) -> None:
    input_or_failures(name, content)


@given(DOCUMENTS | TREES, st.booleans())
def test_any_tree_is_an_input_or_says_why_not(tree: object, plain: bool) -> None:
    text = yaml.safe_dump(tree, allow_unicode=plain) if plain else json.dumps(tree)
    input_or_failures("x.yaml", text.encode())


@given(RIGHT)
def test_any_tree_that_is_right_is_an_input(tree: dict[str, list[object]]) -> None:
    content = yaml.safe_dump(tree).encode()
    assert len(read_input("x.yaml", content).sequences) == len(tree["sequences"])
    input_or_failures("x.yaml", content)


@given(FASTAS)
def test_any_fasta_is_an_input_or_says_why_not(text: str) -> None:
    input_or_failures("x.fasta", text.encode())


@given(
    st.binary()
    | st.text("MKTAYIAKQR>#\n\r- ,ak").map(str.encode)
    | st.text().map(lambda text: f">q\nMKTAYIAKQR\n{text}".encode())
)
@pytest.mark.parametrize("file", ["x.a3m", "x.csv"])
def test_any_alignment_is_the_chain_s_or_says_why_not(file: str, content: bytes) -> None:
    alignment_or_failure(file, content)


COLUMNS = "data_x\nloop_\n_atom_site.label_atom_id\n_atom_site.label_comp_id\n_atom_site.label_asym_id\n"


@given(
    st.binary()
    | st.text("data_loop_site.\n\r #A").map(str.encode)
    | st.text().map(lambda text: f"{COLUMNS}{text}".encode())
    | st.text("CA ALG\n\x00'").map(lambda text: f"{COLUMNS}CA ALA B\n{text}".encode())
    | st.text().map(lambda text: f"ATOM      1  CA  ALA {text}\nHETATM{text}\n".encode())
)
@pytest.mark.parametrize("file", ["t.cif", "u.pdb"])
def test_any_template_is_one_or_says_why_not(file: str, content: bytes) -> None:
    template_or_failure(file, content)
