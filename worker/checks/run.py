"""Checks all samples of a prediction. Runs in a child process, beside the device."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from inputs.grammar import BoltzInput
from schemas import outputs
from schemas.checks import MAX_OUTLIERS, CheckedSample, ChecksReport, Outlier, Verdict
from schemas.options import Options
from schemas.outputs import SUFFIXES
from worker.checks.asked import Asked, asked, asked_bonds, findings
from worker.checks.atoms import Atoms, Wanted, assembled, cyclic, read, wanted
from worker.checks.confidence import interfaces
from worker.checks.contacts import contacts
from worker.checks.covalent import covalent
from worker.checks.found import Found, Ints, UncheckedError
from worker.checks.molecules import Molecules
from worker.checks.polymers import Link, backbone, bonds, links, peptides

MAX_UNCHECKED = 3
"""Things that could not be checked that are named; the others are counted."""

DIGITS = 3


class Asking(NamedTuple):
    """What to check.

    ``files`` are those of a prediction by public name, in Boltz-2's order of confidence. ``molecules`` is a
    pickle of ``{code: molecule}``: the input's own SMILES with the atoms' names that Boltz-2 gave them.
    ``components`` is the folder of its ``CODE.pkl``.
    """

    document: BoltzInput
    options: Options
    files: Mapping[str, Path]
    molecules: Path
    components: Path


class Checked(NamedTuple):
    """What was found in a structure, what became of its constraints, and what could not be checked."""

    found: Sequence[Found]
    asked: Sequence[Asked]
    unchecked: Sequence[str]


def check(asking: Asking) -> ChecksReport:
    """Return what is found in each sample, in the order of the files; ``best_first`` sorts them.

    Raises nothing about a structure: what cannot be checked is said of its sample.
    """
    expected, unknown = wanted(
        asking.document, Molecules(asking.document, asking.molecules, asking.components)
    )
    ranks = range(asking.options.samples)
    return ChecksReport(samples=tuple(_sample(asking, rank, expected, unknown) for rank in ranks))


def _sample(asking: Asking, rank: int, expected: Sequence[Wanted], unknown: Sequence[str]) -> CheckedSample:
    name = outputs.structure(rank, SUFFIXES[asking.options.output_format])
    try:
        placed = read(asking.files[name])
    except UncheckedError as error:
        return CheckedSample(rank=rank, boltz_rank=rank, verdict=Verdict.UNCHECKED, unchecked=str(error))
    atoms, unlike = assembled(placed, expected)
    checked = examine(asking.document, atoms)
    unchecked = [*unknown, *unlike, *checked.unchecked]
    return CheckedSample(
        rank=rank,
        boltz_rank=rank,
        verdict=verdict(checked.found, unchecked),
        unchecked=_listed(unchecked) if unchecked else None,
        counts={found.check: len(found) for found in checked.found if len(found)},
        looked_at={found.check: found.looked_at for found in checked.found if found.looked_at},
        outliers=tuple(_outliers(atoms, checked.found)),
        interfaces=interfaces(asking.document, placed, asking.files, rank),
        constraints=tuple(each.result for each in checked.asked),
    )


def examine(document: BoltzInput, atoms: Atoms) -> Checked:
    """Return what all checks find in a structure of this document."""
    if not atoms.residues:
        return Checked((), (), ())
    chain, unbound = links(atoms, cyclic(document))
    results, unknown = asked(atoms, document)
    found = [*_all(atoms, chain, np.concatenate([bonds(chain), asked_bonds(atoms, document)]))]
    found += [findings(check, results) for check in ("bond asked", "contact", "pocket")]
    return Checked(found, results, [*unbound, *unknown])


def _all(atoms: Atoms, chain: list[Link], between: Ints) -> Iterator[Found]:
    yield from covalent(atoms)
    yield backbone(atoms, chain)
    yield from peptides(atoms, chain)
    yield from contacts(atoms, between)


def verdict(found: Sequence[Found], unchecked: Sequence[str]) -> Verdict:
    """Return the verdict on a sample: what failed comes first, then what could not be checked."""
    if any(each.failed.any() for each in found):
        return Verdict.FAILED
    if unchecked:
        return Verdict.UNCHECKED
    return Verdict.WARNINGS if any(len(each) for each in found) else Verdict.PASSED


def _listed(unchecked: Sequence[str]) -> str:
    named = "; ".join(unchecked[:MAX_UNCHECKED])
    more = len(unchecked) - MAX_UNCHECKED
    return f"{named}; and {more} more" if more > 0 else named


def _outliers(atoms: Atoms, found: Sequence[Found]) -> Iterator[Outlier]:
    """Yield so many of all together: failed ones first, the worst of each check before any second one."""
    places = [
        (not each.failed[at], order, each, int(at))
        for each in found
        for order, at in enumerate(each.worst_first()[:MAX_OUTLIERS])
    ]
    places.sort(key=lambda place: place[:2])
    for warning, _, each, at in places[:MAX_OUTLIERS]:
        residue, name = atoms.of(int(each.atoms[at]))
        yield Outlier(
            check=each.check,
            level="warning" if warning else "failed",
            chain=residue.chain,
            residue=residue.number,
            atom=name,
            what=each.words(at),
            value=round(float(each.values[at]), DIGITS),
        )
