"""Checks of the single texts of a Boltz-2 input: sequences, ids, codes, SMILES, file names.

Each check returns its value or raises an error whose words reach the person who uploaded the file.
"""

import re
import string

from pydantic_core import PydanticCustomError

from inputs.ccd import NO_ELEMENT, component, nearest
from inputs.filenames import why_not
from inputs.smiles import ParsedSmiles, Refusal, read_smiles
from inputs.suffixes import MSAS

PROTEIN = string.ascii_uppercase  # all of them: Boltz's own table reads B J O U X Z as unknown residues
DNA = "ACGTN"
RNA = "ACGUN"
CHAIN_ID = "^[A-Za-z0-9]{1,5}$"  # Boltz keeps five characters and drops the rest without a word
TEMPLATE_CHAIN = "^[!-~]{1,5}$"
CCD_CODE = "^[A-Z0-9]{1,5}$"
ATOM_NAME = "^[!-~]{1,4}$"
SMILES = "^[!-~]+$"

EMPTY_MSA = "empty"
"""Boltz's word for a protein without an MSA (single-sequence mode)."""

_NO_MSA = re.compile(
    r"empty|none|null|nil|nan|n/?a|no|off|false|0|-|~|no[-_ ]?msa|(msa|alignment)[-_ ]?free|without[-_ ]msa"
    r"|single([-_ ]?seq(uence)?)?([-_ ]mode)?",
    re.IGNORECASE,
)
"""What people and other programs write for a protein without an MSA."""


def wrong(what: str, remedy: str) -> PydanticCustomError:
    """Return an error that is reported word for word; ``what`` completes a sentence: the field ..."""
    return PydanticCustomError("boltz_input", "{what}", {"what": what, "remedy": remedy})


def means_no_msa(value: str) -> bool:
    """Return whether this is a word of people or of other programs for a protein without an MSA."""
    return value != EMPTY_MSA and (not value.strip() or _NO_MSA.fullmatch(value) is not None)


def no_msa(value: object, chain: str, *, fasta: bool, service: bool) -> PydanticCustomError:
    """Return the error of a protein that names no MSA, in whatever words; None where ``msa`` is left out."""
    single = f"Write `>{chain}|protein|{EMPTY_MSA}`" if fasta else f"Write `msa: {EMPTY_MSA}`"
    named = f"`>{chain}|protein|NAME.a3m`" if fasta else "`msa: NAME.a3m`"
    left_out = ", or leave it out for an alignment that is made for you" if service else ""
    remedy = f"{single} for single-sequence mode, or {named} and upload that file beside this one{left_out}."
    if value is None:
        return wrong("is missing, and no MSA service is switched on", remedy)
    return wrong(f"names no MSA; Boltz-2's word for none is `{EMPTY_MSA}`", remedy)


def check_protein(value: str) -> str:
    """Check a sequence of one-letter amino acids in capitals."""
    return _check_letters(value, PROTEIN, "a protein (A to Z)")


def check_dna(value: str) -> str:
    """Check a sequence of DNA in capitals."""
    return _check_letters(value, DNA, "DNA (A, C, G, T, N)")


def check_rna(value: str) -> str:
    """Check a sequence of RNA in capitals."""
    return _check_letters(value, RNA, "RNA (A, C, G, U, N)")


def check_chain_id(value: str) -> str:
    """Check a chain id: Boltz has to keep it whole, and mmCIF to hold it without quotes."""
    if not re.fullmatch(CHAIN_ID, value, re.ASCII):
        plain = re.sub("[^A-Za-z0-9]", "", value[:80])
        better = plain if re.fullmatch(CHAIN_ID, plain) else "A or B2"
        raise wrong("must be 1 to 5 letters or digits", f"Rename the chain, for example to {better}.")
    return value


def check_template_chain(value: str) -> str:
    """Check a chain id of a template; Boltz keeps five characters of it."""
    if not re.fullmatch(TEMPLATE_CHAIN, value):
        raise wrong("must be 1 to 5 characters without blanks", "Name a chain of the template, such as A1.")
    return value


def check_ccd_code(value: str) -> str:
    """Check a code of the Chemical Component Dictionary: Boltz opens a file of that name."""
    if not re.fullmatch(CCD_CODE, value, re.ASCII):
        what = "must be 1 to 5 capitals or digits"
        raise wrong(what, f"{_did_you_mean(value)}Write one code in capitals, such as ATP, SEP or MG.")
    try:
        found = component(value)
    except KeyError:
        remedy = f"{_did_you_mean(value)}Look it up at rcsb.org/ligand, or write the molecule as SMILES."
        raise wrong("is no code of the Chemical Component Dictionary", remedy) from None
    if found.polymer == NO_ELEMENT or not found.names:
        what = "is a component without atoms that Boltz-2 could predict"
        raise wrong(what, "Name the component that is really there, or write it as SMILES.")
    return value


def _did_you_mean(code: str) -> str:
    near = nearest(code)
    return f"Did you mean {near}? " if near else ""


def check_atom_name(value: str) -> str:
    """Check an atom name as the CCD has it, such as CA or O5'; Boltz keeps four characters."""
    if not re.fullmatch(ATOM_NAME, value):
        raise wrong("must be an atom name of 1 to 4 characters", "Use the name in the component's CIF file.")
    return value


def check_smiles(value: str) -> ParsedSmiles:
    """Check a SMILES, and return its molecule: RDKit has to read it, and Boltz to name its atoms."""
    if not re.fullmatch(SMILES, value):
        # RDKit would take what follows a blank for the molecule's name.
        what = "holds blanks or characters that SMILES does not have" if value else "is empty"
        raise wrong(what, "Write one SMILES without blanks, in 'single quotes'.")
    molecule = read_smiles(value)
    if isinstance(molecule, Refusal):
        raise wrong(molecule.what, molecule.remedy)
    return molecule


def check_msa(value: str) -> str:
    """Check the name of an alignment, or the word ``empty``."""
    if value == EMPTY_MSA:
        return value
    return _check_reference(value, *MSAS)


def check_cif(value: str) -> str:
    """Check the name of an mmCIF file."""
    return _check_reference(value, ".cif")


def check_pdb(value: str) -> str:
    """Check the name of a PDB file."""
    return _check_reference(value, ".pdb")


def _check_letters(value: str, letters: str, polymer: str) -> str:
    if not value:
        raise wrong("is empty", "Write the sequence in one-letter codes.")
    first = next(((at, char) for at, char in enumerate(value, 1) if char not in letters), None)
    if first:
        position, char = first
        raise wrong(f"has {char!a} at position {position}, no letter of {polymer}", _respell(char, letters))
    return value


def _respell(char: str, letters: str) -> str:
    if char.isspace():
        return "Write the sequence on one line, without blanks."
    if char.upper() in letters:
        return "Write it in capitals: Boltz-2 reads small letters as unknown residues."
    if char in "TU":
        return "Write T in DNA and U in RNA, or change the kind of the molecule."
    if char in "-*.":
        return "Remove gaps and stops: give the sequence that is really there."
    return f"Use only the letters {letters}."


def _check_reference(value: str, *suffixes: str) -> str:
    if wrong_name := why_not(value, *suffixes):
        raise wrong(*wrong_name)
    return value
