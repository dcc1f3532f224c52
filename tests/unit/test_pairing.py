"""Rows of one organism in several alignments become rows of the complex."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from dropfold.commands import pair
from inputs.pairing import organism, paired

ALPHA = """\
>query
VLSPA
>UniRef100_A n=1 Tax=Mus musculus TaxID=10090 RepID=HBA_MOUSE
VLSGA
>UniRef100_B n=1 Tax=Mus musculus TaxID=10090
VLSGG
>tr|X|X_9PRIM of somebody
VLTPA
>sp|P1|HBA_BOVIN Hemoglobin OS=Bos taurus OX=9913
VL-PA
"""
BETA = """\
#a comment
>query
VHLTP
>sp|P2|HBB_BOVIN Hemoglobin OS=Bos taurus OX=9913
VHLTa-P
>Y TaxID=10090
VHLAP
>Z TaxID=7955
VHMTP
"""


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("UniRef100_P69905 n=1 Tax=Homo sapiens TaxID=9606 RepID=HBA_HUMAN", "9606"),
        ("sp|P69905|HBA_HUMAN Hemoglobin OS=Homo sapiens OX=9606 GN=HBA1", "9606"),
        ("HBA_HUMAN.12", "HUMAN"),
        ("tr|A0A|A0A_HUMAN", "HUMAN"),
        ("tr|A0A|A0A_9PRIM", None),
        ("query", None),
        ("chain_a", None),
    ],
)
def test_an_organism_is_told_by_its_taxonomy_id_or_its_species(header: str, expected: str | None) -> None:
    assert organism(header) == expected


def test_the_first_row_of_an_organism_is_paired_with_those_of_the_others() -> None:
    alpha, beta = paired([ALPHA.splitlines(), BETA.splitlines()])
    assert alpha.csv.splitlines() == [
        *("key,sequence", "0,VLSPA", "1,VLSGA", "2,VL-PA", "-1,VLSGG", "-1,VLTPA")
    ]
    assert beta.csv.splitlines() == ["key,sequence", "0,VHLTP", "1,VHLAP", "2,VHLTa-P", "-1,VHMTP"]
    assert (alpha.rows, alpha.paired, beta.rows, beta.paired) == (5, 3, 4, 3)


def test_an_organism_that_only_two_of_three_have_pairs_these() -> None:
    gamma = [">query", "MSKGE", ">W TaxID=7955", "MSRGE"]
    alpha, beta, third = paired([ALPHA.splitlines(), BETA.splitlines(), gamma])
    assert "3,VHMTP" in beta.csv.splitlines()
    assert "3,MSRGE" in third.csv.splitlines()
    assert not any(line.startswith("3,") for line in alpha.csv.splitlines())


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(pair.command, [str(each) for each in arguments])
    return result.exit_code, result.output


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "alpha.a3m").write_text(ALPHA)
    (tmp_path / "beta.a3m").write_text(BETA)
    return tmp_path


def test_the_command_writes_a_csv_beside_each(folder: Path) -> None:
    status, said = run(folder / "alpha.a3m", folder / "beta.a3m")
    assert status == 0
    assert "alpha.csv: 5 rows, 2 of them paired beside the query" in said.replace("\n", "")
    assert (folder / "beta.csv").read_text().startswith("key,sequence\n0,VHLTP\n1,VHLAP\n")
    assert run(folder / "alpha.a3m", folder / "beta.a3m")[0] == 2
    assert run(folder / "alpha.a3m", folder / "beta.a3m", "--overwrite")[0] == 0
    assert run(folder / "alpha.a3m", folder / "beta.a3m", "--out", folder / "new")[0] == 0
    assert {path.name for path in (folder / "new").iterdir()} == {"alpha.csv", "beta.csv"}


def test_what_cannot_be_paired_is_said(folder: Path) -> None:
    assert run(folder / "alpha.a3m")[0] == 2
    (folder / "plain.a3m").write_text(">query\nMSKGE\n")
    status, said = run(folder / "alpha.a3m", folder / "plain.a3m")
    assert (status, "No two files have a row of the same organism" in said) == (1, True)
    (folder / "empty.a3m").write_text("#\n")
    status, said = run(folder / "alpha.a3m", folder / "empty.a3m", "--overwrite")
    assert (status, "empty.a3m has no row" in said.replace("\n", "")) == (1, True)
