import base64
import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import google_crc32c
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from gcp.storage import Bucket
from local import emulators
from local.processes import free_ports
from schemas.checksum import crc32c
from schemas.storage import (
    ContentDiffersError,
    ObjectGoneError,
    ObjectHead,
    ObjectTooLargeError,
    ObjectUnreadableError,
)

NAMES = [
    "plain.yaml",
    "a b/c#d%20e.yaml",
    "ünï/日本.yaml",
    "q'uo\"te?&=+.yaml",
    "%2e%2e%2fup.yaml",
    "e\u0301 is not \u00e9.yaml",
    "\u202eright\u200bto left.yaml",
    "[a]*{b}~|;$(c)`.yaml",
]

LIMIT = 1024 * 1024


@pytest.fixture
def raw(storage_host: str, project: str) -> storage.Bucket:
    assert storage_host
    return storage.Client(project=project).create_bucket(project)


@pytest.fixture
def bucket(raw: storage.Bucket) -> Bucket:
    return Bucket(raw.client, raw.name)


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_read_at_its_generation(bucket: Bucket, raw: storage.Bucket, name: str) -> None:
    blob = raw.blob(name)
    blob.upload_from_string(b"first")
    assert bucket.read(name, blob.generation, LIMIT) == b"first"
    assert bucket.head(name, 3) == ObjectHead(5, b"fir", whole=False)


@pytest.mark.parametrize(
    "name", ["x" * 1019 + ".yaml", "ü" * 509 + "/.yaml", "/".join("ab" * 256), "two//slashes"]
)
def test_names_that_are_no_file_names_are_read_and_looked_at(in_memory: storage.Client, name: str) -> None:
    blob = in_memory.create_bucket("long-names").blob(name)
    blob.upload_from_string(b"first")
    bucket = Bucket(in_memory, "long-names")
    assert bucket.read(name, blob.generation, LIMIT) == b"first"
    assert bucket.head(name, 3) == ObjectHead(5, b"fir", whole=False)
    assert bucket.generation(name) == blob.generation


@pytest.fixture
def in_memory(
    start_emulator: Callable[..., None], pubsub_host: str, notifications_topic: tuple[str, str]
) -> storage.Client:
    """Return a client of a storage emulator that keeps no files, and so takes names of any length."""
    assert pubsub_host
    http, https = free_ports(2)
    topic = "projects/{}/topics/{}".format(*notifications_topic)
    command = emulators.storage(emulators.find_storage(), Path("unused"), http, https, topic)
    start_emulator(f"storage-{http}", [*command, "-backend", "memory"], http)
    return storage.Client(
        "in-memory", AnonymousCredentials(), client_options={"api_endpoint": f"http://127.0.0.1:{http}"}
    )


def test_an_overwritten_generation_is_gone(bucket: Bucket, raw: storage.Bucket) -> None:
    first = raw.blob("x.yaml")
    first.upload_from_string(b"first")
    generation = first.generation
    raw.blob("x.yaml").upload_from_string(b"second")
    with pytest.raises(ObjectGoneError):
        bucket.read("x.yaml", generation, LIMIT)


def test_a_missing_object_is_gone(bucket: Bucket, tmp_path: Path) -> None:
    assert bucket.head("nothing", 10) is None
    with pytest.raises(ObjectGoneError):
        bucket.download("nothing", tmp_path / "x", limit=10)


def test_an_object_over_the_limit_is_not_downloaded(
    bucket: Bucket, raw: storage.Bucket, tmp_path: Path
) -> None:
    raw.blob("x.a3m").upload_from_string(b"12345")
    with pytest.raises(ObjectTooLargeError, match="5 bytes"):
        bucket.download("x.a3m", tmp_path / "x.a3m", limit=4)
    assert not (tmp_path / "x.a3m").exists()
    generation = bucket.download("x.a3m", tmp_path / "deep" / "x.a3m", limit=5)
    assert (tmp_path / "deep" / "x.a3m").read_bytes() == b"12345"
    assert generation == bucket.generation("x.a3m")


def stored(raw: storage.Bucket, name: str, body: bytes, encoding: str) -> int:
    """Upload bytes with a Content-Encoding, as `gsutil cp -z` does; return their generation."""
    blob = raw.blob(name)
    blob.content_encoding = encoding
    blob.upload_from_string(body)
    return int(blob.generation)


def test_what_is_stored_compressed_is_read_as_it_was(
    bucket: Bucket, raw: storage.Bucket, tmp_path: Path
) -> None:
    content = b"sequences: []\n" * 1000
    packed = gzip.compress(content)
    generation = stored(raw, "x.yaml", packed, "gzip")
    assert bucket.read("x.yaml", generation, len(content)) == content
    assert bucket.head("x.yaml", LIMIT) == ObjectHead(len(packed), content, whole=True)
    bucket.download("x.yaml", tmp_path / "x" / "x.yaml", len(content))
    assert (tmp_path / "x" / "x.yaml").read_bytes() == content
    assert [file.name for file in (tmp_path / "x").iterdir()] == ["x.yaml"]


def test_the_beginning_of_what_is_long_and_compressed_is_read_without_the_rest(
    bucket: Bucket, raw: storage.Bucket
) -> None:
    letters = bytes(
        i * i % 251 for i in range(500_000)
    )  # hard to compress: the whole does not fit into the range
    packed = gzip.compress(letters) + gzip.compress(b"a second member")
    stored(raw, "x.a3m", packed, "gzip")
    look = bucket.head("x.a3m", 1000)
    assert look is not None
    assert (look.size, look.whole) == (len(packed), False)
    assert look.beginning
    assert letters.startswith(look.beginning)


def test_a_compressed_object_of_several_members_is_read_whole(bucket: Bucket, raw: storage.Bucket) -> None:
    generation = stored(raw, "x.yaml", gzip.compress(b"one ") + gzip.compress(b"two"), "GZIP")
    assert bucket.read("x.yaml", generation, LIMIT) == b"one two"
    look = bucket.head("x.yaml", LIMIT)
    assert look is not None
    assert (look.beginning, look.whole) == (b"one ", False)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"plain text", "gzip"),
        (gzip.compress(b"cut off", mtime=0)[:-4], "gzip"),
        (b"?", "br"),
        (b"?", "gzip, gzip"),
    ],
)
def test_what_is_not_stored_as_it_says_is_refused_for_good(
    bucket: Bucket, raw: storage.Bucket, tmp_path: Path, body: bytes, encoding: str
) -> None:
    generation = stored(raw, "x.a3m", body, encoding)
    with pytest.raises(ObjectUnreadableError, match=r"gs://.*/x.a3m is stored with the Content-Encoding"):
        bucket.read("x.a3m", generation, LIMIT)
    with pytest.raises(ObjectUnreadableError):
        bucket.download("x.a3m", tmp_path / "x.a3m", LIMIT)


def test_a_bomb_of_gzip_takes_no_memory(bucket: Bucket, raw: storage.Bucket, tmp_path: Path) -> None:
    packed = gzip.compress(bytes(1 << 28))
    generation = stored(raw, "x.a3m", packed, "gzip")
    tracemalloc.start()
    with pytest.raises(ObjectTooLargeError, match="over 1,048,576 bytes"):
        bucket.read("x.a3m", generation, LIMIT)
    with pytest.raises(ObjectTooLargeError):
        bucket.download("x.a3m", tmp_path / "x.a3m", LIMIT)
    look = bucket.head("x.a3m", LIMIT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert look is not None
    assert (len(look.beginning), look.whole) == (LIMIT, False)
    assert peak < 16 * LIMIT


def test_an_object_larger_than_its_event_said_is_not_read_into_memory(
    bucket: Bucket, raw: storage.Bucket
) -> None:
    blob = raw.blob("x.yaml")
    blob.upload_from_string(bytes(50 * LIMIT))
    tracemalloc.start()
    with pytest.raises(ObjectTooLargeError):
        bucket.read("x.yaml", blob.generation, LIMIT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * LIMIT


def test_an_empty_object_is_read_and_looked_at(bucket: Bucket, raw: storage.Bucket, tmp_path: Path) -> None:
    for encoding in ("", "gzip"):
        generation = stored(raw, "x.a3m", b"", encoding)
        assert bucket.read("x.a3m", generation, LIMIT) == b""
        look = bucket.head("x.a3m", LIMIT)
        assert look is not None
        assert look.beginning == b""
        bucket.download("x.a3m", tmp_path / "x.a3m", LIMIT)
        assert (tmp_path / "x.a3m").read_bytes() == b""


def test_of_two_creations_the_first_stays(bucket: Bucket, raw: storage.Bucket) -> None:
    bucket.create("receipt.json", b"first", "application/json")
    bucket.create("receipt.json", b"second", "application/json")
    assert raw.blob("receipt.json").download_as_bytes() == b"first"


def test_an_upload_reports_size_and_checksum(bucket: Bucket, tmp_path: Path) -> None:
    file = tmp_path / "model_0.cif"
    file.write_bytes(b"data_x")
    output = bucket.upload(file, "a/model_0.cif", "chemical/x-cif")
    expected = base64.b64encode(google_crc32c.Checksum(b"data_x").digest()).decode()
    assert (output.name, output.size, output.crc32c) == ("a/model_0.cif", 6, expected)


def test_the_same_upload_again_counts_as_done(bucket: Bucket, tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"same")
    assert bucket.upload(file, "f", "text/plain") == bucket.upload(file, "f", "text/plain")


def test_an_upload_replaces_the_generation_that_it_names_and_no_other(
    bucket: Bucket, raw: storage.Bucket, tmp_path: Path
) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"old")
    bucket.upload(file, "f", "text/plain")
    old = bucket.generation("f")
    assert old
    file.write_bytes(b"new")
    with pytest.raises(ContentDiffersError):
        bucket.upload(file, "f", "text/plain")
    assert raw.blob("f").download_as_bytes() == b"old"
    bucket.upload(file, "f", "text/plain", old)
    assert raw.blob("f").download_as_bytes() == b"new"
    file.write_bytes(b"late")
    with pytest.raises(ContentDiffersError):
        bucket.upload(file, "f", "text/plain", old)
    assert raw.blob("f").download_as_bytes() == b"new"


def test_a_copy_is_made_by_the_server_and_made_again_changes_nothing(
    bucket: Bucket, raw: storage.Bucket, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(b"content")
    output = bucket.upload(tmp_path / "a", "first/ü a.cif", "chemical/x-cif")
    copied = bucket.copy(output, "second/ü a.cif")
    generation = raw.get_blob("second/ü a.cif").generation
    assert copied == output.model_copy(update={"name": "second/ü a.cif"})
    assert raw.blob("second/ü a.cif").download_as_bytes() == b"content"
    assert bucket.copy(output, "second/ü a.cif") == copied
    assert raw.get_blob("second/ü a.cif").generation == generation


def test_what_is_not_as_it_was_is_not_copied(bucket: Bucket, raw: storage.Bucket, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    output = bucket.upload(tmp_path / "a", "first", "text/plain")
    raw.blob("taken").upload_from_string(b"another")
    with pytest.raises(ContentDiffersError, match="taken"):
        bucket.copy(output, "taken")
    assert raw.blob("taken").download_as_bytes() == b"another"
    raw.blob("first").upload_from_string(b"changed")
    with pytest.raises(ContentDiffersError, match="first"):
        bucket.copy(output, "second")
    raw.blob("first").delete()
    with pytest.raises(ObjectGoneError):
        bucket.copy(output, "second")


def test_the_generation_that_is_there_now_is_known(bucket: Bucket, raw: storage.Bucket) -> None:
    blob = raw.blob("a b/x.yaml")
    assert bucket.generation(blob.name) is None
    blob.upload_from_string(b"first")
    first = blob.generation
    blob.upload_from_string(b"second")
    assert bucket.generation(blob.name) == blob.generation > first
    blob.delete()
    assert bucket.generation(blob.name) is None


def test_all_objects_are_listed_as_their_uploads_said(bucket: Bucket, raw: storage.Bucket) -> None:
    for name in NAMES:
        blob = raw.blob(name)
        blob.metadata = {"dropfold-seed": "3"}
        blob.upload_from_string(name.encode())
    listed = {source.name: source for source in bucket.listed()}
    assert set(listed) == set(NAMES)
    in_order = sorted(NAMES, key=str.encode)
    around = [source.name for source in bucket.listed_from(in_order[2])]
    assert around == [*in_order[2:], *in_order[:2]]
    for name, source in listed.items():
        blob = raw.get_blob(name)
        assert (source.bucket, source.generation) == (raw.name, blob.generation)
        assert (source.size, source.crc32c) == (blob.size, blob.crc32c)
        assert (source.time, source.metadata) == (blob.time_created, {"dropfold-seed": "3"})


def test_a_file_is_dropped_once_with_its_metadata_and_over_the_generation_that_is_named(
    bucket: Bucket, tmp_path: Path
) -> None:
    file, name, options = tmp_path / "a.yaml", "run 1/ä.yaml", {"dropfold-samples": "2"}
    file.write_text("first")
    assert bucket.source(name) is None
    made = bucket.drop(file, name, options)
    assert made is not None
    assert (made.size, made.metadata) == (5, options)
    assert bucket.drop(file, name, options) is None
    assert bucket.source(name) == made
    file.write_text("second")
    assert bucket.drop(file, name, {}, if_generation=1) is None
    second = bucket.drop(file, name, {}, if_generation=made.generation)
    assert second is not None
    assert second.generation != made.generation
    assert second.crc32c == crc32c(file)
    bucket.drop(file, "run 10/a.yaml", {})
    assert [source.name for source in bucket.listed("run 1/")] == [name]


@pytest.mark.parametrize("folder", ["run42/", "a [b]{c}*?/", "ä 漢字/", ""])
def test_names_below_a_folder_are_found_by_how_they_end(
    bucket: Bucket, raw: storage.Bucket, folder: str
) -> None:
    there = [f"{folder}x/1/receipt.json", f"{folder}x/y/2/receipt.json", f"{folder}receipt.json.txt"]
    for name in (*there, f"{folder}x/1/model_0.cif", "elsewhere/x/1/receipt.json"):
        raw.blob(name).upload_from_string(b"")
    found = [name for name in bucket.named(folder, "/receipt.json") if "elsewhere" not in name]
    assert found == there[:2]


def test_an_object_is_replaced_only_over_the_generation_that_is_named(
    bucket: Bucket, raw: storage.Bucket
) -> None:
    bucket.replace("run42/index.html", b"1", "text/html", 0)
    for stale in (0, 7):
        with pytest.raises(ContentDiffersError):
            bucket.replace("run42/index.html", b"2", "text/html", stale)
    first = bucket.generation("run42/index.html") or 0
    bucket.replace("run42/index.html", b"3", "text/html", first)
    assert bucket.read("run42/index.html", None, LIMIT) == b"3"
    assert raw.get_blob("run42/index.html").content_type == "text/html"
    with pytest.raises(ObjectGoneError):
        bucket.read("run42/other.html", None, LIMIT)


def test_of_metadata_only_what_is_meant_for_us_is_read_however_an_object_is_found(
    bucket: Bucket, raw: storage.Bucket
) -> None:
    blob = raw.blob("run/foo.yaml")
    blob.metadata = {"dropfold-seed": "1", "owner-token": "s3cret", "__etag__": "x"}
    blob.upload_from_string(b"v")
    one = bucket.source("run/foo.yaml")
    assert one is not None
    assert [one, *bucket.listed()] == [one, one]
    assert one.metadata == {"dropfold-seed": "1"}


def test_what_is_overwritten_between_look_and_read_is_fetched_all_the_same(
    bucket: Bucket, raw: storage.Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw.blob("a.a3m").upload_from_string(b"first")
    before = [bucket._there("a.a3m")]
    raw.blob("a.a3m").upload_from_string(b"second")
    look = bucket._there
    monkeypatch.setattr(bucket, "_there", lambda name: before.pop() if before else look(name))
    bucket.download("a.a3m", tmp_path / "a.a3m", LIMIT)
    assert (before, (tmp_path / "a.a3m").read_bytes()) == ([], b"second")
