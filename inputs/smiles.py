"""Reads a SMILES with RDKit as Boltz-2 does, or says in plain words why it cannot be used.

Boltz-2 names a ligand's atoms SYMBOL + canonical rank, hydrogens included, in four characters. Limits come
before whatever could take long: RDKit needs about 0.2 s at most for a SMILES within them. Nothing here draws
from RDKit's random generator, which all of a process shares.
"""

import logging
import re
import threading
from functools import lru_cache
from typing import Any, NamedTuple

from rdkit import Chem, rdBase

from schemas.reason import reason

MAX_LETTERS = 2_000
"""Longest SMILES; those of 999 atoms are shorter unless each atom is in brackets."""

MAX_ATOMS = 999
"""Most atoms, hydrogens included: the name of the thousandth would have five characters at least."""

MAX_RINGS = 50
"""Largest cyclomatic number. Buckminsterfullerene has 31; the time grows by more than its square."""

MAX_MESSAGES = 20
MAX_NAME = 4
LAST_ELEMENT = 118

_WORDS = {
    "unclosed ring": "opens a ring that it does not close",
    "duplicated ring closure": "closes a ring between two atoms that are bound already",
    "extra open parentheses": "opens a parenthesis that it does not close",
    "extra close parentheses": "closes a parenthesis that it did not open",
}
"""Plain words for the messages of RDKit's parser."""

_POSITION = re.compile(r"around position (\d+)")
_SPELLING = "Check it with the program that it comes from; in YAML write it in 'single quotes'."


class ParsedSmiles(NamedTuple):
    """The molecule of a SMILES: Boltz-2's names of the heavy atoms, and their elements' symbols.

    ``counted`` is the number of atoms that the affinity's limit counts: isotopes of hydrogen are among them.
    ``stereo`` counts the atoms whose hand the SMILES gives, and the double bonds whose sides it gives.
    """

    names: tuple[str, ...]
    elements: tuple[str, ...]
    counted: int
    stereo: int


class Refusal(NamedTuple):
    """The reason why a SMILES cannot be used; ``what`` completes a sentence that begins with the field."""

    what: str
    remedy: str


class _RefusedError(Exception):
    """A SMILES cannot be used."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.refusal = Refusal(what, remedy)


@lru_cache(maxsize=256)  # each is read for the grammar, for the checks, and for the count of tokens
def read_smiles(smiles: str) -> ParsedSmiles | Refusal:
    """Return the molecule of printable characters without blanks, or why they cannot be used."""
    try:
        return _read(smiles)
    except _RefusedError as error:
        return error.refusal
    except (RuntimeError, ValueError) as error:  # RDKit's own, such as an isotope that it has no room for
        return Refusal(f"cannot be read by RDKit ({reason(error)[:100]})", _SPELLING)


def _read(smiles: str) -> ParsedSmiles:
    if len(smiles) > MAX_LETTERS:
        raise _RefusedError(f"has {len(smiles)} characters; at most {MAX_LETTERS} are read", _SPLIT)
    graph = _parsed(smiles)
    _check(graph)
    molecule = Chem.MolFromSmiles(smiles)
    if molecule is None:
        raise _impossible(graph)
    return _named(Chem.AddHs(molecule))


_SPLIT = "Give a smaller molecule; a long peptide or nucleic acid belongs into a protein, dna or rna entry."


def _parsed(smiles: str) -> Any:  # noqa: ANN401 (RDKit has no annotations)
    _said.messages = []
    graph: Any = Chem.MolFromSmiles(smiles, sanitize=False)  # None, which the stubs leave out
    if graph is None:
        text = " ".join(_said.messages)
        known = next((plain for words, plain in _WORDS.items() if words in text), None)
        at = _POSITION.search(text)
        where = f" at character {at[1]}" if at else ""
        raise _RefusedError(known or f"is no SMILES: it breaks the syntax{where}", _SPELLING)
    return graph


def _check(graph: Any) -> None:  # noqa: ANN401 (RDKit has no annotations)
    numbers = [atom.GetAtomicNum() for atom in graph.GetAtoms()]
    fragments = len(Chem.GetMolFrags(graph))
    rings = graph.GetNumBonds() - len(numbers) + fragments
    if not any(number > 1 for number in numbers) and 0 not in numbers:
        raise _RefusedError(
            "has no atom but hydrogen, which Boltz-2 leaves out", "Give a molecule, or remove the entry."
        )
    if 0 in numbers or max(numbers) > LAST_ELEMENT:
        raise _RefusedError("has an atom of no element, such as *", "Write the atoms that are really there.")
    if fragments > 1:
        what = f"is of {fragments} separate molecules, which Boltz-2 would put on top of each other"
        raise _RefusedError(what, "Give each molecule an entry of its own, and leave out what does not bind.")
    if len(numbers) > MAX_ATOMS:
        raise _too_many(len(numbers))
    if rings > MAX_RINGS:
        raise _RefusedError(f"has {rings} rings; at most {MAX_RINGS} are read", _SPLIT)


def _impossible(graph: Any) -> _RefusedError:  # noqa: ANN401 (RDKit has no annotations)
    """Return the error of the atom that RDKit's chemistry refuses; atoms count from 1, as in the SMILES."""
    problem: Any = next(iter(Chem.DetectChemistryProblems(graph)), None)
    kind = problem.GetType() if problem else ""
    if kind == "AtomValenceException":
        atom = graph.GetAtomWithIdx(problem.GetAtomIdx())
        what = f"gives atom {atom.GetIdx() + 1} ({atom.GetSymbol()}) more bonds than it can have"
        return _RefusedError(what, "Remove a bond, or write the atom's charge, such as [N+].")
    remedy = "Write the hydrogen of a ring, such as [nH], or capitals with double bonds."
    if kind == "AtomKekulizeException":
        return _RefusedError(f"has the aromatic atom {problem.GetAtomIdx() + 1} outside of a ring", remedy)
    if kind == "KekulizeException":
        atoms = ", ".join(str(index + 1) for index in problem.GetAtomIndices()[:10])
        return _RefusedError(
            f"has an aromatic ring whose double bonds do not alternate (atoms {atoms})", remedy
        )
    return _RefusedError(
        f"describes no possible molecule ({problem.Message() if problem else 'no reason given'})", _SPELLING
    )


def _named(molecule: Any) -> ParsedSmiles:  # noqa: ANN401 (RDKit has no annotations)
    """Return the molecule, named as in boltz/data/parse/schema.py, of a graph with explicit hydrogens."""
    if molecule.GetNumAtoms() > MAX_ATOMS:
        raise _too_many(molecule.GetNumAtoms())
    symbols = [atom.GetSymbol() for atom in molecule.GetAtoms()]
    ranks = Chem.CanonicalRankAtoms(molecule)
    names = [f"{symbol.upper()}{rank + 1}" for symbol, rank in zip(symbols, ranks, strict=True)]
    if long := next((name for name in names if len(name) > MAX_NAME), None):
        what = f"has {len(names)} atoms; Boltz-2 would call one {long}, which is over {MAX_NAME} characters"
        raise _RefusedError(what, "Give a smaller one: with elements of two letters, fewer than 100 atoms.")
    kept = Chem.RemoveHs(molecule, sanitize=False)
    heavy = [(name, symbol) for name, symbol in zip(names, symbols, strict=True) if symbol != "H"]
    if len(heavy) == 1 and kept.GetAtomWithIdx(0).GetSymbol() == "H":
        what = "begins with an isotope of hydrogen, which Boltz-2 would take for the whole molecule"
        raise _RefusedError(what, f"Leave isotopes out: write {heavy[0][1]} first, and H for [2H].")
    return ParsedSmiles(
        tuple(name for name, _ in heavy),
        tuple(symbol for _, symbol in heavy),
        kept.GetNumAtoms(),
        _stereo(molecule),
    )


def _stereo(molecule: Any) -> int:  # noqa: ANN401 (RDKit has no annotations)
    """Count what the SMILES gives; RDKit has left out by now what makes no difference."""
    hands = [atom for atom in molecule.GetAtoms() if atom.GetChiralTag() != Chem.CHI_UNSPECIFIED]
    sides = [bond for bond in molecule.GetBonds() if bond.GetStereo() > Chem.BondStereo.STEREOANY]
    return len(hands) + len(sides)


def _too_many(atoms: int) -> _RefusedError:
    return _RefusedError(f"has {atoms} atoms; Boltz-2 can name {MAX_ATOMS}, hydrogens included", _SPLIT)


class _Listener(logging.Handler):
    """Keeps the messages of RDKit for the thread that reads a SMILES."""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message, unless this thread reads no SMILES, as when Boltz uses RDKit."""
        if hasattr(_said, "messages") and len(_said.messages) < MAX_MESSAGES:
            _said.messages.append(record.getMessage())


_said = threading.local()
rdBase.LogToPythonLogger()  # else straight to stderr, from where no reason could be read
logging.getLogger("rdkit").propagate = False
logging.getLogger("rdkit").handlers = [_Listener()]
