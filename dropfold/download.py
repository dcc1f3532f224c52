"""Download the files of receipts, and verify their digests."""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from schemas.checksum import crc32c
from schemas.job import Output
from schemas.receipt import REPORT, Receipt
from schemas.storage import ObjectGoneError, ObjectTooLargeError

STRUCTURES = frozenset({".cif", ".pdb"})


class Outputs(Protocol):
    """The output bucket."""

    def download(self, name: str, to: Path, limit: int) -> None:
        """Download an object. Raises ObjectGoneError, ObjectTooLargeError."""


@dataclass(frozen=True)
class Fetch:
    """A file to download, and the folder for it."""

    output: Output
    folder: Path

    @property
    def path(self) -> Path:
        """Path of the file: its object's name under the folder."""
        return self.folder / self.output.name


def wanted(receipt: Receipt, folder: Path) -> Iterator[Fetch]:
    """Yield the structures and the report among a receipt's files."""
    for output in receipt.outputs:
        name = PurePosixPath(output.name)
        if name.suffix in STRUCTURES or name.name == REPORT:
            yield Fetch(output, folder)


def folder_of(receipt: Receipt) -> str:
    """Return the folder of a job's outputs; empty without outputs."""
    return f"{posixpath.dirname(receipt.outputs[0].name)}/" if receipt.outputs else ""


def fetched(outputs: Outputs, fetch: Fetch) -> str | None:
    """Download a file unless it is there; return what is wrong with it, or None.

    A file that differs from the receipt is not kept.
    """
    if not _is_inside(fetch):
        return f"{fetch.output.name} is not fetched: its name leads out of {fetch.folder}."
    if _is_right(fetch.path, fetch.output):
        return None
    part = fetch.path.with_name(f".{fetch.path.name}.part")
    try:
        outputs.download(fetch.output.name, part, fetch.output.size)
        if not _is_right(part, fetch.output):
            told = f"{crc32c(part)}, not {fetch.output.crc32c}"
            return f"{fetch.output.name} is not what its receipt says: its digest is {told}."
        part.replace(fetch.path)
    except ObjectGoneError:
        return f"{fetch.output.name} is not in the bucket any more."
    except ObjectTooLargeError as error:
        return f"{fetch.output.name} is not what its receipt says: {error}"
    finally:
        part.unlink(missing_ok=True)
    return None


def _is_right(path: Path, output: Output) -> bool:
    return path.is_file() and path.stat().st_size == output.size and crc32c(path) == output.crc32c


def _is_inside(fetch: Fetch) -> bool:
    """Return whether the path stays in the folder, whatever name an uploader chose."""
    return fetch.path.resolve().is_relative_to(fetch.folder.resolve())
