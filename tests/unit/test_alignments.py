"""Which alignments an input lacks, what a server's answer has to be, and how it becomes Boltz's CSV."""

from io import StringIO

import pytest

from inputs.alignments import (
    MAX_PAIRED,
    MAX_ROWS,
    AnswerError,
    MsaServer,
    blocks,
    joined,
    merged,
    question,
    rows,
    unaligned,
    with_alignments,
)
from inputs.grammar import BoltzInput
from inputs.read import read_input, references

ALPHA, BETA = "VLSPADKTNVK", "VHLTPEEKSAV"
TETRAMER = f"""\
sequences:
- protein: {{id: [A, C], sequence: {ALPHA}}}
- ligand: {{id: L, ccd: HEM}}
- protein: {{id: B, sequence: {BETA}}}
- protein: {{id: E, sequence: GSGS, msa: empty}}
- protein: {{id: D, sequence: {BETA}}}
- rna: {{id: R, sequence: GGCC}}
"""


def document(text: str) -> BoltzInput:
    return read_input("a.yaml", text.encode(), msa_service=True)


def answered(sequences: list[str], *texts: str) -> list[str]:
    return joined([blocks(StringIO(text), sequences) for text in texts])


def test_each_distinct_sequence_without_msa_is_aligned_once_in_order_of_its_first_chain() -> None:
    assert unaligned(document(TETRAMER)) == (ALPHA, BETA)


def test_nothing_lacks_an_alignment_where_all_name_one_or_none() -> None:
    assert unaligned(document("sequences:\n- protein: {id: A, sequence: GSGS, msa: empty}\n")) == ()
    assert unaligned(document("sequences:\n- dna: {id: A, sequence: ACGT}\n")) == ()


def test_the_question_is_numbered_as_colabfold_s_clients_do() -> None:
    assert question([ALPHA, BETA]) == f">101\n{ALPHA}\n>102\n{BETA}\n"


def test_objects_are_named_by_what_is_aligned_and_pairs_by_their_order() -> None:
    server = MsaServer("https://msa.example")
    two, turned = server.needed((ALPHA, BETA)), server.needed((BETA, ALPHA))
    assert two.unpaired == turned.unpaired[::-1]
    assert two.paired != turned.paired
    assert len(set(two.names)) == 3
    assert server.needed((ALPHA,)).paired is None
    assert server.needed((ALPHA,)).names == two.unpaired[:1]


@pytest.mark.parametrize("other", [{"url": "https://b.example"}, {"database": "x"}, {"pairing": "complete"}])
def test_another_server_database_or_pairing_keeps_its_alignments_apart(other: dict[str, str]) -> None:
    server = MsaServer("https://msa.example")
    assert server._replace(**other).prefix != server.prefix


def test_a_server_is_told_by_its_host_and_port() -> None:
    assert MsaServer("http://127.0.0.1:8080/api/").host == "127.0.0.1:8080"


def test_a_document_names_the_files_and_is_else_as_it_was() -> None:
    before = document(TETRAMER)
    after = with_alignments(before, {ALPHA: "x.csv", BETA: "y.csv"})
    assert unaligned(after) == ()
    assert references(after) == ("x.csv", "y.csv")
    assert [entry.protein.msa for entry in after.sequences if entry.protein] == [
        *("x.csv", "y.csv", "empty", "y.csv")
    ]
    assert unaligned(before) == (ALPHA, BETA)
    read_again = read_input("a.yaml", after.model_dump_json(exclude_unset=True).encode())
    assert read_again == after


def test_blocks_of_one_sequence_in_several_files_are_one_alignment() -> None:
    found = answered(
        ["GSGS", "NLYIQ"],
        ">101\nGSGS\n>hit one\nGAGS\n\0>102\nNLYIQ\n\0",
        ">101\nGSGS\n>other\nG-gaGS\n\0>102\nNLYIQ\n>far\nNL---\n\0",
    )
    assert [rows(each) for each in found] == [["GSGS", "GAGS", "GSGS", "G-gaGS"], ["NLYIQ", "NLYIQ", "NL---"]]
    assert ">hit one\n" in found[0]


def test_unknown_residues_come_back_as_x() -> None:
    assert rows(answered(["GUGB"], ">101\nGXGX\n")[0]) == ["GXGX"]


def test_what_cannot_be_printed_in_a_header_parts_no_lines() -> None:
    [found] = answered(["GSGS"], ">101\nGSGS\n>a\x0bb\u2028c\nGAGS\n")
    assert rows(found) == ["GSGS", "GAGS"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (">101\nGAGS\n", "another query than sequence 1"),
        (">101\nGSG\n", "another query than sequence 1"),
        (">101\nGSGS\n>a\nGSG\n", "a row of another width than sequence 1"),
        (">101\nGSGS\n>a\nGSGSs-\n", "a row of another width"),
        (">102\nGSGS\n", "a block '102', which was not asked for"),
        (">100\nGSGS\n", "a block '100', which was not asked for"),
        (">query\nGSGS\n", "a block 'query', which was not asked for"),
        (">101\nGSGS\n>a\n<html>\n", "no row of an alignment in line 4"),
        ("<html>\n", "no header in line 1"),
        (">101\nGSGS\n>a\n", "a header without a row at its end"),
        ("", "no alignment of sequence 1 of 1"),
    ],
)
def test_an_answer_that_is_no_alignment_of_the_question_is_refused(text: str, said: str) -> None:
    with pytest.raises(AnswerError, match=said):
        answered(["GSGS"], text)


def test_a_sequence_that_is_not_answered_is_named() -> None:
    with pytest.raises(AnswerError, match="no alignment of sequence 2 of 2"):
        answered(["GSGS", "NLYIQ"], ">101\nGSGS\n")


def test_no_more_rows_are_kept_than_boltz_takes() -> None:
    [found] = answered(["GSGS"], ">101\nGSGS\n" + ">a\nGAGS\n" * MAX_ROWS)
    assert len(rows(found)) == MAX_ROWS


def test_a_single_sequence_has_no_keys() -> None:
    assert merged("", ">101\nGSGS\n>a\nG-GS\n") == "key,sequence\n-1,GSGS\n-1,G-GS"


def test_pairs_come_first_each_with_its_place_as_key_and_the_query_once() -> None:
    paired = ">101\nGSGS\n>a\n----\n>b\nGAGS\n"
    assert merged(paired, ">101\nGSGS\n>c\nGSGA\n") == "key,sequence\n0,GSGS\n2,GAGS\n-1,GSGA"


def test_rows_are_as_many_as_boltz_takes() -> None:
    paired = ">101\nGSGS\n" + ">a\nGAGS\n" * MAX_PAIRED
    lines = merged(paired, ">101\nGSGS\n" + ">b\nGSGA\n" * MAX_ROWS).splitlines()[1:]
    assert len(lines) == MAX_ROWS - 1  # the query of the unpaired rows is among those that Boltz counts
    assert sum(not line.startswith("-1,") for line in lines) == MAX_PAIRED
