"""Scores of pairs of chains: right values by hand and of the reference programs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.checks import Interface
from worker.checks.atoms import Kind
from worker.checks.found import Floats
from worker.checks.interfaces import Tokens, d0, ipsae, pairs


def scored(pae: Floats, sizes: dict[str, int], *kinds: Kind, far: float = 0.0) -> list[Interface]:
    """Score chains of these sizes, all tokens in one place but for the last chain, at pLDDT 90."""
    chains = [chain for chain, size in sizes.items() for _ in range(size)]
    places = np.zeros((len(chains), 3))
    places[np.array(chains) == list(sizes)[-1], 0] = far
    tokens = Tokens(chains, dict(zip(sizes, kinds, strict=True)), places, np.full(len(chains), 90.0))
    return list(pairs(pae, tokens))


def constant(pae: float, sizes: dict[str, int], *kinds: Kind, far: float = 0.0) -> Interface:
    count = sum(sizes.values())
    [pair] = scored(np.full((count, count), pae), sizes, *kinds, far=far)
    return pair


def test_two_proteins_at_the_same_error_everywhere() -> None:
    pair = constant(5, {"A": 30, "B": 40}, "protein", "protein")
    assert (pair.chains, pair.mean_pae, pair.lia) == (("A", "B"), 5.0, 2400)
    assert pair.ipsae == pytest.approx(0.117652, abs=1e-6)
    assert pair.ipsae_min == pytest.approx(0.059543, abs=1e-6)
    assert pair.lis == pytest.approx(0.583333, abs=1e-6)
    assert pair.pdockq2 == pytest.approx(0.369030, abs=1e-6)


def test_nucleic_acids_have_a_larger_least_distance_and_no_pdockq2() -> None:
    pair = constant(5, {"A": 30, "B": 30}, "protein", "nucleic")
    assert pair.ipsae == pytest.approx(0.137931, abs=1e-6)
    assert pair.pdockq2 is None


def test_short_chains_have_the_least_distance() -> None:
    assert constant(5, {"A": 5, "B": 20}, "protein", "protein").ipsae == pytest.approx(0.038462, abs=1e-6)


def test_nothing_certain_is_zero() -> None:
    pair = constant(30, {"A": 30, "B": 40}, "protein", "protein", far=100)
    assert (pair.ipsae, pair.ipsae_min, pair.lis, pair.lia, pair.pdockq2) == (0, 0, 0, 0, 0)


def test_a_small_molecule_has_its_error_alone() -> None:
    assert constant(5, {"A": 30, "L": 9}, "protein", "ligand") == Interface(chains=("A", "L"), mean_pae=5.0)


def test_errors_of_exactly_the_cut_off_do_not_count() -> None:
    pair = constant(12, {"A": 3, "B": 3}, "protein", "protein")
    assert (pair.lis, pair.lia) == (0, 0)
    assert constant(10, {"A": 3, "B": 3}, "protein", "protein").ipsae == 0


def test_each_pair_of_chains_is_scored_once_in_their_order() -> None:
    found = scored(np.full((9, 9), 5.0), {"B": 2, "A": 3, "X2": 4}, "protein", "nucleic", "ligand")
    assert [pair.chains for pair in found] == [("B", "A"), ("B", "X2"), ("A", "X2")]


def test_the_scale_of_a_distance_grows_with_the_number_of_residues() -> None:
    expected = [1, 1.0389, 1.1157, 1.8258, 3.6521]
    assert d0(np.array([26.0, 27.0, 28.0, 40.0, 100.0])) == pytest.approx(expected, abs=1e-4)


@given(st.floats(0, 31.75), st.integers(1, 40), st.integers(1, 40))
def test_scores_are_within_their_bounds_and_do_not_mind_the_order_of_chains(
    error: float, first: int, second: int
) -> None:
    pae = np.random.default_rng(first).uniform(0, error, (first + second, first + second))
    pair = scored(pae, {"A": first, "B": second}, "protein", "protein")[0]
    turned = np.roll(pae, (second, second), (0, 1))
    again = scored(turned, {"B": second, "A": first}, "protein", "protein")[0]
    ours, theirs = (each.model_dump(exclude={"chains", "iptm"}) for each in (pair, again))
    assert ours == pytest.approx(theirs)
    assert all(0 <= score <= 1 for score in (pair.ipsae, pair.ipsae_min, pair.lis) if score is not None)
    assert ipsae(pae) <= 1
