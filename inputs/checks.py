"""Checks across a Boltz-2 input: ids, shared sequences, templates, affinity.

Constraints are in constraints.py.

Each check is a generator of problems over a document that keeps to the grammar; a new one is added to CHECKS.
They find what Boltz 2.2.1 refuses late, or silently reads otherwise than it is written.
"""

import posixpath
from collections.abc import Callable, Iterator
from itertools import chain as chained
from itertools import islice
from pathlib import PurePosixPath

from inputs.ccd import component
from inputs.constraints import chains, constraints, unknown_chain
from inputs.grammar import BoltzInput, Entry, Ligand, Polymer, Protein, Template
from inputs.msa import can_share, letters
from inputs.tokens import count_tokens, read_valid
from inputs.tree import MAX_PROBLEMS, Diagnostic, Loc, shorten
from inputs.values import EMPTY_MSA

MAX_AFFINITY_ATOMS = 128
"""Most atoms of a binder. Hydrogens count in a CCD component; in a SMILES, to Boltz, only isotopes do."""

MAX_AFFINITY_BORONS = 7
NOT_FOR_AFFINITY = (
    "Sc Ti V Cr Mn Fe Co Ni Cu Ga Ge Y Zr Nb Mo Tc Ru Rh Pd Cd In Sn Sb Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi "
    "Po La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr"
)
"""Elements that a binder's SMILES cannot have: chembl_structure_pipeline, which standardises it, refuses."""

_OTHERWISE = {
    "modifications": "write X (in DNA and RNA N) in the sequence for a residue that is modified in one of "
    "them: it is replaced all the same, and the sequences differ"
}
"""What else to do where chains of one sequence differ."""

_RESIDUES = {"P": "a protein", "N": "a nucleic acid"}

Check = Callable[[BoltzInput], Iterator[Diagnostic]]


def problems(document: BoltzInput) -> list[Diagnostic]:
    """Return the problems that the checks find, at most MAX_PROBLEMS + 1."""
    found = chained.from_iterable(check(document) for check in CHECKS)
    return list(islice(found, MAX_PROBLEMS + 1))


def unique_chains(document: BoltzInput) -> Iterator[Diagnostic]:
    """Require that a chain id names one chain; Boltz lets the last one win."""
    seen: set[str] = set()
    for at, entry in enumerate(document.sequences):
        for chain in entry.molecule.id:
            if chain in seen:
                loc = ("sequences", at, entry.kind, "id")
                yield Diagnostic(
                    f"names chain {chain} a second time", "Give every chain its own id.", loc, chain
                )
            seen.add(chain)


def more_than_one_token(document: BoltzInput) -> Iterator[Diagnostic]:
    """Require two residues or atoms of ligands: scores are of pairs, and of one Boltz writes NaN."""
    if count_tokens(document) == 1:
        what = "hold a single residue or atom; Boltz-2 scores pairs of them, and there is none"
        yield Diagnostic(what, "Add the molecules that it is to be predicted with.", ("sequences",))


def same_sequence(document: BoltzInput) -> Iterator[Diagnostic]:
    """Require that chains of one sequence agree in all else: Boltz takes it from the first of them."""
    first: dict[tuple[str, str], tuple[str, dict[str, object]]] = {}
    for at, entry in enumerate(document.sequences):
        polymer = entry.molecule
        if isinstance(polymer, Polymer):
            settings = _settings(polymer)
            chain, wanted = first.setdefault((entry.kind, polymer.sequence), (polymer.id[0], settings))
            for key in settings:
                if settings[key] != wanted[key]:
                    yield _differs(("sequences", at, entry.kind, key), chain, key)


def _settings(polymer: Polymer) -> dict[str, object]:
    return {
        "msa": polymer.msa if isinstance(polymer, Protein) else None,
        "modifications": frozenset(polymer.modifications),
        "cyclic": polymer.cyclic,
    }


def _differs(loc: Loc, other: str, key: str) -> Diagnostic:
    what = f"differs from that of chain {other}, which has the same sequence; Boltz-2 would use one for both"
    remedy = f"Give both the same `{key}`, or {_OTHERWISE.get(key, 'predict them in separate files')}."
    return Diagnostic(what, remedy, loc)


def ligand_texts(document: BoltzInput) -> Iterator[Diagnostic]:
    """Refuse a SMILES and a CCD code of the same letters (CO: methanol, cobalt): one molecule to Boltz."""
    first: dict[str, str] = {}
    for at, entry in enumerate(document.sequences):
        if isinstance(entry.molecule, Ligand):
            key, written = entry.molecule.kind, ligand_text(entry.molecule)
            if first.setdefault(written, key) != key:
                what = (
                    f"has the same letters as a `{first[written]}` before it; Boltz-2 would use one for both"
                )
                remedy = "Write the SMILES in another way, such as OC for CO."
                yield Diagnostic(what, remedy, ("sequences", at, "ligand", key), written)


def ligand_text(ligand: Ligand) -> str:
    """Return the text by which Boltz groups the copies of a ligand."""
    return ligand.smiles or ",".join(ligand.ccd or ())


def one_msa_source(document: BoltzInput) -> Iterator[Diagnostic]:
    """Require all MSAs from files or all from the service; ``empty`` goes with both."""
    proteins = [(at, entry.protein) for at, entry in enumerate(document.sequences) if entry.protein]
    if any(protein.msa not in {None, EMPTY_MSA} for _, protein in proteins):
        for at, protein in proteins:
            if protein.msa is None:
                what = "is missing while other proteins name a file; Boltz-2 does not mix the two"
                remedy = "Add `msa: NAME.a3m` or `msa: empty` here, or leave `msa` out everywhere."
                yield Diagnostic(what, remedy, ("sequences", at, "protein", "msa"))


def shared_msas(document: BoltzInput) -> Iterator[Diagnostic]:
    """Require that chains of different sequences have MSAs of their own: each begins with one of the two."""
    first: dict[str, tuple[str, str]] = {}
    for at, entry in enumerate(document.sequences):
        protein = entry.protein
        if protein and protein.msa and protein.msa != EMPTY_MSA:
            own = letters(protein)
            chain, other = first.setdefault(posixpath.normpath(protein.msa), (protein.id[0], own))
            if not can_share(own, other):
                what = f"is also that of chain {chain}, which has another sequence"
                remedy = "Give each of the two a file of its own, whose first row is or holds its sequence."
                yield Diagnostic(what, remedy, ("sequences", at, "protein", "msa"), protein.msa)


def modifications(document: BoltzInput) -> Iterator[Diagnostic]:
    """Require that a modification fits its chain, is at a residue of it, and alone there."""
    for at, entry in enumerate(document.sequences):
        polymer = entry.molecule
        if isinstance(polymer, Polymer):
            loc = ("sequences", at, entry.kind, "modifications")
            yield from _positions(loc, polymer)
            yield from _replacements(loc, polymer, "P" if entry.protein else "N")


def _positions(loc: Loc, polymer: Polymer) -> Iterator[Diagnostic]:
    length, seen = len(polymer.sequence), set[int]()
    for index, modification in enumerate(polymer.modifications):
        position = modification.position
        here = (*loc, index, "position")
        if position > length:
            what = f"is {position}, but the sequence has {length} residues"
            yield Diagnostic(what, f"Give a position from 1 to {length}.", here, str(position))
        elif position in seen:
            yield Diagnostic("is modified a second time", "Keep one of the two.", here, str(position))
        seen.add(position)


def _replacements(loc: Loc, polymer: Polymer, wanted: str) -> Iterator[Diagnostic]:
    for index, modification in enumerate(polymer.modifications):
        found = component(modification.ccd)
        here = (*loc, index, "ccd")
        if found.polymer in _RESIDUES and found.polymer != wanted:
            what = (
                f"is {found.code}, a residue of {_RESIDUES[found.polymer]}; the chain is {_RESIDUES[wanted]}"
            )
            yield Diagnostic(what, "Name the residue that is there, or change the chain.", here, found.code)
        elif not found.bound:
            what = f"is {found.code}, of which nothing is left when it is bound into a chain"
            yield Diagnostic(what, "Give it as a ligand.", here, found.code)


def templates(document: BoltzInput) -> Iterator[Diagnostic]:
    """Require for templates proteins of the file, as many chains on both sides, and distinct file stems."""
    known, files = chains(document), dict[str, str]()
    if document.templates and not any(entry.protein for entry in document.sequences):
        what = "is there, but the file has no protein"
        yield Diagnostic(what, "Remove it: only proteins take templates.", ("templates",))
    for at, template in enumerate(document.templates):
        loc = ("templates", at)
        yield from _template_chains(loc, template, known)
        yield from _template_settings(loc, template)
        other = files.setdefault(PurePosixPath(template.file).stem, template.file)
        if other != template.file:
            what = f"has the stem of {shorten(other)}; Boltz-2 would use one file for both"
            yield Diagnostic(what, "Rename one of the two files.", (*loc, template.kind), template.file)


def _template_chains(loc: Loc, template: Template, known: dict[str, Entry]) -> Iterator[Diagnostic]:
    for chain in template.chain_id or ():
        if chain not in known:
            yield unknown_chain((*loc, "chain_id"), chain, known)
        elif not known[chain].protein:
            what = f"names chain {chain}, which is a {known[chain].kind} chain"
            yield Diagnostic(
                what, "Name protein chains: only they take templates.", (*loc, "chain_id"), chain
            )


def _template_settings(loc: Loc, template: Template) -> Iterator[Diagnostic]:
    ours, theirs = template.chain_id, template.template_id
    if ours and theirs and len(ours) != len(theirs):
        what = f"names {len(theirs)} chains for {len(ours)} in chain_id"
        yield Diagnostic(what, "Name as many chains of the template as of this file.", (*loc, "template_id"))
    if template.force and template.threshold is None:
        remedy = "Add `threshold:` with the deviation in ångström that you allow, or remove `force`."
        yield Diagnostic("is missing, and force needs it", remedy, (*loc, "threshold"))


def affinity(document: BoltzInput) -> Iterator[Diagnostic]:
    """Require as binder a ligand of one residue, in one copy, that Boltz can standardise."""
    known = chains(document)
    for at, wanted in enumerate(document.properties):
        if wanted.affinity:
            loc, binder = ("properties", at, "affinity", "binder"), wanted.affinity.binder
            if binder not in known:
                yield unknown_chain(loc, binder, known)
            elif complaint := _not_one_ligand(document, known[binder]) or _unfit(known[binder].molecule):
                remedy = "Name a small ligand of one molecule with a single copy, or remove `properties`."
                yield Diagnostic(f"is {binder}, {complaint}", remedy, loc, binder)


def _not_one_ligand(document: BoltzInput, entry: Entry) -> str | None:
    if not entry.ligand:
        return f"a {entry.kind} chain; Boltz-2 computes the affinity of ligands"
    if len(entry.ligand.ccd or ()) > 1:
        return "a ligand of several residues"
    ligands = [other.ligand for other in document.sequences if other.ligand]
    same = [other for other in ligands if ligand_text(other) == ligand_text(entry.ligand)]
    copies = sum(len(other.id) for other in same)
    return f"a ligand of which there are {copies} copies" if copies > 1 else None


def _unfit(ligand: Polymer | Ligand) -> str | None:
    if not isinstance(ligand, Ligand):
        return None
    if ligand.ccd:
        return _too_many_atoms(component(ligand.ccd[0]).atoms, "hydrogens included")
    molecule = read_valid(ligand)
    if excluded := sorted(set(NOT_FOR_AFFINITY.split()).intersection(molecule.elements)):
        return f"which holds {excluded[0]}; Boltz-2 computes no affinity of such metals"
    if molecule.elements.count("B") > MAX_AFFINITY_BORONS:
        return f"which holds more than {MAX_AFFINITY_BORONS} boron atoms"
    return _too_many_atoms(molecule.counted, "without hydrogens")


def _too_many_atoms(count: int, counted: str) -> str | None:
    if count <= MAX_AFFINITY_ATOMS:
        return None
    return (
        f"which has {count} atoms, {counted}; Boltz-2 computes the affinity of at most {MAX_AFFINITY_ATOMS}"
    )


CHECKS: tuple[Check, ...] = (
    unique_chains,
    more_than_one_token,
    same_sequence,
    ligand_texts,
    one_msa_source,
    shared_msas,
    modifications,
    constraints,
    templates,
    affinity,
)
