"""Small inputs of every kind, no two alike, the same on every machine."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

MUTATED = 0.3
RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
SMILES = ("c1ccccc1O", "CC(=O)O", "CCN(CC)CC", "OCC1OC(O)C(O)C(O)C1O", "CC(C)Cc1ccc(cc1)C(C)C(=O)O")


def mixed(count: int, folder: Path) -> list[Path]:
    """Write so many inputs, and the alignments that they name, into a folder; return the inputs."""
    random.seed(2026)
    folder.mkdir(parents=True)
    return [_write(folder, number) for number in range(count)]


def _write(folder: Path, number: int) -> Path:
    make = KINDS[number % len(KINDS)]
    suffix = "fasta" if make is _fasta else "yaml"
    path = folder / f"{make.__name__.strip('_')}_{number:03}.{suffix}"
    path.write_text("\n".join(make(folder, path.stem)) + "\n")
    return path


def _sequence(alphabet: str = RESIDUES) -> str:
    return "".join(random.choices(alphabet, k=random.randint(8, 40)))  # noqa: S311  for variety, not for secrets


def _protein(chain: str, sequence: str, msa: str = "empty") -> str:
    return f"- protein: {{id: {chain}, sequence: {sequence}, msa: {msa}}}"


def _single(_folder: Path, _stem: str) -> Iterator[str]:
    yield from ("sequences:", _protein("A", _sequence()))


def _aligned(folder: Path, stem: str) -> Iterator[str]:
    query = _sequence()
    rows = [query, *(_mutated(query) for _ in range(20))]
    (folder / f"{stem}.a3m").write_text("".join(f">{row}\n{text}\n" for row, text in enumerate(rows)))
    yield from ("sequences:", _protein("A", query, f"{stem}.a3m"))


def _mutated(query: str) -> str:
    return "".join(random.choice(RESIDUES) if random.random() < MUTATED else letter for letter in query)  # noqa: S311


def _ligand(_folder: Path, stem: str) -> Iterator[str]:
    smiles = SMILES[int(stem[-3:]) % len(SMILES)]
    yield from ("sequences:", _protein("A", _sequence()), f"- ligand: {{id: B, smiles: '{smiles}'}}")


def _nucleic(_folder: Path, _stem: str) -> Iterator[str]:
    yield from ("sequences:", f"- dna: {{id: [A, B], sequence: {_sequence('ACGT')}}}")


def _complex(_folder: Path, _stem: str) -> Iterator[str]:
    yield from ("sequences:", _protein("A", _sequence()), _protein("B", _sequence()))


def _fasta(_folder: Path, _stem: str) -> Iterator[str]:
    yield from (">A|protein|empty", _sequence())


KINDS: tuple[Callable[[Path, str], Iterator[str]], ...] = (
    _single,
    _aligned,
    _ligand,
    _nucleic,
    _complex,
    _fasta,
)
