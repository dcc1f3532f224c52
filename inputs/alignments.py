"""Alignments that an input lacks, as data: question to an MSA server, its answer, Boltz's merge of it.

The same as ``boltz predict --use_msa_server`` (boltz 2.2.1: compute_msa in boltz/main.py, run_mmseqs2 in
boltz/data/msa/mmseqs2.py), without its client. Proteins without ``msa`` are aligned, each sequence once. A
server of ColabFold's answers with a3m files: blocks, one for each sequence, separated by NUL bytes. Of two or
more sequences rows are also paired, by species: equal places in their blocks are one row of the complex.
"""

import re
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import urlsplit

from pydantic_core import to_json

from inputs.grammar import BoltzInput
from inputs.msa import same_residues

MAX_PAIRED = 8192
"""Rows of a paired block that Boltz takes: const.max_paired_seqs."""

MAX_ROWS = 16384
"""Rows of a chain that Boltz takes, paired ones included: const.max_msa_seqs."""

_FIRST = 101
"""Number of the first sequence of a question; ColabFold's clients count from there."""

_ROW = re.compile("[A-Za-z-]+", re.ASCII)
_BETWEEN = "\0"
"""Between the paired alignments of a complex, as in an answer of the server."""

_INSERTIONS = str.maketrans("", "", string.ascii_lowercase)
_NUMBER = re.compile("[1-9][0-9]{2,5}", re.ASCII)
_UNPRINTABLE = re.compile(r"[^ -~]")


class AnswerError(ValueError):
    """An answer is no alignment of the question; the message completes "the server answered with ..."."""


class MsaServer(NamedTuple):
    """An MSA server: its address, and what else decides its answers: its database, how rows are paired."""

    url: str
    database: str = ""
    pairing: str = "greedy"

    @property
    def host(self) -> str:
        """The host that sequences are sent to, with its port if that is not the usual one."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    @property
    def prefix(self) -> str:
        """The folder of its alignments: another server, database or pairing has another."""
        return sha256(to_json([*self, "env"])).hexdigest()[:16]

    def needed(self, sequences: Sequence[str]) -> "Needed":
        """Return the objects that hold the alignments of these sequences."""
        return needed(self.prefix, sequences)


class Needed(NamedTuple):
    """Names of the objects with alignments of some sequences; ``paired`` is None for a single one."""

    unpaired: tuple[str, ...]
    paired: str | None

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.unpaired, self.paired) if self.paired else self.unpaired


def needed(prefix: str, sequences: Sequence[str]) -> Needed:
    """Return the objects that hold the alignments of these sequences, in the folder of a server."""
    unpaired = tuple(f"{prefix}/unpaired/{_digest(each)}.a3m" for each in sequences)
    paired = f"{prefix}/paired/{_digest(*sequences)}.a3m" if len(sequences) > 1 else None
    return Needed(unpaired, paired)


class _Record(NamedTuple):
    """A header without its ``>``, the row below it, and whether it begins a block."""

    header: str
    row: str
    first: bool


def unaligned(document: BoltzInput) -> tuple[str, ...]:
    """Return the sequences that lack an alignment, each once, in the order in which Boltz asks for them.

    That is the order of its entities: chains of equal sequence are one, where the first of them stands.
    """
    proteins = (entry.protein for entry in document.sequences if entry.protein)
    return tuple(dict.fromkeys(protein.sequence for protein in proteins if protein.msa is None))


def with_alignments(document: BoltzInput, files: Mapping[str, str]) -> BoltzInput:
    """Return a document whose proteins without ``msa`` name the file of their sequence."""
    entries = []
    for entry in document.sequences:
        protein = entry.protein
        if protein and protein.msa is None:
            named = protein.model_copy(update={"msa": files[protein.sequence]})
            entry = entry.model_copy(update={"protein": named})  # noqa: PLW2901
        entries.append(entry)
    return document.model_copy(update={"sequences": tuple(entries)})


def question(sequences: Iterable[str]) -> str:
    """Return sequences as a server is asked for them: FASTA, with numbers for names."""
    return "".join(f">{number}\n{sequence}\n" for number, sequence in enumerate(sequences, _FIRST))


def blocks(lines: Iterable[str], sequences: Sequence[str]) -> list[str]:
    """Return the a3m of each sequence from a file of an answer, at most MAX_ROWS rows; "" where it has none.

    Every block has to begin with its query, and its rows to be as wide. Raises AnswerError.
    """
    found: list[list[str]] = [[] for _ in sequences]
    at = -1
    for record in _records(lines):
        if record.first:
            at = _begun(record, sequences)
        elif len(record.row.translate(_INSERTIONS)) != len(sequences[at]):
            raise AnswerError(f"a row of another width than sequence {at + 1} of {len(sequences)}")
        if len(found[at]) < MAX_ROWS:
            found[at].append(f">{record.header}\n{record.row}\n")
    return ["".join(rows) for rows in found]


def joined(files: Iterable[Sequence[str]]) -> list[str]:
    """Return the a3m of each sequence over all files of an answer. Raises AnswerError where one has none."""
    together = ["".join(parts) for parts in zip(*files, strict=True)]
    if not all(together):
        raise AnswerError(f"no alignment of sequence {together.index('') + 1} of {len(together)}")
    return together


def in_one(paired: Iterable[str]) -> str:
    """Return the paired alignments of a complex as they are kept, in one object, as rows belong together."""
    return _BETWEEN.join(paired)


def apart(kept: str) -> list[str]:
    """Return the paired alignment of each sequence, of those that are kept in one object."""
    return kept.split(_BETWEEN)


def merged(paired: str, unpaired: str) -> str:
    """Return a chain's MSA as Boltz merges it: CSV, where rows of equal key are one row of the complex.

    ``paired`` is empty for a single sequence. A row of gaps alone has no partner here, and is left out; the
    query is in the paired rows already, where there are any.
    """
    keyed = [(key, row) for key, row in enumerate(rows(paired)[:MAX_PAIRED]) if row.strip("-")]
    rest = rows(unpaired)[: MAX_ROWS - len(keyed)]
    single = ((-1, row) for row in (rest[1:] if keyed else rest))
    return "\n".join(["key,sequence", *(f"{key},{row}" for key, row in (*keyed, *single))])


def rows(a3m: str) -> list[str]:
    """Return the rows of an a3m, without their headers."""
    return a3m.strip().splitlines()[1::2]


def _digest(*sequences: str) -> str:
    return sha256("\n".join(sequences).encode()).hexdigest()


def _begun(record: _Record, sequences: Sequence[str]) -> int:
    """Return the place of the sequence whose block begins with this record."""
    name = record.header.strip()
    at = int(name) - _FIRST if _NUMBER.fullmatch(name) else -1
    if not 0 <= at < len(sequences):
        raise AnswerError(f"a block {name[:40]!r}, which was not asked for")
    if not same_residues(record.row, sequences[at]):
        raise AnswerError(f"another query than sequence {at + 1} of {len(sequences)}")
    return at


def _records(lines: Iterable[str]) -> Iterator[_Record]:
    first, header = True, None
    for number, line in enumerate(lines, 1):
        first = first or "\0" in line
        text = line.replace("\0", "").strip()
        if not text:
            continue
        if header is None:
            if not text.startswith(">"):
                raise AnswerError(f"no header in line {number}")
            header = _UNPRINTABLE.sub("_", text[1:])
        elif _ROW.fullmatch(text):
            yield _Record(header, text, first)
            first, header = False, None
        else:
            raise AnswerError(f"no row of an alignment in line {number}")
    if header is not None:
        raise AnswerError("a header without a row at its end")
