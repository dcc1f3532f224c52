"""A file that names no alignment gets one from the stack's MSA server: seen from outside, as a user does."""

import base64
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha224
from urllib.parse import urlsplit

import pytest
from google.cloud import storage
from support.stack import Event, Stack, dropfold, using

INSULIN = {"A": "GIVEQCCTSICSLYQLENYCN", "B": "FVNQHLCGSHLVEALYLVCGERGFFYTPKT"}
INSULIN_YAML = f"""\
# insulin, as a person writes it down
sequences:
- protein: {{id: A, sequence: {INSULIN["A"]}}}
- protein: {{id: B, sequence: {INSULIN["B"]}}}
"""
TARGET = "MQIFVKTLTGKTITLE"
SCREENED = 6


@pytest.fixture(scope="module", autouse=True)
def _with_msa_server(own_stack: Stack) -> None:
    if not own_stack.environment["MSA_SERVER_URL"]:
        pytest.skip("a stack with real weights has no MSA server unless the caller names one")


def searches(stack: Stack, *sequences: str) -> list[dict[str, object]]:
    """Return what the MSA server has logged of a search for the MSAs of some sequences, by its ticket."""
    question = "".join(f">{number}\n{sequence}\n" for number, sequence in enumerate(sequences, 101))
    ticket = base64.urlsafe_b64encode(sha224(f"{question}env".encode()).digest()).decode().rstrip("=")
    lines = (stack.run_dir / "logs" / "msa-server.log").read_text().splitlines()
    logged = [json.loads(line) for line in lines if line.startswith('{"searched"')]
    return [search for search in logged if search["ticket"] == ticket]


@pytest.fixture(scope="module")
def aligned(own_stack: Stack) -> Event:
    """Return the end of an input whose complex names no alignment, and which is gone by now."""
    folder = f"run-{uuid.uuid4().hex[:8]}"
    with using(own_stack.environment):
        upload = own_stack.inputs.blob(f"{folder}/insulin.yaml")
        upload.upload_from_string(INSULIN_YAML)
        [event] = own_stack.completions.wait(folder, 1)[upload.name]
        assert event.data["state"] == "SUCCEEDED", own_stack.receipt(event)["error"]
        upload.delete()
    return event


def test_a_complex_that_names_no_alignment_is_aligned_and_paired(stack: Stack, aligned: Event) -> None:
    receipt = stack.receipt(aligned)
    kept = storage.Client().bucket(stack.environment["ALIGNMENTS_BUCKET"])
    by_chain = {chain: each for each in receipt["alignments"] for chain in each["chains"]}
    assert by_chain.keys() == INSULIN.keys()
    for chain, alignment in by_chain.items():
        assert alignment["server"] == urlsplit(stack.environment["MSA_SERVER_URL"]).netloc
        assert alignment["database"] == stack.environment["MSA_SERVER_DATABASE"]
        assert alignment["rows"] >= alignment["paired"] >= 1
        assert len(bytes.fromhex(alignment["sha256"])) == 32
        text = kept.blob(alignment["object"]).download_as_text()
        assert text.splitlines()[1] == INSULIN[chain]
    [report] = [each["name"] for each in receipt["outputs"] if each["name"].endswith("/report.html")]
    assert "# insulin, as a person writes it down" in stack.outputs.blob(report).download_as_text()


def test_a_complex_is_computed_again_with_the_alignments_that_were_made(stack: Stack, aligned: Event) -> None:
    job = aligned.data["job_id"]
    [told] = json.loads(dropfold(stack, "replay", job, "--json").stdout)
    assert (told["agreement"], told["why"]) == ("EXACT", [])
    first, second = (
        json.loads(dropfold(stack, "status", each, "--json").stdout) for each in (job, told["replay_job_id"])
    )
    assert second["fingerprint"] == first["fingerprint"]


def test_a_screening_is_one_search(stack: Stack, folder: str) -> None:
    def drop(number: int) -> None:
        ligand = f"- ligand: {{id: L, smiles: {'C' * (number + 1)}O}}\n"
        text = f"sequences:\n- protein: {{id: A, sequence: {TARGET}}}\n{ligand}"
        stack.inputs.blob(f"{folder}/{number:02}.yaml").upload_from_string(text)

    with ThreadPoolExecutor(SCREENED) as pool:
        list(pool.map(drop, range(SCREENED)))
    ended = stack.completions.wait(folder, SCREENED)
    receipts = [stack.receipt(event) for [event] in ended.values()]
    assert [receipt["state"] for receipt in receipts] == ["SUCCEEDED"] * SCREENED
    assert len(stack.receipts(folder)) == SCREENED
    assert len({alignment["sha256"] for each in receipts for alignment in each["alignments"]}) == 1
    [search] = searches(stack, TARGET)
    assert (search["searched"], search["state"]) == ("msa", "COMPLETE")
