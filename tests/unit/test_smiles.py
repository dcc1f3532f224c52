"""Reading a SMILES: which are refused and in which words, what its atoms are called, how long it takes."""

import itertools
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem

from inputs.smiles import MAX_LETTERS, ParsedSmiles, Refusal, read_smiles


def refusal(smiles: str) -> Refusal:
    found = read_smiles(smiles)
    assert isinstance(found, Refusal)
    assert found.remedy
    return found


def molecule(smiles: str) -> ParsedSmiles:
    found = read_smiles(smiles)
    assert isinstance(found, ParsedSmiles)
    return found


@pytest.mark.parametrize(
    ("smiles", "words"),
    [
        ("C1CC", "opens a ring"),
        ("C11", "bound already"),
        ("C(C", "opens a parenthesis"),
        ("C)C", "closes a parenthesis"),
        ("C==C", "at character 3"),
        ("[Xx]", "at character 2"),
        ("[99999999999C]", "no SMILES"),
        ("CN(C)(C)C", "atom 2 (N)"),
        ("[CH5]", "atom 1 (C)"),
        ("c1cccc1", "atoms 1, 2, 3, 4, 5"),
        ("Cc", "aromatic atom 2"),
        ("C.C", "2 separate molecules"),
        ("C*", "no element"),
        ("[#200]", "no element"),
        ("", "no atom but hydrogen"),
        ("[H][H]", "no atom but hydrogen"),
        ("[2H]O[2H]", "isotope of hydrogen"),
        ("C" * 333, "1001 atoms"),
        ("Br" + "C" * 40 + "[Si](C)(C)C", "SI134"),
        ("c1ccccc1" * 51, "51 rings"),
        ("C" * (MAX_LETTERS + 1), "2001 characters"),
    ],
)
def test_what_boltz_could_not_read_or_would_misread_is_refused_in_plain_words(
    smiles: str, words: str
) -> None:
    assert words in refusal(smiles).what


@pytest.mark.parametrize(
    ("smiles", "names", "counted"),
    [
        ("CCO", ("C8", "C9", "O7"), 3),
        ("[Zn+2]", ("ZN1",), 1),
        ("O([2H])[2H]", ("O3",), 3),
        ("[H]O[H]", ("O3",), 1),
        ("ClC", ("CL4", "C5"), 2),
    ],
)
def test_atoms_are_called_by_element_and_rank(smiles: str, names: tuple[str, ...], counted: int) -> None:
    found = molecule(smiles)
    assert (found.names, found.counted) == (names, counted)


@pytest.mark.parametrize("count", [300, 332])
def test_the_largest_molecules_with_a_name_for_each_atom_are_read(count: int) -> None:
    assert len(molecule("C" * count).names) == count


def complete_graph(size: int) -> str:
    """Bond every atom to every other: iron has no greatest number of bonds."""
    labels = {pair: f"%({at})" for at, pair in enumerate(itertools.combinations(range(size), 2), 1)}
    closures = ("".join(text for pair, text in labels.items() if atom in pair) for atom in range(size))
    return ".".join(f"[Fe]{labels}" for labels in closures)


def test_a_bare_graph_of_many_rings_is_refused() -> None:
    assert "rings" in refusal(complete_graph(15)).what


def test_threads_read_side_by_side_and_each_gets_its_own_reason() -> None:
    smiles = [f"{'C' * at}{wrong}" for at in range(1, 30) for wrong in ("1", ")", "(C", "==")]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda text: refusal(text).what, smiles))
    assert found == [refusal(text).what for text in smiles]
    assert len({what.split("character")[0] for what in found}) == 4


def test_rdkit_writes_nothing_on_any_stream() -> None:
    code = "from inputs.smiles import read_smiles; [read_smiles(s) for s in ('C(', 'c1cccc1', '[#200]')]"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_reading_draws_nothing_from_rdkit_s_random_generator() -> None:
    plain = Chem.MolFromSmiles("CC(=O)Oc1ccccc1C(=O)O")

    def drawn() -> list[str]:
        Chem.MolToRandomSmilesVect(plain, 0, randomSeed=42)
        return [Chem.MolToSmiles(plain, doRandom=True) for _ in range(5)]

    undisturbed = drawn()
    Chem.MolToRandomSmilesVect(plain, 0, randomSeed=42)
    first = [Chem.MolToSmiles(plain, doRandom=True)]
    read_smiles.cache_clear()
    for smiles in ("CC(C)Cc1ccc(cc1)[C@H](C)C(=O)O", "c1cccc1", "C("):
        read_smiles(smiles)
    assert first + [Chem.MolToSmiles(plain, doRandom=True) for _ in range(4)] == undisturbed


PIECES = st.sampled_from(
    [*"CNOPSFcnos*.-=#$:/\\()123456789@%[]+~", "Cl", "[H]", "[Fe+3]", "[13C@@H]", "%(100)"]
)


@given(st.lists(PIECES, max_size=40).map("".join))
def test_any_smiles_is_read_or_refused(smiles: str) -> None:
    assert isinstance(read_smiles(smiles), ParsedSmiles | Refusal)
