"""Content of objects that are stored compressed, as ``gsutil cp -z`` does, read without trusting its size.

Cloud Storage and its client decompress such an object on the way, to any size: 1 MiB of gzip holds 1 GiB of
zeros. So the bytes are fetched as they are stored, and decompressed here up to a limit.
"""

import gzip
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from schemas.storage import ObjectTooLargeError, ObjectUnreadableError

CHUNK = 1024 * 1024
GZIP = frozenset({"gzip", "x-gzip"})
PLAIN = frozenset({"", "identity"})
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


def decoded(stored: BinaryIO, encoding: str | None, limit: int, where: str) -> Iterator[bytes]:
    """Yield the content chunk by chunk. Raises ObjectTooLargeError, ObjectUnreadableError."""
    source = gzip.GzipFile(fileobj=stored) if _is_gzip(encoding, where) else stored
    size = 0
    try:
        while chunk := source.read(CHUNK):
            size += len(chunk)
            if size > limit:
                raise ObjectTooLargeError(f"{where} has over {limit:,} bytes, which is the limit.")
            yield chunk
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _no_gzip(where) from error


def unpack(path: Path, encoding: str, limit: int, where: str) -> None:
    """Decode a file where it lies. Raises as `decoded` does."""
    with TemporaryFile(dir=path.parent) as plain:
        with path.open("rb") as stored:
            plain.writelines(decoded(stored, encoding, limit, where))
        plain.seek(0)
        with path.open("wb") as file:
            shutil.copyfileobj(plain, file)


def beginning(stored: bytes, encoding: str | None, most: int, where: str) -> tuple[bytes, bool]:
    """Decode how an object begins; tell whether an encoding ends there. Raises ObjectUnreadableError."""
    if not _is_gzip(encoding, where):
        return stored[:most], True
    inflater = zlib.decompressobj(_GZIP_WINDOW)
    try:
        content = inflater.decompress(stored, most)
    except zlib.error as error:
        raise _no_gzip(where) from error
    return content, inflater.eof and not inflater.unused_data


def _is_gzip(encoding: str | None, where: str) -> bool:
    name = (encoding or "").strip().lower()
    if name not in GZIP | PLAIN:
        raise ObjectUnreadableError(f"{where} is stored with the Content-Encoding {name[:40]!r}.")
    return name in GZIP


def _no_gzip(where: str) -> ObjectUnreadableError:
    return ObjectUnreadableError(f"{where} is stored with the Content-Encoding gzip, but is no whole gzip.")
