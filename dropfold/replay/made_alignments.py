"""Alignments that were made for a job, laid beside its input as the worker laid them."""

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from dropfold.download import MAX_ALIGNMENT_BYTES
from inputs.alignments import apart, merged, needed
from inputs.grammar import BoltzInput, Protein
from schemas.job import Alignment
from schemas.storage import ObjectGoneError, ObjectTooLargeError


class OtherAlignmentError(Exception):
    """An alignment is not the one any more that the model read; the message says which, for a person."""


class Objects(Protocol):
    """The bucket of alignments."""

    def read(self, name: str, generation: int | None, limit: int) -> bytes:
        """Return an object's content. Raises ObjectGoneError, ObjectTooLargeError."""


def lay(
    bucket: Callable[[], Objects], made: Sequence[Alignment], document: BoltzInput, folder: Path
) -> frozenset[str]:
    """Write alignments under the names that a document has for them, and return these names.

    ``made`` has the order in which the server was asked. A document as its user wrote it has no names for
    them: none is written. Raises OtherAlignmentError.
    """
    proteins = [_protein(document, each.chains[0]) for each in made]
    names = [protein.msa for protein in proteins if protein.msa]
    if not names:
        return frozenset()
    contents = _contents(bucket(), made, [protein.sequence for protein in proteins])
    for name, each, content in zip(names, made, contents, strict=True):
        if sha256(content.encode()).hexdigest() != each.sha256:
            raise OtherAlignmentError(f"{_of(each)} was made anew since.")
        (folder / name).write_text(content)
    return frozenset(names)


def _contents(objects: Objects, made: Sequence[Alignment], sequences: Sequence[str]) -> Iterator[str]:
    """Yield each alignment as the worker merges it: paired rows are one object for all of them."""
    paired = needed(made[0].object.partition("/")[0], sequences).paired
    blocks = dict(enumerate(apart(_text(objects, made[0], paired)) if paired else ()))
    for at, each in enumerate(made):
        yield merged(blocks.get(at, ""), _text(objects, each, each.object))


def _text(objects: Objects, alignment: Alignment, name: str) -> str:
    try:
        return objects.read(name, None, MAX_ALIGNMENT_BYTES).decode(errors="replace")
    except (ObjectGoneError, ObjectTooLargeError) as error:
        raise OtherAlignmentError(f"{_of(alignment)} is not kept any more.") from error


def _of(alignment: Alignment) -> str:
    return f"The alignment of chain {', '.join(alignment.chains)}"


def _protein(document: BoltzInput, chain: str) -> Protein:
    """Return the protein of a chain. Raises OtherAlignmentError."""
    proteins = (entry.protein for entry in document.sequences if entry.protein)
    for protein in proteins:
        if chain in protein.id:
            return protein
    raise OtherAlignmentError(f"No protein of its input is chain {chain}.")
