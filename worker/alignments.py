"""Alignments that were made for a job: fetched, merged as Boltz merges them, and laid beside the input."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, Protocol

from inputs.alignments import MsaServer, apart, merged, unaligned, with_alignments
from inputs.grammar import BoltzInput
from schemas.failure import Code, FailedError, Failure
from schemas.job import Alignment
from schemas.storage import ObjectGoneError
from worker.errors import UnalignedError
from worker.prepare import Call, Prepared, explained

MAX_OBJECT_BYTES = 1024 * 1024 * 1024


class Objects(Protocol):
    """The bucket of alignments."""

    def download(self, name: str, to: Path, limit: int) -> object:
        """Fetch an object. Raises ObjectGoneError, ObjectTooLargeError."""


class Fetched(NamedTuple):
    """Files of a document's alignments: unpaired ones in the order of its sequences, and the paired one."""

    unpaired: tuple[Path, ...]
    paired: Path | None


@dataclass(frozen=True)
class Alignments:
    """The alignments of a server in the bucket that they are kept in."""

    server: MsaServer
    objects: Objects

    def fetch(self, document: BoltzInput, folder: Path) -> Fetched:
        """Download what a document needs into a new folder. Raises UnalignedError, ObjectTooLargeError."""
        folder.mkdir()
        needed = self.server.needed(unaligned(document))
        paths = {name: folder / f"{number}.a3m" for number, name in enumerate(needed.names)}
        if missing := tuple(self._missing(paths.items())):
            raise UnalignedError(missing)
        paired = paths[needed.paired] if needed.paired else None
        return Fetched(tuple(paths[name] for name in needed.unpaired), paired)

    def _missing(self, paths: Iterable[tuple[str, Path]]) -> Iterable[str]:
        for name, path in paths:
            try:
                self.objects.download(name, path, MAX_OBJECT_BYTES)
            except ObjectGoneError:
                yield name


def aligned(prepared: Prepared, call: Call, alignments: Alignments | None) -> Prepared:
    """Lay alignments beside an input that lacks any; write it anew with their names, as JSON, which is YAML.

    Raises FailedError, UnalignedError.
    """
    if not unaligned(prepared.document):
        return prepared
    if alignments is None:
        raise FailedError(_no_server())
    folder = prepared.input_file.parent
    with explained():
        fetched = alignments.fetch(
            prepared.document, folder.with_name("alignments")
        )  # beside: no user's names
    laid = call(lay, prepared.document, fetched, alignments.server, folder)
    input_file = prepared.input_file.with_suffix(".yaml")
    input_file.write_text(laid.document.model_dump_json(exclude_unset=True))
    return replace(prepared, input_file=input_file, document=laid.document, alignments=laid.alignments)


class Laid(NamedTuple):
    """A document that names the alignments which were laid beside it, and what they are."""

    document: BoltzInput
    alignments: tuple[Alignment, ...]


def lay(document: BoltzInput, fetched: Fetched, server: MsaServer, folder: Path) -> Laid:
    """Write the merged MSAs into a folder. For a child: alignments are large, and others wrote them."""
    sequences, made, files = unaligned(document), [], {}
    needed = server.needed(sequences)
    blocks = apart(fetched.paired.read_text()) if fetched.paired else [""] * len(sequences)
    for at, sequence in enumerate(sequences):
        content = merged(blocks[at], fetched.unpaired[at].read_text())
        files[sequence] = f"dropfold-{at}.csv"
        (folder / files[sequence]).write_text(content)
        made.append(_described(_chains(document, sequence), server, needed.unpaired[at], content))
    return Laid(with_alignments(document, files), tuple(made))


def _chains(document: BoltzInput, sequence: str) -> tuple[str, ...]:
    proteins = (entry.protein for entry in document.sequences if entry.protein)
    return tuple(
        chain for each in proteins if each.sequence == sequence and not each.msa for chain in each.id
    )


def _described(chains: tuple[str, ...], server: MsaServer, name: str, content: str) -> Alignment:
    query, *others = rows = content.splitlines()[1:]
    return Alignment(
        chains=chains,
        server=server.host,
        database=server.database,
        rows=1 + sum(_letters(row) != _letters(query) for row in others),
        paired=sum(not row.startswith("-1,") for row in rows),
        sha256=sha256(content.encode()).hexdigest(),
        object=name,
    )


def _letters(row: str) -> str:
    """Return a row of the CSV without its key: each file of an answer begins with the query once more."""
    return row.partition(",")[2]


def _no_server() -> Failure:
    return Failure(
        code=Code.MSA_UNAVAILABLE,
        message="A protein names no MSA, and this worker knows no MSA server.",
        remedy="Give the worker the functions' MSA_SERVER_URL and ALIGNMENTS_BUCKET; upload it again.",
    )
