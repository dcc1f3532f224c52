"""Scores of each pair of chains, from the predicted aligned error (PAE) between them.

``pae[i][j]`` is the error of token j, in angstrom, when the structure is aligned on token i. Formulas:

- ipSAE: Dunbrack, bioRxiv 2025.02.10.637595, with the cut-off of 10 angstrom that its author takes for
  AlphaFold 3 and Boltz.
- pDockQ2: Zhu et al., Bioinformatics 39(7), btad424, read as ipSAE's program reads it: CB atoms, both chains.
- LIS and LIA: Kim et al., bioRxiv 2024.02.19.580970.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from schemas.checks import Interface
from worker.checks.atoms import Kind
from worker.checks.found import Bools, Floats, Ints

IPSAE_PAE, LIS_PAE = 10.0, 12.0
"""Angstrom of PAE below which a pair of tokens counts."""

CONTACT = 8.0
"""Angstrom between two CB atoms up to which residues are an interface, for pDockQ2."""


@dataclass(frozen=True)
class Tokens:
    """Tokens of a predicted structure, in the order of its PAE.

    ``chains`` has the chain of each, ``kinds`` the kind of each chain, ``places`` a point for each (CB, CA of
    glycine, C1' or the atom itself; angstrom), ``plddt`` the confidence of each, from 0 to 100.
    """

    chains: Sequence[str]
    kinds: Mapping[str, Kind]
    places: Floats
    plddt: Floats


def pairs(pae: Floats, tokens: Tokens) -> Iterator[Interface]:
    """Yield the scores of each pair of chains, in their order. ``pae`` is token by token, in angstrom.

    ``iptm``, which is not made from it, is left out.
    """
    chains = np.array(tokens.chains)
    of = {chain: np.flatnonzero(chains == chain) for chain in dict.fromkeys(tokens.chains)}
    for first, second in combinations(of, 2):
        there, back = pae[np.ix_(of[first], of[second])], pae[np.ix_(of[second], of[first])]
        scores: dict[str, float] = {"mean_pae": float((there.mean() + back.mean()) / 2)}
        kinds = {tokens.kinds[first], tokens.kinds[second]}
        if "ligand" not in kinds:
            scores |= _of_polymers(there, back, least=2.0 if "nucleic" in kinds else 1.0)
        if kinds == {"protein"}:
            scores["pdockq2"] = _larger_pdockq2(there, back, tokens, of[first], of[second])
        yield Interface.model_validate({"chains": (first, second), **scores})


def d0(count: Floats, least: float = 1.0) -> Floats:
    """Return the distance, in angstrom, at which a pair of so many counts half, as TM-score scales it."""
    scaled: Floats = np.maximum(least, 1.24 * np.cbrt(np.maximum(count, 26.0) - 15.0) - 1.8)
    return scaled


def ipsae(pae: Floats, least: float = 1.0) -> float:
    """Return ipSAE of one direction: rows are aligned on; the best of them counts. 0 to 1."""
    near = pae < IPSAE_PAE
    count = near.sum(axis=1)
    if not near.any():
        return 0.0
    terms = np.where(near, 1 / (1 + (pae / d0(count, least)[:, None]) ** 2), 0.0)
    return float((terms.sum(axis=1)[count > 0] / count[count > 0]).max())


def lis(pae: Floats) -> float:
    """Return the local interaction score of one direction, 0 to 1."""
    near = pae[pae < LIS_PAE]
    return float((1 - near / LIS_PAE).mean()) if near.size else 0.0


def pdockq2(pae: Floats, near: Bools, rows: Floats, columns: Floats) -> float:
    """Return pDockQ2 of one direction, 0 to 1; ``rows`` and ``columns`` are pLDDT, ``near`` are contacts."""
    if not near.any():
        return 0.0
    interface = np.concatenate([rows[near.any(axis=1)], columns[near.any(axis=0)]])
    scaled = float(interface.mean() * (1 / (1 + (pae[near] / 10) ** 2)).mean())
    return float(1.31 / (1 + np.exp(-0.075 * (scaled - 84.733))) + 0.005)


def _of_polymers(there: Floats, back: Floats, least: float) -> dict[str, float]:
    both = ipsae(there, least), ipsae(back, least)
    near = int((there < LIS_PAE).sum() + (back < LIS_PAE).sum())
    return {"ipsae": max(both), "ipsae_min": min(both), "lis": (lis(there) + lis(back)) / 2, "lia": near}


def _larger_pdockq2(there: Floats, back: Floats, tokens: Tokens, first: Ints, second: Ints) -> float:
    apart = tokens.places[first][:, None] - tokens.places[second][None]
    near = np.linalg.norm(apart, axis=-1) <= CONTACT
    ours, theirs = tokens.plddt[first], tokens.plddt[second]
    return max(pdockq2(there, near, ours, theirs), pdockq2(back, near.T, theirs, ours))
