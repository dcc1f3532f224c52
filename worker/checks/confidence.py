"""Scores of the interfaces of a sample, from the files of its confidence."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from inputs.grammar import BoltzInput
from schemas import outputs
from schemas.checks import Interface
from worker.checks.atoms import Kind, Placed, kinds
from worker.checks.found import Floats
from worker.checks.interfaces import Tokens, pairs

DIGITS = 4
CENTRES = ("CB", "CA", "C1'")
"""The atom that stands for a residue of a polymer; the first one for a residue without these."""


def interfaces(
    document: BoltzInput, placed: Sequence[Placed], files: Mapping[str, Path], rank: int
) -> tuple[Interface, ...]:
    """Return the scores of each pair of chains; none where the arrays are not of this structure's tokens.

    ``placed`` has the structure in the order of its file, which is that of the arrays.
    """
    pae, plddt = (_array(files[outputs.array(kind, rank)], kind) for kind in ("pae", "plddt"))
    tokens = _tokens(placed, kinds(document), plddt)
    if plddt.shape != (len(tokens.chains),) or pae.shape != plddt.shape * 2:
        return ()
    iptm = _iptm(files[outputs.confidence(rank)], list(dict.fromkeys(tokens.chains)))
    return tuple(_rounded(pair, iptm.get(pair.chains)) for pair in pairs(pae, tokens))


def _rounded(pair: Interface, iptm: float | None) -> Interface:
    made = pair.model_dump(exclude={"chains", "iptm"}, exclude_none=True)
    rounded = {name: round(score, DIGITS) for name, score in made.items()}
    return pair.model_copy(update=rounded | {"iptm": iptm})


def _array(path: Path, kind: str) -> Floats:
    with np.load(path) as content:
        return np.asarray(content[kind], dtype=float)


def _tokens(placed: Sequence[Placed], kinds: Mapping[str, Kind], plddt: Floats) -> Tokens:
    chains, places = [], []
    for residue in placed:
        for place in _points(residue, kinds.get(residue.chain, "ligand")):
            chains.append(residue.chain)
            places.append(place)
    known = {chain: kinds.get(chain, "ligand") for chain in dict.fromkeys(chains)}
    return Tokens(chains, known, np.array(places, dtype=float), np.multiply(plddt, 100.0))


def _points(residue: Placed, kind: Kind) -> Iterator[Sequence[float]]:
    """Yield a point for each token: a residue of a polymer is one, and so is each atom of a ligand."""
    if kind == "ligand":
        yield from residue.atoms.values()
    else:
        named = (residue.atoms[name] for name in CENTRES if name in residue.atoms)
        yield next(named, next(iter(residue.atoms.values())))


def _iptm(path: Path, chains: Sequence[str]) -> dict[tuple[str, str], float]:
    """Return Boltz-2's ipTM by pair of chains, the better direction; it numbers chains as the file does."""
    scores = json.loads(path.read_text()).get("pair_chains_iptm", {})
    found: dict[tuple[str, str], float] = {}
    for (one, first), (other, second) in combinations(enumerate(chains), 2):
        both = [scores.get(str(at), {}).get(str(to)) for at, to in ((one, other), (other, one))]
        if None not in both:
            found[first, second] = round(max(both), DIGITS)
    return found
