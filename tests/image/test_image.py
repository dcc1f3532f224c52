"""The image as Cloud Run gets it: small weights and torch for the CPU, all else what is deployed."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.cloud import storage as gcs
from image.containers import command
from support.inputs import CHIGNOLIN, one_protein
from support.patience import HANG, until

from local import stack as local_stack

HERE = Path(__file__).parent
ROOMS = {"gcp", "jobs", "schemas", "worker"}


@pytest.fixture
def stack(image: str, tmp_path: Path) -> Iterator[local_stack.Stack]:
    """Run a stack whose job is the image."""
    assert image
    task = (str(HERE / "containers.py"), "python", "-m", "worker")
    with (
        local_stack.running(tmp_path / "stack", worker=task) as running,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in running.env.items():
            patch.setenv(name, value)
        yield running


def inspected(image: str) -> dict[str, Any]:
    found = subprocess.run(["podman", "image", "inspect", image], check=True, capture_output=True)
    return dict(json.loads(found.stdout)[0])


def run(*arguments: str) -> str:
    """Run a command in a container without any network; return what it printed."""
    told = ["CLOUD_RUN_EXECUTION=by-hand", "OMP_NUM_THREADS=1"]
    result = subprocess.run(
        command("none", told, arguments), capture_output=True, text=True, timeout=HANG, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def receipts(outputs: gcs.Bucket) -> list[gcs.Blob]:
    return [blob for blob in outputs.list_blobs(prefix="run/") if blob.name.endswith("/receipt.json")]


def printed(stack: local_stack.Stack) -> list[str]:
    """Return the lines that the tasks have printed."""
    logs = (stack.run_dir / "logs" / "tasks").glob("*.log")
    return [line for log in logs for line in log.read_text().splitlines()]


def complaints(stack: local_stack.Stack) -> list[str]:
    """Return what is no line of a log, as podman prints, or one that tells of a failure."""
    lines = [
        (line, json.loads(line) if line[:1] == "{" else {"severity": "ERROR"}) for line in printed(stack)
    ]
    return [line for line, record in lines if record["severity"] in {"ERROR", "CRITICAL"}]


def test_the_job_in_its_container_predicts_what_is_dropped(
    stack: local_stack.Stack, figures: list[str]
) -> None:
    outputs = gcs.Client().bucket(stack.env["OUTPUT_BUCKET"])
    gcs.Client().bucket(stack.env["INPUT_BUCKET"]).blob("run/a.yaml").upload_from_string(
        one_protein(CHIGNOLIN)
    )
    until(lambda: receipts(outputs) or complaints(stack))
    assert complaints(stack) == []
    receipt = json.loads(receipts(outputs)[0].download_as_bytes())
    assert (receipt["state"], receipt["error"]) == ("SUCCEEDED", None)
    assert receipt["model"]["random_weights"]
    [structure] = [each for each in receipt["outputs"] if each["name"].endswith("/model_0.cif")]
    assert outputs.get_blob(structure["name"]).size == structure["size"] > 0
    figures.append(f"a job in its container, seconds per stage: {receipt['timings']}")

    asked = time.monotonic()
    subprocess.run(["podman", "kill", "--signal=TERM", "--all"], check=True)
    until(lambda: [line for line in printed(stack) if '"left as asked"' in line])
    figures.append(f"{time.monotonic() - asked:.1f} s from SIGTERM to the end; Cloud Run leaves 10")
    assert complaints(stack) == []


def test_nothing_is_fetched_at_run_time(image: str, figures: list[str]) -> None:
    assert image
    started = time.time()
    found = json.loads(run("python", "-c", (HERE / "predict_once.py").read_text()).splitlines()[-1])
    assert "chignolin_model_0.cif" in found["files"]
    seconds, busy = found["ready_at"] - started, found["cpu_seconds"]
    figures.append(f"{seconds:.1f} s from a container's start to a loaded model, {busy:.1f} of a processor")
    figures.append(f"a prediction without network, seconds per stage: {found['timings']}")


def test_what_numba_compiled_at_the_build_is_used(image: str) -> None:
    assert image
    report = (
        "from boltz.data.feature import featurizer, featurizerv2\n"
        "print([sum(module._prepare_msa_arrays_inner.stats.cache_misses.values())\n"
        "       for module in (featurizer, featurizerv2)])"
    )
    assert run("python", "-c", report).strip() == "[0, 0]"


def test_it_holds_the_worker_and_nothing_of_the_repository_besides(image: str) -> None:
    assert image
    assert set(run("ls", "/app").split()) == ROOMS
    assert run("id", "--user").strip() != "0"
    writable = run("find", "/app", "/opt", "-writable", "-not", "-type", "l").split()
    assert writable == []


def test_a_folder_of_somebody_else_s_is_not_worked_in(image: str) -> None:
    """/app is root's, as a volume at /work may be."""
    assert image
    asked = (
        "from worker import scratch; print(scratch.writable(scratch.Path('/app/work')) == scratch.FALL_BACK)"
    )
    assert run("python", "-c", asked).split()[-1] == "True"


def test_it_says_how_big_it_is(image: str, figures: list[str]) -> None:
    about = inspected(image)
    folders = run("du", "-s", "--block-size=1M", "/opt/venv", "/opt/boltz", "/opt/numba", "/app")
    layers = len(about["RootFS"]["Layers"])
    figures.append(f"{about['Size'] / 1e9:.2f} GB in {layers} layers; MiB: {' '.join(folders.split())}")
    assert about["Config"]["User"] == "10001:10001"
    assert about["Config"]["Cmd"] == ["python", "-m", "worker"]
