"""Buckets in Cloud Storage: reads pinned to a generation, writes that create or replace knowingly."""

import contextlib
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from google.api_core.exceptions import GoogleAPIError, NotFound, PreconditionFailed
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption
from requests.exceptions import RequestException

from gcp.encoding import beginning, decoded, unpack
from gcp.errors import said
from schemas.checksum import crc32c
from schemas.job import Output, Source
from schemas.reason import reason
from schemas.storage import (
    ContentDiffersError,
    ObjectGoneError,
    ObjectHead,
    ObjectTooLargeError,
    StorageUnavailableError,
)
from schemas.upload import ours

LISTED = 1000
LISTED_FIELDS = "items(name,generation,size,crc32c,timeCreated,metadata),nextPageToken"


class Bucket:
    """One bucket. Implements what the stages ask of an input and of an output bucket.

    Every method raises StorageUnavailableError when the client has retried for as long as it does.
    """

    def __init__(self, client: storage.Client, name: str) -> None:
        self.name = name
        self._bucket = client.bucket(name)

    def read(self, name: str, generation: int | None, limit: int) -> bytes:
        """Read a generation of an object, or whichever is there, verified by its checksum, decompressed.

        No more than ``limit`` bytes are read, and as many decompressed. Raises ObjectGoneError,
        ObjectTooLargeError, ObjectUnreadableError.
        """
        blob, stored = self._bucket.blob(name, generation=generation), _Limited(limit, self._uri(name))
        with self._explained(name):
            blob.download_to_file(stored, raw_download=True, checksum="crc32c")
        stored.seek(0)
        return b"".join(decoded(stored.content, blob.content_encoding, limit, self._uri(name)))

    def head(self, name: str, most: int) -> ObjectHead | None:
        """Return size and first ``most`` bytes of the object of this name, or None if it is missing.

        Raises ObjectUnreadableError.
        """
        try:
            with self._explained(name):
                blob = self._bucket.get_blob(name)
                ranged = blob and blob.size and most
                stored = blob.download_as_bytes(end=most - 1, raw_download=True) if ranged else b""
        except ObjectGoneError:
            return None
        if blob is None:
            return None
        content, ends = beginning(stored, blob.content_encoding, most, self._uri(name))
        return ObjectHead(blob.size, content, whole=ends and len(stored) == blob.size)

    def generation(self, name: str) -> int | None:
        """Return the generation of the object of this name, or None if it is missing."""
        with self._explained(name):
            blob = self._bucket.get_blob(name)
        return int(blob.generation) if blob else None

    def source(self, name: str) -> Source | None:
        """Return the object of this name, or None if it is missing."""
        with self._explained(name):
            blob = self._bucket.get_blob(name)
        return self._source(blob) if blob else None

    def listed(self, prefix: str = "") -> Iterator[Source]:
        """List all objects with a prefix, a page of a thousand per call, in the order of their names."""
        with self._explained(prefix):
            pages = self._bucket.list_blobs(prefix=prefix or None, page_size=LISTED, fields=LISTED_FIELDS)
            yield from map(self._source, pages)

    def listed_from(self, name: str) -> Iterator[Source]:
        """List all objects in the order of their names, from this one on, and then those before it."""
        for part in ({"start_offset": name}, {"end_offset": name}):
            with self._explained(name):
                pages = self._bucket.list_blobs(page_size=LISTED, fields=LISTED_FIELDS, **part)
                yield from map(self._source, pages)

    def drop(
        self, path: Path, name: str, metadata: Mapping[str, str], if_generation: int = 0
    ) -> Source | None:
        """Upload a file over this generation of its object, 0 for a new object.

        None where the object has another generation; what is there is the caller's to judge.
        """
        blob = self._bucket.blob(name)
        blob.metadata = dict(metadata)
        with self._explained(name):
            try:
                blob.upload_from_filename(str(path), if_generation_match=if_generation, checksum="crc32c")
            except PreconditionFailed:
                return None
        return self._source(blob)

    def named(self, prefix: str, ending: str) -> Iterator[str]:
        """List the names that begin and end so, in their order."""
        # The pattern saves the way of names that nobody wants; what comes all the same is left out here.
        asked = {"prefix": prefix, "match_glob": f"**{ending}", "fields": "items(name),nextPageToken"}
        with self._explained(prefix):
            for blob in self._bucket.list_blobs(page_size=LISTED, **asked):
                if blob.name.endswith(ending):
                    yield blob.name

    def download(self, name: str, to: Path, limit: int) -> int:
        """Fetch an object's current generation, decompressed if it is stored so; return which it was.

        Raises ObjectGoneError, ObjectTooLargeError, ObjectUnreadableError.
        """
        try:
            return self._download(name, to, limit)
        except ObjectGoneError:  # perhaps only this generation, which was overwritten after the look
            return self._download(name, to, limit)

    def _download(self, name: str, to: Path, limit: int) -> int:
        blob, where = self._there(name), self._uri(name)
        if blob.size > limit:
            raise ObjectTooLargeError(f"{where} has {blob.size:,} bytes; the limit is {limit:,}.")
        to.parent.mkdir(parents=True, exist_ok=True)
        with self._explained(name):
            blob.download_to_filename(str(to), raw_download=True, checksum="crc32c")
        if blob.content_encoding:
            unpack(to, blob.content_encoding, limit, where)
        return int(blob.generation)

    def create(self, name: str, body: bytes, content_type: str) -> None:
        """Write an object unless one of this name exists: the first writer wins, the second is content."""
        blob = self._bucket.blob(name)
        with self._explained(name):
            try:
                blob.upload_from_string(body, content_type, if_generation_match=0, checksum="crc32c")
            except PreconditionFailed:
                return

    def replace(self, name: str, body: bytes, content_type: str, if_generation: int) -> None:
        """Write an object over this generation, 0 for a new one; browsers ask for it again each time.

        Raises ContentDiffersError where another generation is there.
        """
        blob = self._bucket.blob(name)
        blob.cache_control = "no-cache"
        with self._explained(name):
            try:
                blob.upload_from_string(
                    body, content_type, if_generation_match=if_generation, checksum="crc32c"
                )
            except PreconditionFailed as error:
                raise ContentDiffersError(self._uri(name)) from error

    def upload(self, path: Path, name: str, content_type: str, if_generation: int = 0) -> Output:
        """Upload a file over this generation of its object, 0 for a new object.

        An object of another generation with the same content counts as done, as after a lost answer. Raises
        ContentDiffersError where it has another content.
        """
        with self._explained(name):
            try:
                return self._put(path, name, content_type, if_generation)
            except PreconditionFailed:
                there = self._there(name)
        if there.crc32c != crc32c(path):
            raise ContentDiffersError(self._uri(name))
        return Output(name=name, size=there.size, crc32c=there.crc32c)

    def copy(self, output: Output, name: str) -> Output:
        """Copy an object of this bucket on the server's side, as a new object; a copy that is there counts.

        Raises ObjectGoneError where there is nothing to copy any more, ContentDiffersError where either
        object is not the one that ``output`` tells of.
        """
        there = self._same(output, output.name)
        if self.generation(name) is None:
            with self._explained(name), contextlib.suppress(PreconditionFailed):
                self._rewrite(there, self._bucket.blob(name))
        made = self._same(output, name)
        return Output(name=name, size=made.size, crc32c=made.crc32c)

    def _source(self, blob: storage.Blob) -> Source:
        return Source(
            bucket=self.name,
            name=blob.name,
            generation=blob.generation,
            size=blob.size,
            crc32c=blob.crc32c,
            time=blob.time_created,
            metadata=ours(blob.metadata),
        )

    def _put(self, path: Path, name: str, content_type: str, generation: int) -> Output:
        blob = self._bucket.blob(name)
        blob.upload_from_filename(
            str(path), content_type=content_type, if_generation_match=generation, checksum="crc32c"
        )
        return Output(name=name, size=blob.size, crc32c=blob.crc32c)

    @staticmethod
    def _rewrite(there: storage.Blob, copy: storage.Blob) -> None:
        token, _, _ = copy.rewrite(there, if_generation_match=0)
        while token:  # a large object takes more than one call
            token, _, _ = copy.rewrite(there, token=token, if_generation_match=0)

    def _same(self, output: Output, name: str) -> storage.Blob:
        there = self._there(name)
        if there.crc32c != output.crc32c:
            raise ContentDiffersError(self._uri(name))
        return there

    def _there(self, name: str) -> storage.Blob:
        with self._explained(name):
            blob = self._bucket.get_blob(name)
        if blob is None:
            raise ObjectGoneError(self._uri(name))
        return blob

    def _uri(self, name: str) -> str:
        return f"gs://{self.name}/{name}"

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        """Translate the client's errors into the shared words, except a failed precondition."""
        where = self._uri(name)
        try:
            yield
        except NotFound as error:
            raise ObjectGoneError(where) from error
        except PreconditionFailed:
            raise
        except (GoogleAPIError, RequestException, DataCorruption) as error:
            raise StorageUnavailableError(f"{where}: {reason(said(error))}") from error


class _Limited:
    """A file in memory that takes so many bytes: an object's size is known for sure when it has been read."""

    def __init__(self, limit: int, where: str) -> None:
        self.content = io.BytesIO()
        self._limit, self._where = limit, where

    def write(self, data: bytes) -> int:
        """Take a chunk. Raises ObjectTooLargeError."""
        if self.content.tell() + len(data) > self._limit:
            raise ObjectTooLargeError(f"{self._where} has over {self._limit:,} bytes, which is the limit.")
        return self.content.write(data)

    def seek(self, position: int) -> int:
        """Go back, as the client does where a server begins again."""
        return self.content.seek(position)
