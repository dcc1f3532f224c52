"""Reads an input file: bytes in, a checked BoltzInput out, or every reason why not.

``read_input`` is the whole story: size and characters, YAML or FASTA to plain data, the grammar (with every
SMILES and CCD code), the checks across the file. It needs no Boltz: a small function runs it on every upload.
"""

import posixpath
import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from pydantic import ValidationError

from inputs import checks, diagnostics
from inputs.fields import Reading
from inputs.formats import packed_by
from inputs.grammar import BoltzInput
from inputs.parse_fasta import read_fasta
from inputs.parse_yaml import read_yaml, residues_in
from inputs.size import MAX_TOKENS, least_tokens, too_many
from inputs.suffixes import SIDECARS
from inputs.tokens import count_tokens
from inputs.tree import Diagnostic, InputError, Place, Tree, UnreadableError, shorten
from inputs.values import EMPTY_MSA
from schemas.failure import Code, Failure

__all__ = [
    "INPUT_SUFFIXES",
    "MAX_INPUT_BYTES",
    "MAX_TOKENS",
    "REFERENCE_SUFFIXES",
    "BoltzInput",
    "InvalidInputError",
    "count_tokens",
    "normalised",
    "read_input",
    "references",
]

MAX_INPUT_BYTES = 1024 * 1024
YAML_SUFFIXES = frozenset({".yaml", ".yml"})
FASTA_SUFFIXES = frozenset({".fasta", ".fas", ".fa"})
INPUT_SUFFIXES = YAML_SUFFIXES | FASTA_SUFFIXES
"""Suffixes of input files, compared in lower case."""

REFERENCE_SUFFIXES = frozenset(SIDECARS)

_LARGE = 64 * 1024
"""Length of a text from which its residues are counted before it is read, which takes long."""

_AS_FASTA = re.compile(r"\s*>[^\n]*\n")
_AS_YAML = re.compile(r"^[ \t{]*[\"']?sequences[\"']?[ \t]*:", re.MULTILINE)
"""What only a file of the other format has."""

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")


class InvalidInputError(InputError):
    """The file cannot be predicted. ``failures``: 1 to 20 in document order; the last may tell of more."""

    def __init__(self, failures: tuple[Failure, ...]) -> None:
        super().__init__(failures)  # as the one argument: the error goes from process to process
        self.failures = failures

    def __str__(self) -> str:
        return "\n".join(f"{failure.message} {failure.remedy}" for failure in self.failures)


def read_input(
    name: str, content: bytes, *, msa_service: bool = False, max_tokens: int = MAX_TOKENS
) -> BoltzInput:
    """Parse and check an input file. Raises InvalidInputError with every Failure found, or its size's alone.

    ``name`` is the object's name, whose suffix tells YAML from FASTA. Without ``msa_service`` every
    protein must say where its MSA is. Checks across the file are made once each part keeps to the grammar.
    """
    try:
        fasta, text = _suffix(name) in FASTA_SUFFIXES, _decode(content)
        _refuse_other_format(name, text, fasta=fasta)
        if len(text) > _LARGE and not fasta:
            _hold_to(max_tokens, residues_in(text), known=False)
        tree = (read_fasta if fasta else read_yaml)(text)
    except UnreadableError as error:
        raise _invalid(name, error.problems, Tree(None, {})) from None
    return read_tree(name, tree, Reading(msa_service, fasta, max_tokens))


def read_tree(name: str, tree: Tree, reading: Reading) -> BoltzInput:
    """Return the document of a parsed file, checked. Raises InvalidInputError."""
    try:
        _hold_to(reading.max_tokens, least_tokens(tree.data), known=False)
        document = BoltzInput.model_validate(tree.data, context=reading)
        _hold_to(reading.max_tokens, count_tokens(document))
    except UnreadableError as error:
        raise _invalid(name, error.problems, tree) from None
    except ValidationError as error:
        raise _invalid(name, diagnostics.from_grammar(error, tree), tree) from None
    problems = checks.problems(document)
    if problems:
        raise _invalid(name, problems, tree)
    return document


def _hold_to(most: int, tokens: int, *, known: bool = True) -> None:
    """Raise UnreadableError for too many tokens."""
    if tokens > most:
        raise UnreadableError(too_many(tokens, most, known=known))


def normalised(content: bytes) -> bytes:
    """Return the bytes of a valid input as Boltz is given them: without byte order mark, and with line feeds.

    Biopython would skip a FASTA file's first record behind a byte order mark.
    """
    return _plain(content.decode()).encode()


def references(document: BoltzInput) -> tuple[str, ...]:
    """Return the files that a document refers to, relative to its folder, each once, MSAs first.

    Names are normalised as a file system would: ``./msa//a.a3m`` is ``msa/a.a3m``.
    """
    msas = [entry.protein.msa for entry in document.sequences if entry.protein]
    names = [msa for msa in msas if msa and msa != EMPTY_MSA]
    names += [template.file for template in document.templates]
    return tuple(dict.fromkeys(posixpath.normpath(name) for name in names))


def _invalid(name: str, problems: Iterable[Diagnostic], tree: Tree) -> InvalidInputError:
    return InvalidInputError(diagnostics.to_failures(name, problems, tree))


def _suffix(name: str) -> str:
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in INPUT_SUFFIXES:
        what = f"ends in {suffix!r}, which is no input" if suffix else "has no suffix"
        remedy = f"Name an input file with one of: {', '.join(sorted(INPUT_SUFFIXES))}."
        raise UnreadableError(Diagnostic(what, remedy, code=Code.UNSUPPORTED_FILE))
    return suffix


def _refuse_other_format(name: str, text: str, *, fasta: bool) -> None:
    """Raise UnreadableError for FASTA in a file that is named as YAML, and for YAML in one named as FASTA."""
    found = _AS_YAML.search(text) if fasta else _AS_FASTA.match(text)
    if found:
        held, other, suffix = ("YAML", "FASTA", ".yaml") if fasta else ("FASTA", "YAML", ".fasta")
        what = f"holds {held}, but its name says {other}"
        better = shorten(PurePosixPath(name).with_suffix(suffix).name)
        raise UnreadableError(
            Diagnostic(what, f"Rename it to {better}, and upload it again.", place=Place(1, 1))
        )


def _decode(content: bytes) -> str:
    """Return the text without byte order mark, and with line feeds. Raises UnreadableError."""
    if len(content) > MAX_INPUT_BYTES:
        what = f"has {len(content)} bytes; at most {MAX_INPUT_BYTES} are read"
        remedy = "Put alignments and structures in files of their own, and other predictions in other inputs."
        raise UnreadableError(Diagnostic(what, remedy, code=Code.TOO_LARGE))
    if packed := packed_by(content):
        raise UnreadableError(Diagnostic(f"is packed by {packed}", "Unpack it, and upload it again."))
    try:
        text = _plain(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        what = f"is not UTF-8 text (byte {error.start + 1} is 0x{content[error.start]:02x})"
        raise UnreadableError(
            Diagnostic(what, "Save it as plain text in UTF-8, and upload it again.")
        ) from None
    if not text.strip(" \t\n"):
        raise UnreadableError(Diagnostic("is empty", "Upload it again with its content."))
    if found := _CONTROL.search(text):
        before = text[: found.start()]
        place = Place(before.count("\n") + 1, found.start() - before.rfind("\n"))
        what = f"holds the control character 0x{ord(found.group()):02x}"
        raise UnreadableError(
            Diagnostic(what, "Save it as plain text in UTF-8, and upload it again.", place=place)
        )
    return text


def _plain(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
