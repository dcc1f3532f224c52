"""A construct is found in the protein that an alignment was made for, and another protein is not."""

import random
import time

import pytest

from inputs.excerpt import LEAST, MOST_COLUMNS, fits, nearest

LETTERS = "ACDEFGHIKLMNPQRSTVWY"


def random_protein(length: int, seed: int) -> str:
    return "".join(random.Random(seed).choices(LETTERS, k=length))  # noqa: S311


def mutated(sequence: str, positions: list[int]) -> str:
    return "".join(
        LETTERS[LETTERS.index(letter) - 1] if at in positions else letter
        for at, letter in enumerate(sequence)
    )


@pytest.mark.parametrize("length", [10, 19, 20, 21, 39, 40, 100, 333, 1000])
def test_a_construct_of_up_to_one_residue_in_twenty_mutated_is_found_wherever_they_are(length: int) -> None:
    chance = random.Random(length)  # noqa: S311
    for seed in range(10):
        whole = random_protein(3 * length + 7, seed)
        start = chance.randrange(2 * length)
        positions = sorted(chance.sample(range(length), length // 20))
        part = mutated(whole[start : start + length], positions)
        found = nearest(part, whole)
        assert found == (start, tuple(positions))
        assert fits(part, found)


def test_a_construct_that_differs_in_more_is_found_and_does_not_fit() -> None:
    whole = random_protein(500, 1)
    part = mutated(whole[100:300], list(range(0, 200, 20)))
    found = nearest(part, whole)
    assert found is not None
    assert (found.start, len(found.differing)) == (100, 10)
    assert fits(part, found)
    one_more = mutated(part, [105])
    again = nearest(one_more, whole)
    assert again is not None
    assert (again.start, len(again.differing)) == (100, 11)
    assert not fits(one_more, again)


def test_another_protein_and_one_too_short_are_not_found() -> None:
    assert nearest(random_protein(200, 1), random_protein(500, 2)) is None
    whole = random_protein(100, 3)
    assert nearest(whole[10 : 10 + LEAST - 1], whole) is None
    assert nearest(whole, whole) is None
    assert nearest(whole + "A", whole) is None


def test_an_unknown_residue_of_the_construct_differs_from_none() -> None:
    whole = random_protein(100, 4)
    part = f"{whole[20:30]}XX{whole[32:60]}"
    assert nearest(part, whole) == (20, ())
    assert nearest("X" * 40, whole) is None


def test_of_equal_repeats_the_first_is_taken() -> None:
    unit = random_protein(30, 5)
    assert nearest(unit, "M" + unit * 3) == (1, ())


def test_the_longest_are_searched_through_in_a_moment() -> None:
    for whole in ("A" * MOST_COLUMNS, "AC" * (MOST_COLUMNS // 2), random_protein(MOST_COLUMNS, 6)):
        start = time.thread_time()
        nearest(whole[:9_999] + "W", whole)
        assert time.thread_time() - start < 2
    assert nearest("A" * 20, "A" * (MOST_COLUMNS + 1)) is None
