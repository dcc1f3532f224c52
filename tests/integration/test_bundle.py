"""The functions' source as it is deployed: it runs alone, in a folder of its own, and takes an upload in."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest
import requests
from google.cloud import pubsub_v1, storage
from support.patience import HANG

from local import topology
from local.eventarc_bridge import event_headers
from local.processes import Supervisor, answers, free_ports
from tools.functions_bundle import stage

ROOT = Path(__file__).resolve().parents[2]
ALONE = """
import json, sys
import main
functions = [name for name in vars(main) if name.startswith("on_")]
files = [module.__file__ for module in list(sys.modules.values()) if getattr(module, "__file__", None)]
print(json.dumps({"functions": functions, "files": files, "modules": list(sys.modules)}))
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle") / "staged"
    stage(folder)
    return folder


def environment(bundle: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(bundle), "PYTHONDONTWRITEBYTECODE": "1"}


def test_every_entry_point_loads_from_the_bundle_alone_and_without_the_model(bundle: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ALONE],
        cwd=bundle.parent,
        env=environment(bundle),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = json.loads(done.stdout)
    assert set(loaded["functions"]) == topology.load().functions.keys()
    assert {"torch", "boltz", "worker", "local"} & set(loaded["modules"]) == set()
    ours = [Path(file) for file in loaded["files"] if Path(file).is_relative_to(ROOT)]
    assert [file for file in ours if ".venv" not in file.parts] == []


def test_a_bundle_takes_the_place_of_an_older_one_and_of_nothing_else(tmp_path: Path) -> None:
    stage(tmp_path / "staged")
    (tmp_path / "staged" / "functions" / "old.py").touch()
    stage(tmp_path / "staged")
    assert not (tmp_path / "staged" / "functions" / "old.py").exists()
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(FileExistsError, match="no bundle"):
        stage(tmp_path)


@pytest.fixture
def site(
    storage_host: str, firestore_host: str, pubsub_host: str, project: str
) -> tuple[storage.Client, Mapping[str, str]]:
    """Return the storage client and the variables of a function, with buckets and topics that are there."""
    assert firestore_host
    assert pubsub_host
    client = storage.Client(project)
    publisher = pubsub_v1.PublisherClient()
    for name in ("predictions-requested", "predictions-completed", "references-arrived"):
        publisher.create_topic(name=publisher.topic_path(project, name))
    names = {"INPUT_BUCKET": f"{project}-in", "OUTPUT_BUCKET": f"{project}-out"}
    for bucket in names.values():
        client.create_bucket(bucket)
    assert storage_host
    return client, names


@pytest.fixture
def serve(bundle: Path, tmp_path: Path, parts: Supervisor) -> Callable[[str, Mapping[str, str]], str]:
    """Return what serves an entry point of the bundle, as Cloud Functions does, and says where."""

    def start(name: str, variables: Mapping[str, str]) -> str:
        [port] = free_ports(1)
        command = [sys.executable, "-W", "ignore", "-m", "functions_framework"]
        command += ["--source", str(bundle / "main.py"), "--target", name]
        command += ["--host", "127.0.0.1", "--port", str(port)]
        # An HTTP function, as deployed: that it takes CloudEvents is said in the code alone.
        own = environment(bundle) | dict(variables) | {"FUNCTION_SIGNATURE_TYPE": "http"}
        parts.start(name, command, own, tmp_path / f"{name}.log", bundle.parent)
        parts.wait(name, partial(answers, port, "/robots.txt"))
        return f"http://127.0.0.1:{port}/"

    return start


def take_in(url: str, blob: storage.Blob) -> requests.Response:
    """Upload something that is no input, and tell the function of it as Eventarc does."""
    blob.upload_from_string("no input at all")
    blob.reload()
    about = {"eventType": "OBJECT_FINALIZE", "bucketId": blob.bucket.name, "objectId": blob.name}
    headers = event_headers("1", about | {"eventTime": blob.time_created.isoformat()})
    return requests.post(url, json=blob._properties, headers=headers, timeout=HANG)


def test_an_upload_that_is_no_input_gets_its_receipt_from_the_bundle(
    site: tuple[storage.Client, Mapping[str, str]], serve: Callable[[str, Mapping[str, str]], str]
) -> None:
    client, names = site
    answer = take_in(serve("on_upload", names), client.bucket(names["INPUT_BUCKET"]).blob("run42/letter.txt"))
    assert answer.ok, answer.text
    [receipt] = client.list_blobs(names["OUTPUT_BUCKET"], prefix="run42/letter/")
    assert json.loads(receipt.download_as_bytes())["state"] == "REJECTED"


def test_an_event_that_nobody_can_read_is_refused_so_that_it_comes_again(
    site: tuple[storage.Client, Mapping[str, str]], serve: Callable[[str, Mapping[str, str]], str]
) -> None:
    _, names = site
    headers = event_headers(
        "2",
        {
            "eventType": "OBJECT_FINALIZE",
            "bucketId": "b",
            "objectId": "o",
            "eventTime": "2026-01-01T00:00:00Z",
        },
    )
    answer = requests.post(serve("on_upload", names), json={"bucket": 5}, headers=headers, timeout=HANG)
    assert answer.status_code == 500


def test_a_bucket_that_is_not_there_fails_the_event_and_is_named_in_one_line_until_it_is(
    site: tuple[storage.Client, Mapping[str, str]],
    serve: Callable[[str, Mapping[str, str]], str],
    tmp_path: Path,
) -> None:
    client, names = site
    later = f"{names['OUTPUT_BUCKET']}-later"
    url = serve("on_upload", {**names, "OUTPUT_BUCKET": later})
    blob = client.bucket(names["INPUT_BUCKET"]).blob("run42/letter.txt")
    assert take_in(url, blob).status_code == 500
    log = [line for line in (tmp_path / "on_upload.log").read_text().splitlines() if line.startswith("{")]
    [line] = [line for line in map(json.loads, log) if line["severity"] == "CRITICAL"]
    assert line["action"] == "start.refused"
    assert line["message"].startswith(f"OUTPUT_BUCKET={later}: there is no such bucket (")
    client.create_bucket(later)
    assert take_in(url, blob).ok
    assert list(client.list_blobs(later, prefix="run42/letter/"))
