"""Templates as people have them, made such that Boltz 2.2.1 reads them, or refused by the name of a chain."""

import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from inputs.grammar import BoltzInput, Template
from inputs.template import without_chain
from inputs.tree import shorten
from schemas.failure import Code, FailedError, Failure
from worker.repair import structures
from worker.repair.structures import Protein, Readable, StructureError
from worker.repair.ungapped import assigned, unused


class Repaired(NamedTuple):
    """A document whose templates Boltz can read, and what people should know."""

    document: BoltzInput
    warnings: tuple[str, ...]


def repair(document: BoltzInput, folder: Path) -> Repaired:
    """Repair the templates of a document in a folder, and name their chains as Boltz does.

    Raises FailedError.
    """
    names = dict.fromkeys(posixpath.normpath(template.file) for template in document.templates)
    files = {name: _readable(name, folder) for name in names}
    warnings = [f"Of the template {shorten(name)} {done}." for name in files for done in files[name].done]
    templates = []
    for at, template in enumerate(document.templates):
        proteins = files[posixpath.normpath(template.file)].proteins
        templates.append(_named(at, template, proteins))
        warnings += _taken_by_label(template, proteins)
        warnings += _unused(document, templates[-1], proteins)
    if tuple(templates) != document.templates:
        document = document.model_copy(update={"templates": tuple(templates)})
    return Repaired(document, tuple(warnings))


def _readable(name: str, folder: Path) -> Readable:
    try:
        found = structures.repair(folder / name)
    except StructureError as error:
        raise FailedError(_unusable(name, f"cannot be read: {error}")) from error
    if not found.proteins:
        raise FailedError(_unusable(name, "has no protein of L-amino acids"))
    return found


def _unusable(name: str, what: str) -> Failure:
    return Failure(
        code=Code.INVALID_INPUT,
        message=f"The template {shorten(name, 300)} {what}.",
        value=name,
        remedy="Upload a structure of a protein under this name, or remove it from `templates`.",
    )


def _named(at: int, template: Template, proteins: tuple[Protein, ...]) -> Template:
    """Return a template with Boltz's names for its chains. Raises FailedError."""
    if template.template_id is None:
        return template
    names = tuple(_name(each, proteins) for each in template.template_id)
    for asked, name in zip(template.template_id, names, strict=True):
        if name is None:
            there = (each.chain for each in proteins)
            raise FailedError(without_chain(template.file, asked, there, at))
    if names == template.template_id:
        return template
    return template.model_copy(update={"template_id": names})


def _name(asked: str, proteins: tuple[Protein, ...]) -> str | None:
    """Return Boltz's name of the chain that has this name to Boltz, or is the only one that has it at all."""
    chains = [each.chain for each in proteins]
    if any(chain.name == asked for chain in chains):
        return asked
    by_author = [chain.name for chain in chains if chain.author == asked]
    return by_author[0] if len(by_author) == 1 else None


def _taken_by_label(template: Template, proteins: tuple[Protein, ...]) -> Iterator[str]:
    """Tell of a name that is one chain's label and another chain's name by the author: the label counts."""
    chains = [each.chain for each in proteins]
    for asked in dict.fromkeys(template.template_id or ()):
        taken = next((chain for chain in chains if chain.name == asked), None)
        others = [chain.name for chain in chains if chain.author == asked and chain != taken]
        if taken and others:
            yield (
                f"Chain {asked} of the template {shorten(template.file)} was taken by its label: its author "
                f"calls it {shorten(taken.author, 20)}, and the one with the label {others[0]} {asked}."
            )


def _unused(document: BoltzInput, template: Template, proteins: tuple[Protein, ...]) -> Iterator[str]:
    known = [entry.protein for entry in document.sequences if entry.protein]
    sequences = {chain: protein.sequence for protein in known for chain in protein.id}
    for ours, theirs in _pairs(template, sequences, proteins):
        if left := unused(sequences[ours], theirs.sequence):
            yield (
                f"Boltz-2 aligns templates without gaps: of {shorten(template.file)} chain {ours} takes its "
                f"residues {left.first} to {left.last}. {left.others} more are equal in chain "
                f"{theirs.chain.author}, and are not used: between them one of the two has residues that the "
                "other lacks."
            )


def _pairs(
    template: Template, sequences: Mapping[str, str], proteins: tuple[Protein, ...]
) -> Iterator[tuple[str, Protein]]:
    """Yield the chains of a document, and the proteins of a template that Boltz has them take."""
    by_name = {each.chain.name: each for each in proteins}
    ours = template.chain_id or tuple(sequences)
    theirs = [by_name[name] for name in template.template_id or by_name]
    if template.chain_id and template.template_id:
        yield from zip(ours, theirs, strict=True)
    else:
        places = assigned([sequences[each] for each in ours], [each.sequence for each in theirs])
        yield from ((ours[one], theirs[other]) for one, other in places)
