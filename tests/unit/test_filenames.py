"""The names of files that inputs refer to: which are refused, and what each remedy leads to."""

import re

import pytest

from inputs.filenames import why_not
from inputs.suffixes import MSAS


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("x.a3m.gz", "Unpack the file, upload it as x.a3m, and write x.a3m."),
        ("msa/x.csv.BZ2", "Unpack the file, upload it as msa/x.csv, and write msa/x.csv."),
        ("msas.tar.gz", "Unpack the file. Name a file in A3M or CSV format"),
        ("x.sto", "Convert the alignment to A3M (reformat.pl of HH-suite does it, from sto to a3m)"),
        ("x.aln", "from clu to a3m), and name that file: x.a3m."),
        ("msa/x.fasta", "from fas to a3m), and name that file: msa/x.a3m."),
        ("x.sto.gz", "Unpack the file. Convert the alignment to A3M"),
        ("X.A3M", "Rename the file, here and in the bucket: X.a3m."),
        ("MSA_PATH", "or write `empty` for single-sequence mode."),
        ("gs://bucket/msa/a.a3m", "Upload a.a3m beside this file, and write a.a3m alone."),
        ("https://host/a.a3m", "Upload a.a3m beside this file, and write a.a3m alone."),
        ("~/msas/a.a3m", "Upload a.a3m beside this file, and write a.a3m alone."),
        ("${MSA_DIR}/a.a3m", "Upload a.a3m beside this file, and write a.a3m alone."),
        ("$MSA_DIR/a.a3m", "Upload a.a3m beside this file, and write a.a3m alone."),
        ("{{ msa }}", "relative to this one, such as files/chain_a.a3m"),
        ("<path to msa.a3m>", "relative to this one"),
        ("../a.a3m", "Upload a.a3m beside this file, and write a.a3m alone."),
        ("/data/a.a3m", "Upload a.a3m beside this file, and write a.a3m alone."),
        ("C:\\msas\\a.a3m", "Upload a.a3m beside this file, and write a.a3m alone."),
        ("msas\\a.a3m", "Write it with slashes: msas/a.a3m."),
        ("a.a3m/", "Upload a.a3m beside this file, and write a.a3m alone."),
    ],
)
def test_a_remedy_for_an_msa_leads_to_a_file_that_is_read(name: str, remedy: str) -> None:
    assert remedy in refused(name, *MSAS)


@pytest.mark.parametrize(
    ("name", "suffix", "remedy"),
    [
        ("x.cif.gz", ".cif", "Unpack the file, upload it as x.cif, and write x.cif."),
        ("x.ent.gz", ".pdb", "Unpack the file. Rename the file, here and in the bucket: x.pdb."),
        ("x.pdb", ".cif", "Write it behind `pdb:`, not behind `cif:`."),
        ("x.cif", ".pdb", "Write it behind `cif:`, not behind `pdb:`."),
        ("x.CIF", ".pdb", "in small letters. Write it behind `cif:`"),
        ("pdb1abc.ent", ".pdb", "Rename the file, here and in the bucket: pdb1abc.pdb."),
        ("x.mmcif", ".cif", "Rename the file, here and in the bucket: x.cif."),
        ("x.bcif", ".cif", "Convert the structure to mmCIF, and name that file: x.cif."),
        ("1abc", ".cif", "Name a file in mmCIF format: it ends in .cif, here and in the bucket."),
        ("x.a3m", ".cif", "Name a file in mmCIF format"),
    ],
)
def test_a_remedy_for_a_template_leads_to_a_file_that_is_read(name: str, suffix: str, remedy: str) -> None:
    assert remedy in refused(name, suffix)


@pytest.mark.parametrize("name", ["~a.a3m", "US$.a3m", "a%20b.a3m", "a{b}.a3m", "5<6.a3m", "...a3m", "-.a3m"])
def test_a_name_with_odd_letters_is_a_name(name: str) -> None:
    assert why_not(name, *MSAS) is None


@pytest.mark.parametrize("name", ["\u202e\n.a3m.gz", "x" * 600 + ".sto", "\x1b[2J.fasta", "a/\x07.A3M"])
def test_a_remedy_repeats_no_letter_that_garbles_a_terminal(name: str) -> None:
    assert refused(name, *MSAS).isprintable()


def refused(name: str, *suffixes: str) -> str:
    """Return the remedy; whatever file it tells to write is accepted."""
    found = why_not(name, *suffixes)
    assert found
    for told in re.findall(r"(?:write|bucket:|that file:|slashes:) ([\w/.-]+\w)", found[1]):
        assert told == "empty" or why_not(told, *suffixes) is None
    return found[1]
