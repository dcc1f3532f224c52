import base64
from pathlib import Path

import google_crc32c
import pytest
from google.cloud import storage

from gcp.objects import Bucket
from jobs.objects import ContentDiffersError, ObjectGoneError, ObjectTooLargeError

NAMES = ["plain.yaml", "a b/c#d%20e.yaml", "ünï/日本.yaml", "q'uo\"te?&=+.yaml"]


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
    assert bucket.read(name, blob.generation) == b"first"
    assert bucket.exists(name)


def test_an_overwritten_generation_is_gone(bucket: Bucket, raw: storage.Bucket) -> None:
    first = raw.blob("x.yaml")
    first.upload_from_string(b"first")
    generation = first.generation
    raw.blob("x.yaml").upload_from_string(b"second")
    with pytest.raises(ObjectGoneError):
        bucket.read("x.yaml", generation)


def test_a_missing_object_is_gone(bucket: Bucket, tmp_path: Path) -> None:
    assert not bucket.exists("nothing")
    with pytest.raises(ObjectGoneError):
        bucket.download("nothing", tmp_path / "x", limit=10)


def test_an_object_over_the_limit_is_not_downloaded(
    bucket: Bucket, raw: storage.Bucket, tmp_path: Path
) -> None:
    raw.blob("x.a3m").upload_from_string(b"12345")
    with pytest.raises(ObjectTooLargeError, match="5 bytes"):
        bucket.download("x.a3m", tmp_path / "x.a3m", limit=4)
    assert not (tmp_path / "x.a3m").exists()
    bucket.download("x.a3m", tmp_path / "deep" / "x.a3m", limit=5)
    assert (tmp_path / "deep" / "x.a3m").read_bytes() == b"12345"


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
    for name, source in listed.items():
        blob = raw.get_blob(name)
        assert (source.bucket, source.generation) == (raw.name, blob.generation)
        assert (source.size, source.crc32c) == (blob.size, blob.crc32c)
        assert (source.time, source.metadata) == (blob.time_created, {"dropfold-seed": "3"})
