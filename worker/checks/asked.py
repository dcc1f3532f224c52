"""Whether the constraints of an input were met, as Boltz-2's own potentials take them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from inputs.grammar import BoltzInput, Bond, Contact, Pocket
from schemas.checks import ConstraintCheck
from worker.checks.atoms import Atoms
from worker.checks.elements import COVALENT
from worker.checks.found import Found, Ints, UncheckedError, nothing
from worker.checks.limits import ASKED_BOND

Token = tuple[str, int | str]


class Asked(NamedTuple):
    """A constraint, the atom that is shown for it, and whether it was to be enforced."""

    kind: str
    result: ConstraintCheck
    atom: int
    forced: bool


def asked(atoms: Atoms, document: BoltzInput) -> tuple[list[Asked], list[str]]:
    """Return what became of each constraint, a pocket's contacts one by one, and what is not known."""
    found: list[Asked] = []
    unknown: list[str] = []
    for constraint in document.constraints:
        wanted = constraint.bond or constraint.pocket or constraint.contact
        if wanted is None:  # never: the grammar requires one
            continue
        try:
            found += _asked(atoms, wanted)
        except UncheckedError as error:
            unknown.append(f"{constraint.kind}: {error}")
    return found, unknown


def _asked(atoms: Atoms, wanted: Bond | Pocket | Contact) -> Iterator[Asked]:
    if isinstance(wanted, Bond):
        yield _bond(atoms, wanted)
    elif isinstance(wanted, Pocket):
        binder = _chain(atoms, wanted.binder)
        for token in wanted.contacts:
            words = f"pocket of {wanted.binder}: {_words(*token)}"
            yield _near(atoms, "pocket", words, (binder, _token(atoms, token)), wanted)
    else:
        words = f"contact {_words(*wanted.token1)} to {_words(*wanted.token2)}"
        both = _token(atoms, wanted.token1), _token(atoms, wanted.token2)
        yield _near(atoms, "contact", words, both, wanted)


def asked_bonds(atoms: Atoms, document: BoltzInput) -> Ints:
    """Return the bonds that the input asks for, [bonds, 2], but for those whose atoms are not known."""
    found = []
    for constraint in document.constraints:
        if constraint.bond:
            ends = [_spot(atoms, *end) for end in (constraint.bond.atom1, constraint.bond.atom2)]
            found += [] if None in ends else [ends]
    return np.array(found, dtype=int).reshape(-1, 2)


def findings(check: str, results: list[Asked]) -> Found:
    """Return the constraints of a kind that were not met; the value is the distance in angstrom."""
    ours = [each for each in results if each.kind == check]
    missed = [each for each in ours if not each.result.met]
    if not missed:
        return nothing(check, len(ours))
    distance = np.array([each.result.distance for each in missed])
    limit = np.array([each.result.limit for each in missed])

    def words(i: int) -> str:
        result = missed[i].result
        return f"{result.constraint}: {result.distance:.1f} Å, asked for {result.limit:.1f} at most"

    return Found(
        check,
        len(ours),
        np.array([each.forced for each in missed]),
        np.array([each.atom for each in missed]),
        distance,
        distance - limit,
        words,
    )


def _bond(atoms: Atoms, wanted: Bond) -> Asked:
    one, other = (_atom(atoms, *end) for end in (wanted.atom1, wanted.atom2))
    distance = float(np.linalg.norm(atoms.places[one] - atoms.places[other]))
    low, high = (part * COVALENT[atoms.elements[[one, other]]].sum() for part in ASKED_BOND)
    words = f"bond {_words(*wanted.atom1)} to {_words(*wanted.atom2)}"
    met = bool(low <= distance <= high)
    return Asked("bond asked", _check(words, distance, float(high), met=met), one, forced=True)


def _near(atoms: Atoms, kind: str, words: str, both: tuple[Ints, Ints], wanted: Pocket | Contact) -> Asked:
    one, other = both
    apart = np.linalg.norm(atoms.places[one][:, None] - atoms.places[other][None], axis=-1)
    distance = float(apart.min())
    nearest = int(other[np.unravel_index(apart.argmin(), apart.shape)[1]])
    limit = wanted.max_distance
    return Asked(kind, _check(words, distance, limit, met=distance <= limit), nearest, forced=wanted.force)


def _check(words: str, distance: float, limit: float, *, met: bool) -> ConstraintCheck:
    return ConstraintCheck(constraint=words, distance=round(distance, 2), limit=round(limit, 2), met=met)


def _words(*parts: object) -> str:
    return " ".join(map(str, parts))


def _chain(atoms: Atoms, chain: str) -> Ints:
    if chain not in atoms.chains:
        raise UncheckedError(f"chain {chain} is not known")
    return np.concatenate([np.array(residue.atoms) for residue in atoms.chains[chain]])


def _token(atoms: Atoms, token: Token) -> Ints:
    """Return the atoms of a residue by its number, or the atom of a ligand's first residue by its name."""
    chain, spot = token
    if isinstance(spot, str):
        return np.array([_atom(atoms, chain, 1, spot)])
    residue = atoms.spots.get((chain, spot))
    if residue is None:
        raise UncheckedError(f"{_words(chain, spot)} is not known")
    return np.array(residue.atoms)


def _atom(atoms: Atoms, chain: str, number: int, name: str) -> int:
    at = _spot(atoms, chain, number, name)
    if at is None:
        raise UncheckedError(f"{_words(chain, number, name)} is not known")
    return at


def _spot(atoms: Atoms, chain: str, number: int, name: str) -> int | None:
    residue = atoms.spots.get((chain, number))
    return residue.atom(name) if residue else None
