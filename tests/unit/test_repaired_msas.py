"""MSAs that Boltz would misread: what lies in their place, and what people are told."""

from pathlib import Path

import pytest
from support.inputs import one_protein

from inputs.msa import MAX_ROWS
from inputs.read import read_input
from schemas.job import MAX_WARNING, MAX_WARNINGS
from worker.prepare import Prepared, here
from worker.repair.msas import cut
from worker.repair.references import repaired

LONG = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVVHSLAKWKRQTLGQHDFSAGE"
CONSTRUCT = LONG[20:60]


def after(folder: Path, text: str, **files: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the files, by names with _ for the dot, after the repair, and its warnings."""
    names = {name: name.replace("_", ".") for name in files}
    for name, content in files.items():
        (folder / names[name]).write_bytes(content.encode())
    prepared = Prepared(folder / "in.yaml", read_input("in.yaml", text.encode()), text)
    warnings = repaired(prepared, here).warnings
    assert sorted(path.name for path in folder.iterdir()) == sorted(names.values())
    return {name: (folder / names[name]).read_bytes().decode() for name in files}, warnings


def two(first: str, second: str, one: str = "GIVEQCCTSI", other: str = "FVNQHLCGSH") -> str:
    return (
        f"sequences:\n- protein: {{id: A, sequence: {one}, msa: {first}}}\n"
        f"- protein: {{id: B, sequence: {other}, msa: {second}}}\n"
    )


def test_species_for_keys_become_the_same_numbers_in_all_files(tmp_path: Path) -> None:
    files, warnings = after(
        tmp_path,
        two("a.csv", "b.csv"),
        a_csv="key,sequence\nHOMSA,GIVEQCCTSI\nMUSMU,GIVDQCCTSI\n,GIVEQCCASV\nnan,GIVEQCCASW\n7,GIVEQCCASY\n",
        b_csv="sequence,key\r\nFVNQHLCGSH,HOMSA\r\nFVNQHLCGSA,Rat\r\nAANQHLCGSA,MUSMU\r\nAANQHLCGSW,7.0\r\n",
    )
    assert files["a_csv"] == (
        "key,sequence\n0,GIVEQCCTSI\n1,GIVDQCCTSI\n-1,GIVEQCCASV\n-1,GIVEQCCASW\n2,GIVEQCCASY\n"
    )
    assert files["b_csv"] == "key,sequence\n0,FVNQHLCGSH\n3,FVNQHLCGSA\n1,AANQHLCGSA\n2,AANQHLCGSW\n"
    assert warnings == ()


def test_a_key_beyond_32_bits_is_a_number_of_its_own(tmp_path: Path) -> None:
    content = f"key,sequence\n1,GIVEQCCTSI\n{2**32 + 1},GIVDQCCTSI\n"
    files, _ = after(tmp_path, one_protein("GIVEQCCTSI", "a.csv"), a_csv=content)
    assert files["a_csv"] == "key,sequence\n0,GIVEQCCTSI\n1,GIVDQCCTSI\n"


@pytest.mark.parametrize(
    "content",
    [
        "key,sequence\n9606,GIVEQCCTSI\n-1,GIVDQCCTSI\n,GIVEQCCASV\n",
        'sequence,key\r\n"GIVEQCCTSI",\r\n\r\nGIVaaDQCCTSI,7\r\n',
        f"key,sequence\n{2**31 - 1},GIVEQCCTSI\n1.0,GIVEQCCTSI\n",
        "\ufeffkey,sequence\n-1,GIVEQCCTSI\n",  # pandas takes it
    ],
)
def test_what_boltz_reads_right_stays_as_it_is(tmp_path: Path, content: str) -> None:
    files, warnings = after(tmp_path, one_protein("GIVEQCCTSI", "a.csv"), a_csv=content)
    assert (files["a_csv"], warnings) == (content, ())


def test_an_a3m_stays_as_it_is_but_for_its_byte_order_mark(tmp_path: Path) -> None:
    rows = "#10\t1\n\n>q x\nGIVEQCCTSI\n>1\nGIVaaDQ-CTSI\n"
    files, warnings = after(tmp_path, one_protein("GIVEQCCTSI", "a.a3m"), a_a3m=rows)
    assert (files["a_a3m"], warnings) == (rows, ())
    files, warnings = after(tmp_path, one_protein("GIVEQCCTSI", "a.a3m"), a_a3m=f"\ufeff{rows}")
    assert (files["a_a3m"], warnings) == (">4\nGIVEQCCTSI\n>6\nGIVaaDQ-CTSI\n", ())


def test_an_alignment_of_a_longer_protein_is_cut_to_the_construct(tmp_path: Path) -> None:
    others = [f"{LONG[:25]}acd{LONG[25:59]}W{LONG[60:]}aa", "-" * 30 + LONG[30:], LONG[:20] + "-" * 70]
    content = "".join(f">{at}\n{row}\n" for at, row in enumerate((LONG, *others)))
    files, warnings = after(tmp_path, one_protein(CONSTRUCT, "a.a3m"), a_a3m=content)
    query, inserted, gapped = files["a_a3m"].splitlines()[1::2]  # the last row has no residue there
    assert query == CONSTRUCT
    assert inserted == f"{CONSTRUCT[:5]}acd{CONSTRUCT[5:-1]}W"
    assert gapped == "-" * 10 + CONSTRUCT[10:]
    assert warnings == (
        "The MSA a.a3m was made for a longer protein: "
        "of its 90 columns 21 to 60 were used, which are chain A.",
    )


def test_the_first_row_becomes_that_of_a_mutated_construct_and_its_mutations_are_said(tmp_path: Path) -> None:
    mutant = f"{CONSTRUCT[:5]}W{CONSTRUCT[6:30]}XK{CONSTRUCT[32:]}"
    content = f"key,sequence\nHOMSA,{LONG}\nMUSMU,{LONG[:50]}{'-' * 40}\n"
    files, [warning] = after(tmp_path, one_protein(mutant, "a.csv"), a_csv=content)
    _, query, other = files["a_csv"].splitlines()
    assert query == f"0,{CONSTRUCT[:5]}W{CONSTRUCT[6:31]}K{CONSTRUCT[32:]}"
    assert other == f"1,{CONSTRUCT[:30]}{'-' * 10}"
    assert warning.endswith(f"2 residues differ ({CONSTRUCT[5]}6W, {CONSTRUCT[31]}32K).")


def test_a_deep_alignment_is_written_as_far_as_boltz_reads_it(tmp_path: Path) -> None:
    letters = "ACDEFGHIKLMNPQRSTVWY"
    rows = (f"{a}{b}{c}{d}{LONG[4:]}" for a in letters for b in letters for c in letters for d in "AC")
    content = f">q\n{LONG}\n" + "".join(f">x\n{row}\n" for row in rows)
    files, _ = after(tmp_path, one_protein(LONG[:60], "a.a3m"), a_a3m=content)
    assert files["a_a3m"].count(">") == MAX_ROWS


def test_a_row_is_cut_between_its_columns() -> None:
    assert cut("aMbKTcc-dYe", 0, 5) == "MbKTcc-dY"
    assert cut("aMbKTcc-dYe", 1, 4) == "KTcc-"
    assert cut("aMbKTcc-dYe", 2, 3) == "T"


def test_there_are_only_so_many_warnings_and_each_is_short(tmp_path: Path) -> None:
    names = {f"{'n' * 80}{at}_a3m": f">q\n{LONG[at:]}\n" for at in range(MAX_WARNINGS + 2)}
    chain = "- protein: {{id: C{}, sequence: {}, msa: {}}}\n"
    text = "sequences:\n" + "".join(
        chain.format(at, LONG[at + 1 : 80], name.replace("_", ".")) for at, name in enumerate(names)
    )
    _, warnings = after(tmp_path, text, **names)
    assert len(warnings) == MAX_WARNINGS
    assert warnings[-1] == "There are 3 more warnings of this kind."
    assert max(map(len, warnings)) <= MAX_WARNING
