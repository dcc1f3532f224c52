"""Download the files of receipts, and verify their digests."""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Protocol

from inputs.alignments import merged
from schemas.checksum import crc32c
from schemas.job import Alignment, Output
from schemas.receipt import REPORT, Receipt
from schemas.storage import ObjectGoneError, ObjectTooLargeError

STRUCTURES = frozenset({".cif", ".pdb"})
MAX_ALIGNMENT_BYTES = 1024 * 1024 * 1024


class Objects(Protocol):
    """A bucket: of outputs, or of alignments."""

    def download(self, name: str, to: Path, limit: int) -> object:
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


def fetched(outputs: Objects, fetch: Fetch) -> str | None:
    """Download a file unless it is there; return what is wrong with it, or None.

    A file that differs from the receipt is not kept.
    """
    if not _is_inside(fetch.path, fetch.folder):
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


@dataclass(frozen=True)
class FetchAlignment:
    """An alignment to download, the file for it, and the folder that this is under."""

    alignment: Alignment
    path: Path
    folder: Path


def wanted_alignments(receipt: Receipt, folder: Path) -> Iterator[FetchAlignment]:
    """Yield a receipt's alignments; each file is named for the first of its chains, which are equal."""
    for alignment in receipt.alignments:
        path = folder / folder_of(receipt) / f"msa_{alignment.chains[0]}.a3m"
        yield FetchAlignment(alignment, path, folder)


def fetched_alignment(alignments: Objects, fetch: FetchAlignment) -> str | None:
    """Download an alignment as the server gave it; return what is wrong with it, or None.

    One without paired rows is all that the model read, and is held to the receipt's digest. Of another the
    model also read the rows that were paired, which are a file of their own.
    """
    name = fetch.alignment.object
    if not _is_inside(fetch.path, fetch.folder):
        return f"{name} is not fetched: {fetch.path} leads out of {fetch.folder}."
    part = fetch.path.with_name(f".{fetch.path.name}.part")
    try:
        alignments.download(name, part, MAX_ALIGNMENT_BYTES)
        if not fetch.alignment.paired and _merged_digest(part) != fetch.alignment.sha256:
            return f"{name} is not what its receipt says: it was made anew since."
        part.replace(fetch.path)
    except ObjectGoneError:
        return f"{name} is not in the bucket any more: alignments are kept for some time only."
    except ObjectTooLargeError as error:
        return f"{name} is not fetched: {error}"
    finally:
        part.unlink(missing_ok=True)
    return None


def _merged_digest(path: Path) -> str:
    content = merged("", path.read_text(encoding="ascii", errors="replace"))
    return sha256(content.encode()).hexdigest()


def _is_right(path: Path, output: Output) -> bool:
    return path.is_file() and path.stat().st_size == output.size and crc32c(path) == output.crc32c


def _is_inside(path: Path, folder: Path) -> bool:
    """Return whether a path stays in the folder, whatever name an uploader chose."""
    return path.resolve().is_relative_to(folder.resolve())
