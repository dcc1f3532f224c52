"""A dropped file becomes a structure, a receipt and an event: seen from outside, with a user's clients."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gemmi
import pytest
import requests
from google.cloud import storage
from support.checksum import crc32c
from support.inputs import CHIGNOLIN, one_protein
from support.patience import HANG, until
from support.stack import Event, Stack

DNA = "CGCGAATTCGCG"
PROTEIN_YAML = f"version: 1\n{one_protein(CHIGNOLIN)}"
DNA_YAML = f"version: 1\nsequences:\n  - dna: {{id: [A, B], sequence: {DNA}}}\n"
AFFINITY_YAML = (
    f"{PROTEIN_YAML}- ligand: {{id: L, smiles: c1ccc(cc1)O}}\nproperties:\n  - affinity: {{binder: L}}\n"
)
AWKWARD = ["plain", "two words", "50% #1", "ünï-日本", "a+b&c=d", "deep/er/still"]
MAX_WORKERS = 2
MANY = 12
"""Files: more than are asked for one worker."""


def gsutil(stack: Stack, *words: str) -> None:
    options = {
        "Credentials:gs_json_host": "127.0.0.1",
        "Credentials:gs_json_port": stack.environment["GCS_HTTPS_PORT"],
        "Boto:https_validate_certificates": "False",
        "GSUtil:prefer_api": "json",
    }
    flags = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    run([str(Path(sys.executable).with_name("gsutil")), *flags, *words])


def run(command: Sequence[str], **variables: str) -> None:
    result = subprocess.run(
        command, env=os.environ | variables, capture_output=True, text=True, timeout=HANG, check=False
    )
    assert result.returncode == 0, result.stderr


def only(events: list[Event]) -> Event:
    [event] = events
    return event


def check_structure(stack: Stack, receipt: dict[str, Any], chains: dict[str, int]) -> None:
    """Count a structure only when gemmi reads it and it has the chains and residues of the input."""
    [output] = [output for output in receipt["outputs"] if output["name"].endswith("/model_0.cif")]
    content = stack.outputs.blob(output["name"]).download_as_bytes()
    assert output["size"] == len(content)
    assert output["crc32c"] == crc32c(content)
    document = gemmi.cif.read_string(content.decode())
    [model] = gemmi.make_structure_from_block(document.sole_block())
    assert {chain.name: len(chain) for chain in model} == chains
    assert all(abs(value) < 1e6 for place in model.all() for value in place.atom.pos.tolist())


def test_a_dropped_file_becomes_structure_receipt_and_event(stack: Stack, folder: str) -> None:
    blob = stack.inputs.blob(f"{folder}/dodecamer.yaml")
    blob.metadata = {"dropfold-seed": "11", "owner": "somebody"}
    blob.upload_from_string(DNA_YAML)
    event = only(stack.completions.wait(folder, 1)[blob.name])
    receipt = stack.receipt(event)
    assert receipt["state"] == "SUCCEEDED"
    assert receipt["error"] is None
    assert receipt["batch"] == folder
    source = receipt["source"]
    assert (source["bucket"], source["name"]) == (stack.inputs.name, blob.name)
    assert int(source["generation"]) == blob.generation
    assert receipt["options"]["seed"] == 11
    assert receipt["model"]["name"] == "boltz-2"
    assert receipt["model"]["weights_digest"].startswith("sha256:")
    assert receipt["model"]["random_weights"] is ("BOLTZ_CACHE" not in os.environ)
    assert receipt["timings"]["predict"] > 0
    verdict = "failed" if receipt["model"]["random_weights"] else receipt["checks"]["verdict"]
    assert receipt["checks"]["verdict"] == event.attributes["checks"] == event.data["checks"] == verdict
    assert event.data["reasons"] == receipt["checks"]["reasons"][:3]
    prefix = f"gs://{stack.outputs.name}/{folder}/dodecamer/{receipt['job_id']}/"
    assert event.data["receipt"] == f"{prefix}receipt.json"
    check_structure(stack, receipt, {"A": 12, "B": 12})
    assert (
        b"dodecamer.yaml"
        in stack.outputs.blob(f"{folder}/dodecamer/{receipt['job_id']}/report.html").download_as_bytes()
    )
    picture = f"{folder}/dodecamer/{receipt['job_id']}/summary.png"
    assert stack.outputs.blob(picture).download_as_bytes().startswith(b"\x89PNG")
    assert {f"{folder}/dodecamer/{receipt['job_id']}/report.html", picture} <= {
        each["name"] for each in receipt["outputs"]
    }


def test_a_folder_s_page_tells_of_each_end_soon_after(stack: Stack, folder: str) -> None:
    stack.inputs.blob(f"{folder}/letter.txt").upload_from_string("Please predict haemoglobin.")
    stack.inputs.blob(f"{folder}/below/other.txt").upload_from_string("And this.")
    ended = stack.completions.wait(folder, 2)
    table = stack.page(folder, "summary.csv", "letter.txt")
    [row] = csv.DictReader(io.StringIO(table, newline=""))
    assert (row["state"], row["name"], row["code"]) == (
        "REJECTED",
        f"{folder}/letter.txt",
        "UNSUPPORTED_FILE",
    )
    receipt = only(ended[f"{folder}/letter.txt"]).data["receipt"]
    assert receipt == f"gs://{stack.outputs.name}/{folder}/{row['receipt']}"
    assert "letter.txt: files of type" in stack.page(folder, "index.html", "letter.txt")
    assert "other.txt" in stack.page(f"{folder}/below", "index.html", "other.txt")


def test_the_event_is_a_cloud_event_that_filters_understand(stack: Stack, folder: str) -> None:
    stack.inputs.blob(f"{folder}/letter.txt").upload_from_string("Please predict haemoglobin.")
    event = only(stack.completions.wait(folder, 1)[f"{folder}/letter.txt"])
    attributes = event.attributes
    assert attributes["ce-specversion"] == "1.0"
    assert attributes["ce-type"] == "dev.dropfold.prediction.rejected.v1"
    assert attributes["ce-subject"] == f"gs://{stack.inputs.name}/{folder}/letter.txt"
    assert attributes["ce-id"] == f"{event.data['job_id']}-rejected"
    assert attributes["content-type"] == "application/json"
    assert {"ce-source", "ce-time"} <= set(attributes)
    assert (attributes["batch"], attributes["state"]) == (folder, "REJECTED")


MIXED_MSAS = """\
sequences:
- protein: {id: A, sequence: GYDPETGTWG, msa: a.a3m}
- protein: {id: B, sequence: NLYIQ}
"""


@pytest.mark.parametrize(
    ("name", "content", "code", "says"),
    [
        ("letter.txt", "hello", "UNSUPPORTED_FILE", ".yaml"),
        ("malformed.yaml", "sequences: [", "INVALID_INPUT", "line 1"),
        ("mixed_msas.yaml", MIXED_MSAS, "INVALID_INPUT", "does not mix the two"),
        ("lower.yaml", PROTEIN_YAML.replace(CHIGNOLIN, CHIGNOLIN.lower()), "INVALID_INPUT", "capital"),
        ("empty.fasta", "", "INVALID_INPUT", "empty"),
        ("huge.yaml", "#" * 1_100_000, "TOO_LARGE", "1,048,576"),
    ],
)
def test_what_cannot_be_predicted_is_rejected_with_a_reason(
    stack: Stack, folder: str, name: str, content: str, code: str, says: str
) -> None:
    stack.inputs.blob(f"{folder}/{name}").upload_from_string(content)
    receipt = stack.receipt(only(stack.completions.wait(folder, 1)[f"{folder}/{name}"]))
    error = receipt["error"]
    assert (receipt["state"], error["code"], receipt["outputs"]) == ("REJECTED", code, [])
    assert says in f"{error['message']} {error['remedy']}"
    assert set(error) >= {"code", "message", "field", "remedy"}


def test_a_ligand_s_affinity_is_in_the_receipt(stack: Stack, folder: str) -> None:
    stack.inputs.blob(f"{folder}/binder.yaml").upload_from_string(AFFINITY_YAML)
    receipt = stack.receipt(only(stack.completions.wait(folder, 1)[f"{folder}/binder.yaml"]))
    assert receipt["state"] == "SUCCEEDED"
    assert 0 <= receipt["scores"]["affinity_probability_binary"] <= 1
    assert any(output["name"].endswith("/affinity.json") for output in receipt["outputs"])
    [found] = [output["name"] for output in receipt["outputs"] if output["name"].endswith("/checks.json")]
    assert (
        json.loads(stack.outputs.blob(found).download_as_bytes())["affinity"] == receipt["checks"]["affinity"]
    )
    check_structure(stack, receipt, {"A": 10, "L": 1})


def test_a_folder_with_an_alignment_goes_up_with_gsutil_in_any_order(
    stack: Stack, folder: str, tmp_path: Path
) -> None:
    (tmp_path / folder / "msas").mkdir(parents=True)
    (tmp_path / folder / "a.yaml").write_text(PROTEIN_YAML.replace("empty", "msas/a.a3m"))
    (tmp_path / folder / "msas" / "a.a3m").write_text(f">q\n{CHIGNOLIN}\n>h\nGYDPATGTWG\n")
    gsutil(stack, "-m", "cp", "-r", str(tmp_path / folder), f"gs://{stack.inputs.name}/")
    receipt = stack.receipt(only(stack.completions.wait(folder, 1)[f"{folder}/a.yaml"]))
    assert receipt["state"] == "SUCCEEDED"
    check_structure(stack, receipt, {"A": 10})


def test_an_input_waits_for_the_alignment_that_it_names(stack: Stack, folder: str) -> None:
    stack.inputs.blob(f"{folder}/a.yaml").upload_from_string(PROTEIN_YAML.replace("empty", "a.a3m"))
    stack.inputs.blob(f"{folder}/other.txt").upload_from_string("is rejected at once")
    stack.completions.wait(folder, 1)
    assert f"{folder}/a.yaml" not in stack.completions.about(folder)
    stack.inputs.blob(f"{folder}/a.a3m").upload_from_string(f">q\n{CHIGNOLIN}\n")
    assert stack.completions.wait(folder, 2)[f"{folder}/a.yaml"][0].attributes["state"] == "SUCCEEDED"


def test_a_new_version_supersedes_and_a_deletion_cancels_what_has_not_ended(
    stack: Stack, folder: str
) -> None:
    waiting = PROTEIN_YAML.replace("empty", "never.a3m")
    over, gone = (stack.inputs.blob(f"{folder}/{name}.yaml") for name in ("over", "gone"))
    for blob in (over, gone):
        blob.upload_from_string(waiting)
    first = over.generation
    over.upload_from_string("not an input")
    gone.delete()
    stack.completions.wait(folder, 2)
    stack.inputs.blob(f"{folder}/last.txt").upload_from_string("ends after all of this")
    until(lambda: len(stack.receipts(folder)) >= 4, lambda: stack.receipts(folder))
    ended = stack.completions.wait(folder, 3)
    states = {event.data["source"]["generation"]: event.attributes["state"] for event in ended[over.name]}
    assert states == {first: "SUPERSEDED", over.generation: "REJECTED"}
    assert len({event.attributes["ce-id"] for event in ended[gone.name]}) == 1, ended[gone.name]
    cancelled = stack.receipt(ended[gone.name][0])  # said twice where two events ended it at once
    assert (cancelled["state"], cancelled["outputs"]) == ("CANCELLED", [])
    assert "deleted" in cancelled["error"]["message"]
    assert len(stack.receipts(folder)) == 4


def test_a_folder_is_cancelled_by_a_command(stack: Stack, folder: str) -> None:
    for name in "ab":
        waiting = PROTEIN_YAML.replace("empty", "never.a3m")
        stack.inputs.blob(f"{folder}/{name}.yaml").upload_from_string(waiting)
    command = [sys.executable, "-m", "dropfold", "cancel", "--yes", f"{folder}/"]

    def both_end() -> bool:
        subprocess.run(command, capture_output=True, check=False)  # in vain until they have been taken in
        return len(stack.completions.about(folder)) == 2

    until(both_end)
    receipts = [stack.receipt(events[0]) for events in stack.completions.about(folder).values()]
    assert {receipt["state"] for receipt in receipts} == {"CANCELLED"}
    assert {receipt["error"]["code"] for receipt in receipts} == {"CANCELLED"}
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "No unfinished job" in again.stderr


def unlike_others(number: int) -> str:
    """Write an input that no other test drops: an equal one would be answered with its result."""
    text = PROTEIN_YAML if number % 2 else DNA_YAML
    return text.replace(CHIGNOLIN, f"{CHIGNOLIN}{'ACDEFGHIKLMNPQRSTVWY'[number]}").replace(
        DNA, f"{DNA}{'ACGT'[number // 2 % 4]}{'ACGT'[number // 8]}"
    )


def test_an_equal_input_is_answered_with_the_result_that_is_there(stack: Stack, folder: str) -> None:
    same = PROTEIN_YAML.replace(CHIGNOLIN, f"{CHIGNOLIN}GG")
    stack.inputs.blob(f"{folder}/a.yaml").upload_from_string(same)
    first = stack.receipt(only(stack.completions.wait(folder, 1)[f"{folder}/a.yaml"]))
    stack.inputs.blob(f"{folder}/b.yaml").upload_from_string(f"# the same, said otherwise\n{same}")
    other = stack.inputs.blob(f"{folder}/c.yaml")
    other.metadata = {"dropfold-seed": "12"}
    other.upload_from_string(same)
    ended = stack.completions.wait(folder, 3)
    second, third = (stack.receipt(only(ended[f"{folder}/{name}.yaml"])) for name in "bc")
    assert second["cached_from"] == first["job_id"]
    assert copies(second) == copies(first) != copies(third)
    pairs = (("a", first), ("b", second))
    reports = [stack.outputs.blob(f"{folder}/{name}/{each['job_id']}/report.html") for name, each in pairs]
    assert ["# the same, said otherwise" in blob.download_as_text() for blob in reports] == [False, True]
    assert (first["cached_from"], third["cached_from"]) == (None, None)
    check_structure(stack, second, {"A": 12})


def copies(receipt: dict[str, Any]) -> dict[str, str]:
    """Return the checksums of outputs by name, but for those about one upload alone."""
    sums = {Path(output["name"]).name: output["crc32c"] for output in receipt["outputs"]}
    of_the_upload = {"report.html", "summary.png", "input.yaml"}
    return {name: checksum for name, checksum in sums.items() if name not in of_the_upload}


def test_many_files_at_once_are_as_many_receipts_by_warm_workers(
    stack: Stack, folder: str, tmp_path: Path
) -> None:
    names = [f"{folder}/{AWKWARD[number % len(AWKWARD)]} {number:02}.yaml" for number in range(MANY)]
    for number, name in enumerate(names):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(unlike_others(number))
    gsutil(stack, "-m", "cp", "-r", str(tmp_path / folder), f"gs://{stack.inputs.name}/")
    ended = stack.completions.wait(folder, MANY)
    assert set(ended) == set(names)
    events = [event for about in ended.values() for event in about]
    assert {event.attributes["state"] for event in events} == {"SUCCEEDED"}
    assert len({event.attributes["ce-id"] for event in events}) == MANY
    assert len(stack.receipts(folder)) == MANY
    workers = {stack.receipt(event)["worker"] for event in events}
    assert 1 <= len(workers) <= (1 if stack.sync else MAX_WORKERS)
    loads = {name: log.count('"checkpoint": "boltz2_conf.ckpt"') for name, log in stack.worker_logs().items()}
    assert set(loads.values()) <= {0, 1}, loads
    assert sum(loads.values()) >= 1


@pytest.mark.skipif(
    shutil.which("gcloud") is None, reason="NO GCLOUD ON THIS MACHINE: its upload is not tested"
)
def test_gcloud_storage_drops_files_too(stack: Stack, folder: str, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "a b#1.fasta").write_text(f">A|protein|empty\n{CHIGNOLIN}\n")
    run(
        ["gcloud", "storage", "cp", "-r", str(tmp_path / folder), f"gs://{stack.inputs.name}/"],
        CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE=(
            f"http://127.0.0.1:{stack.environment['GCLOUD_STORAGE_PORT']}/storage/v1/"
        ),
        CLOUDSDK_AUTH_DISABLE_CREDENTIALS="true",
        CLOUDSDK_CORE_PROJECT=stack.environment["GOOGLE_CLOUD_PROJECT"],
        CLOUDSDK_CONFIG=str(tmp_path / "gcloud"),
    )
    receipt = stack.receipt(only(stack.completions.wait(folder, 1)[f"{folder}/a b#1.fasta"]))
    assert receipt["state"] == "SUCCEEDED"
    check_structure(stack, receipt, {"A": 10})


def finalized(blob: storage.Blob) -> requests.Response:
    """Post the event of an upload as Eventarc does."""
    context = {
        "ce-id": "again",
        "ce-source": f"//storage.googleapis.com/projects/_/buckets/{blob.bucket.name}",
        "ce-specversion": "1.0",
        "ce-type": "google.cloud.storage.object.v1.finalized",
        "ce-subject": f"objects/{blob.name}",
    }
    data = {
        "bucket": blob.bucket.name,
        "name": blob.name,
        "generation": str(blob.generation),
        "size": str(blob.size),
        "timeCreated": blob.time_created.isoformat(),
    }
    return requests.post(os.environ["ON_UPLOAD_URL"], json=data, headers=context, timeout=HANG)


def test_the_same_event_three_times_is_one_job_and_one_result(stack: Stack, folder: str) -> None:
    blob = stack.inputs.blob(f"{folder}/once.yaml")
    blob.upload_from_string(PROTEIN_YAML)
    blob.reload()
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(finalized, [blob] * 3))
    assert all(answer.ok for answer in answers)
    event = stack.completions.wait(folder, 1)[blob.name][0]
    assert finalized(blob).ok  # and once more, long after
    last = stack.inputs.blob(f"{folder}/last.txt")
    last.upload_from_string("whatever the four events led to has been said before this one's end")
    ended = stack.completions.wait(folder, 2)
    assert {said.attributes["ce-id"] for said in ended[blob.name]} == {event.attributes["ce-id"]}
    assert len([name for name in stack.receipts(folder) if "/once/" in name]) == 1
    assert stack.receipt(event)["attempt"] == 1


def test_a_new_worker_is_started_when_the_last_one_has_left(stack: Stack, folder: str) -> None:
    if stack.sync:
        pytest.skip("the Service does not leave when it is idle")
    stack.inputs.blob(f"{folder}/a.yaml").upload_from_string(PROTEIN_YAML)
    first = stack.receipt(only(stack.completions.wait(folder, 1)[f"{folder}/a.yaml"]))
    until(lambda: '"worker life"' in stack.worker_logs()[first["worker"].replace("/0/0", "-task0")])
    stack.inputs.blob(f"{folder}/b.yaml").upload_from_string(PROTEIN_YAML)
    second = stack.receipt(only(stack.completions.wait(folder, 2)[f"{folder}/b.yaml"]))
    assert second["worker"] != first["worker"]
