"""The Service in place of executions: what is dropped is pushed to it, and whoever asks is answered by it.

All of test_drop.py passes in this mode too: ``GPU_WORKER_MODE=sync pytest tests/acceptance/test_drop.py``.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from support.documents import Block, environment, lay_out, marked, need
from support.inputs import CHIGNOLIN, one_protein
from support.patience import HANG, until
from support.stack import Stack, using

PROTEIN = one_protein(CHIGNOLIN)
PLACES = 10
pytestmark = pytest.mark.extra


@pytest.fixture
def stack(sync_stack: Stack) -> Iterator[Stack]:
    with using(sync_stack.environment):
        yield sync_stack


def ask(stack: Stack, **options: str) -> requests.Response:
    kind = {"Content-Type": "application/yaml"}
    url = f"{stack.environment['SERVICE_URL']}/predict"
    return requests.post(url, PROTEIN, params=options, headers=kind, timeout=HANG)


def test_a_dropped_file_and_a_request_give_the_same_structure(stack: Stack, folder: str) -> None:
    stack.inputs.blob(f"{folder}/a.yaml").upload_from_string(PROTEIN)
    [[event]] = stack.completions.wait(folder, 1).values()
    receipt = stack.receipt(event)
    assert (receipt["state"], receipt["attempt"]) == ("SUCCEEDED", 1)
    said = f'"execution": "{receipt["worker"]}"'  # when all is settled: after the event
    until(lambda: said in "".join(stack.worker_logs().values()))
    assert not list((stack.run_dir / "logs" / "tasks").glob("*.log"))  # no execution was started
    [name] = [each["name"] for each in receipt["outputs"] if each["name"].endswith("/model_0.cif")]
    dropped = stack.outputs.blob(name).download_as_text()
    answer = ask(stack)
    assert answer.status_code == 200, answer.text
    assert stem(answer.headers["Dropfold-Job-Id"], answer.text) == stem(receipt["job_id"], dropped)
    assert ask(stack, seed="12").text != answer.text


def stem(job_id: str, structure: str) -> str:
    """Put the same word in place of the input's name, which Boltz writes into its files."""
    return structure.replace(job_id, "JOB")


def test_more_files_than_places_all_end_in_one_receipt_each(stack: Stack, folder: str) -> None:
    letters = "ACDEFGHIKLMNPQ"
    assert len(letters) > PLACES
    for letter in letters:
        text = one_protein(CHIGNOLIN + letter)
        stack.inputs.blob(f"{folder}/{letter}.yaml").upload_from_string(text)
    ended = stack.completions.wait(folder, len(letters))
    events = [event for about in ended.values() for event in about]
    assert {event.attributes["state"] for event in events} == {"SUCCEEDED"}
    assert {event.attributes["ce-id"] for event in events} == {
        f"{event.data['job_id']}-succeeded" for event in events
    }
    assert len(stack.receipts(folder)) == len(letters)


@marked("asks")
def test_what_the_documents_ask_the_service_for_is_answered(
    block: Block, stack: Stack, tmp_path: Path
) -> None:
    need(block.program)
    checkout = lay_out(stack, tmp_path)
    done = subprocess.run(
        block.command,
        cwd=checkout,
        env=environment(checkout),
        timeout=HANG,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
