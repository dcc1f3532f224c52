"""Structures as Boltz 2.2.1 can read them: written anew in their place where it cannot.

It needs the sequence of each chain (SEQRES, entity_poly_seq), which modelling programs leave out, the same
residues in it as among the atoms, one model, and a component for every residue and ligand, although it takes
nothing but proteins from a template. What is written has the proteins of the first model alone, and
their sequences, which are those of the atoms where none or another one is given.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import gemmi

from inputs.ccd import component
from inputs.suffixes import kind
from inputs.template import Chain
from inputs.tree import shorten
from schemas.reason import reason

MOST_MISSING = 100
"""Most residues that a break of the chain may stand for, by the numbers on its sides."""

BOND = 2.0
"""Longest distance of a peptide bond's C and N that is none of a break, in ångström; 1.33 is normal."""

_FORCE_FIELDS = {
    **dict.fromkeys(("HID", "HIE", "HIP", "HSD", "HSE", "HSP"), "HIS"),
    **dict.fromkeys(("CYX", "CYM"), "CYS"),
    "ASH": "ASP",
    "GLH": "GLU",
    "LYN": "LYS",
}
"""Names of residues by their protons, in AMBER and CHARMM; the dictionary has others of the same name."""

_TOLD = 5
"""Most codes of residues that are named."""

_UNKNOWN = "UNK"
_SEQRES, _LINE = b"SEQRES", 80


class StructureError(Exception):
    """A file that cannot be read as a structure."""


class Protein(NamedTuple):
    """A protein of a structure: its names, and its sequence in one-letter codes."""

    chain: Chain
    sequence: str


class Readable(NamedTuple):
    """The proteins of a structure that Boltz can read now, and what was done to it, in words."""

    proteins: tuple[Protein, ...]
    done: tuple[str, ...]


def repair(path: Path) -> Readable:
    """Write a structure anew where Boltz could not read it as it is. Raises StructureError."""
    try:
        _fill_up(path)
        structure = _read(path)
        named = _named(structure)
        done = tuple(_done(structure))
        if done or not named:
            _write(_proteins(structure, named=named), path)
            structure = _read(path)
        return Readable(tuple(_found(structure)), tuple(filter(None, done)))
    except UnicodeDecodeError as error:
        raise StructureError("it is not UTF-8 text") from error
    except (RuntimeError, ValueError) as error:  # gemmi's
        raise StructureError(shorten(reason(error).replace(str(path), path.name), 200)) from error


def _fill_up(path: Path) -> None:
    """Fill up the lines of a PDB file's sequences: in a short one gemmi 0.6.5 reads on in the one before."""
    lines = path.read_bytes().splitlines(keepends=True) if kind(path.name).format == "PDB" else []
    if any(line.startswith(_SEQRES) and len(line) < _LINE for line in lines):
        filled = (line.rstrip().ljust(_LINE) + b"\n" if line.startswith(_SEQRES) else line for line in lines)
        path.write_bytes(b"".join(filled))


def _read(path: Path) -> gemmi.Structure:
    """Read a structure as Boltz does: parse_pdb and parse_mmcif of boltz/data/parse."""
    if kind(path.name).format == "PDB":
        structure = gemmi.read_structure(str(path))
    else:
        structure = gemmi.make_structure_from_block(gemmi.cif.read(str(path))[0])
    if not len(structure):
        raise StructureError("it has no atoms")
    if kind(path.name).format == "PDB":
        structure.setup_entities()
        _rename(structure)
    structure.merge_chain_parts()
    structure.remove_waters()
    structure.remove_hydrogens()
    structure.remove_alternative_conformations()
    structure.remove_empty_chains()
    return structure


def _rename(structure: gemmi.Structure) -> None:
    """Name the parts of a PDB file's chains as Boltz does: A1 is the first one of chain A."""
    names = dict[str, str]()
    for chain in structure[0]:
        count = 0
        for residue in chain:
            if residue.subchain not in names:
                count += 1
                names[residue.subchain] = f"{chain.name}{count}"
            residue.subchain = names[residue.subchain]
    for entity in structure.entities:
        entity.subchains = [names.get(each, each) for each in entity.subchains]


def _entities(structure: gemmi.Structure) -> Mapping[str, gemmi.Entity]:
    return {subchain: entity for entity in structure.entities for subchain in entity.subchains}


def _protein(entities: Mapping[str, gemmi.Entity], part: gemmi.ResidueSpan) -> gemmi.Entity | None:
    """Return the entity of a part of a chain if that is a protein to Boltz."""
    entity = entities.get(part.subchain_id())
    if entity is None or entity.entity_type != gemmi.EntityType.Polymer:
        return None
    return entity if entity.polymer_type == gemmi.PolymerType.PeptideL else None


def _found(structure: gemmi.Structure) -> Iterator[Protein]:
    entities = _entities(structure)
    for chain in structure[0]:
        for part in chain.subchains():
            if entity := _protein(entities, part):
                name = Chain(part.subchain_id(), chain.name)
                yield Protein(name, gemmi.one_letter_code(_first(entity)))


def _first(entity: gemmi.Entity) -> list[str]:
    """Return a sequence with the first residue of each place that has several."""
    return [gemmi.Entity.first_mon(each) for each in entity.full_sequence]


def _done(structure: gemmi.Structure) -> Iterator[str]:
    """Yield why a structure is written anew, in words that say what is done; "" for what changes nothing."""
    entities = _entities(structure)
    parts = [(part, _protein(entities, part)) for part in structure[0].subchains()]
    if len(structure) > 1:
        yield f"the first of its {len(structure):,} models was used"
    if not all(entity and _is_right(entity, part) for part, entity in parts):
        yield ""
    others = (residue for part, entity in parts if not entity for residue in part)
    if left_out := {residue.name for residue in others if len(residue) > 1}:
        yield f"nothing but its proteins was used (not {_listed(left_out)})"
    residues = (residue for part, entity in parts if entity for residue in part)
    if unknown := {residue.name for residue in residues if not _is_known(residue.name)}:
        yield f"residues that no dictionary has were read as unknown ones ({_listed(unknown)})"


def _listed(codes: set[str]) -> str:
    more = f" and {len(codes) - _TOLD} others" if len(codes) > _TOLD else ""
    return ", ".join(sorted(codes)[:_TOLD]) + more


def _is_known(code: str) -> bool:
    try:
        component(code)
    except KeyError:
        return False
    return True


def _is_right(entity: gemmi.Entity, part: gemmi.ResidueSpan) -> bool:
    return all(_standard(residue) == residue.name for residue in part) and _agrees(entity, part)


def _standard(residue: gemmi.Residue) -> str:
    """Return the name of a residue, for one that is named as in a force field the dictionary's."""
    name = _FORCE_FIELDS.get(residue.name)
    return name if name and {atom.name for atom in residue} <= {*component(name).names} else residue.name


def _agrees(entity: gemmi.Entity, part: gemmi.ResidueSpan) -> bool:
    """Return whether a sequence has the residues that are there, as Boltz aligns the two."""
    sequence = _first(entity)
    if not sequence or not all(map(_is_known, sequence)):
        return False
    aligned = gemmi.align_sequence_to_polymer(sequence, part, entity.polymer_type, gemmi.AlignmentScoring())
    return aligned.match_string.count("|") == len(part)


def _named(structure: gemmi.Structure) -> bool:
    """Return whether all parts of chains belong to entities; have gemmi find those that are there if not."""
    entities = _entities(structure)
    if all(part.subchain_id() in entities for part in structure[0].subchains()):
        return True
    structure.add_entity_types(overwrite=True)
    structure.assign_subchains(force=True)  # Biopython has a chain's ligands and waters under its name, too
    structure.ensure_entities()
    return False


def _proteins(structure: gemmi.Structure, *, named: bool) -> gemmi.Structure:
    """Return the proteins of the first model, each with its sequence; ``named``: the parts have own names."""
    entities = _entities(structure)
    proteins, model = gemmi.Structure(), gemmi.Model("1")
    for chain in structure[0]:
        for part in chain.subchains():
            if entity := _protein(entities, part):
                name = part.subchain_id() if named else chain.name
                proteins.entities.append(_add(model, chain.name, part, entity, name))
    proteins.add_model(model)
    proteins.assign_label_seq_id()
    return proteins


def _add(
    model: gemmi.Model, author: str, part: gemmi.ResidueSpan, entity: gemmi.Entity, name: str
) -> gemmi.Entity:
    """Add a copy of a protein to a model; return its entity."""
    chain = gemmi.Chain(author)
    for residue in part:
        copy = chain.add_residue(residue)
        copy.name = _read_as(_standard(copy))
        copy.subchain, copy.entity_type = name, gemmi.EntityType.Polymer
    added = model.add_chain(chain)
    own = gemmi.Entity(name)
    own.entity_type, own.polymer_type, own.subchains = entity.entity_type, entity.polymer_type, [name]
    own.full_sequence = [_read_as(code) for code in _first(entity)]
    if not _agrees(own, added.whole()):
        own.full_sequence = _sequence(added)
    return own


def _read_as(code: str) -> str:
    return code if _is_known(code) else _UNKNOWN


def _sequence(chain: gemmi.Chain) -> list[str]:
    """Return the residues of a chain, with unknown ones where some are missing."""
    codes = list[str]()
    before = None
    for residue in chain:
        codes += [_UNKNOWN] * (_missing(before, residue) if before else 0)
        codes.append(residue.name)
        before = residue
    return codes


def _missing(before: gemmi.Residue, after: gemmi.Residue) -> int:
    """Return how many residues are missing between two, by their numbers, unless the two are bound."""
    count = (after.seqid.num or 0) - (before.seqid.num or 0) - 1
    carbon, nitrogen = before.find_atom("C", "*"), after.find_atom("N", "*")
    bound = carbon and nitrogen and carbon.pos.dist(nitrogen.pos) < BOND
    return count if 0 < count <= MOST_MISSING and not bound else 0


def _write(structure: gemmi.Structure, path: Path) -> None:
    if kind(path.name).format == "PDB":
        structure.write_pdb(str(path))
    else:
        structure.make_mmcif_document().write_file(str(path))
