"""How deep an alignment is that was made for a job: its query, and what was found beside it."""

from pathlib import Path

import pytest

from inputs.alignments import MsaServer
from inputs.read import read_input
from worker.alignments import Fetched, lay

ALONE = ">101\nNLYIQ\n>101\nNLYIQ\n"  # of two databases, each of which begins with the query
DEEP = ">101\nNLYIQ\n>x\nNLY-Q\n>101\nNLYIQ\n>y\nNaLYIQ\n"


def laid(folder: Path, *unpaired: str, paired: str | None = None) -> list[tuple[tuple[str, ...], int, int]]:
    """Lay the alignments of a file's one or two sequences; return chains, rows and paired rows of each."""
    proteins = ("{id: [A, B], sequence: NLYIQ}", "{id: C, sequence: GSGS}")[: len(unpaired)]
    text = "sequences:\n" + "".join(f"- protein: {protein}\n" for protein in proteins)
    document = read_input("a.yaml", text.encode(), msa_service=True)
    files = [folder / f"{number}.a3m" for number in range(len(unpaired) + 1)]
    for file, content in zip(files, (*unpaired, paired or ""), strict=True):
        file.write_text(content)
    fetched = Fetched(tuple(files[:-1]), files[-1] if paired else None)
    made = lay(document, fetched, MsaServer("https://msa.example", "d"), folder).alignments
    return [(each.chains, each.rows, each.paired) for each in made]


@pytest.mark.parametrize(("a3m", "rows"), [(ALONE, 1), (DEEP, 3)])
def test_the_query_counts_once(tmp_path: Path, a3m: str, rows: int) -> None:
    assert laid(tmp_path, a3m) == [(("A", "B"), rows, 0)]


def test_rows_of_the_complex_are_told_apart_from_others(tmp_path: Path) -> None:
    paired = ">101\nNLYIQ\n>x\nNLYIA\n\0>102\nGSGS\n>x\n----\n"
    other = ">102\nGSGS\n>102\nGSGS\n"
    assert laid(tmp_path, DEEP, other, paired=paired) == [(("A", "B"), 4, 2), (("C",), 1, 1)]
