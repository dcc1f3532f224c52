"""Reading input files: what is accepted, what is refused, and in which words."""

import bz2
import gzip
import io
import lzma
import re
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from support.inputs import one_protein

from inputs import read as boltz_input
from inputs.parse_yaml import MAX_LETTERS, MAX_NODES, _events, read_yaml, residues_in
from inputs.read import (
    MAX_INPUT_BYTES,
    BoltzInput,
    InvalidInputError,
    count_tokens,
    normalised,
    read_input,
    references,
)
from inputs.smiles import read_smiles
from inputs.tree import UnreadableError
from schemas.failure import Code, Failure

PROTEIN = one_protein()
LIGAND = "- ligand: {id: L, ccd: ATP}\n"
EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples" / "boltz-input"
VALID = {path.name: path.read_bytes() for path in sorted((EXAMPLES / "valid").iterdir())}
FIELD = re.compile(r'^(?:\[\d+\])+|(?:^|\.)(?:[A-Za-z_][\w-]*|"[^"]*.*")(?:\[\d+\])*')


def failures(
    text: str | bytes, name: str = "run/in.yaml", *, msa_service: bool = False
) -> tuple[Failure, ...]:
    content = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(InvalidInputError) as caught:
        read_input(name, content, msa_service=msa_service)
    return caught.value.failures


def fields(text: str, name: str = "run/in.yaml", *, msa_service: bool = False) -> list[str | None]:
    return [failure.field for failure in failures(text, name, msa_service=msa_service)]


def read(text: str, name: str = "in.yaml", *, msa_service: bool = False) -> BoltzInput:
    return read_input(name, text.encode(), msa_service=msa_service)


# Files


@pytest.mark.parametrize("name", ["a.yaml", "a.yml", "A.YAML", "x/y.z/a.Yml"])
def test_a_yaml_file_is_known_by_its_suffix_in_any_case(name: str) -> None:
    assert read(PROTEIN, name).sequences[0].kind == "protein"


@pytest.mark.parametrize("name", ["a.fasta", "a.fas", "a.fa", "A.FASTA"])
def test_a_fasta_file_is_known_by_its_suffix_in_any_case(name: str) -> None:
    assert read(">A|dna\nACGT\n", name).sequences[0].kind == "dna"


@pytest.mark.parametrize("name", ["a.txt", "a", ".yaml", "yaml", "a.yaml/b", "a.yaml.gz", ""])
def test_another_suffix_is_an_unsupported_file(name: str) -> None:
    assert [failure.code for failure in failures(PROTEIN, name)] == [Code.UNSUPPORTED_FILE]


def test_a_file_of_the_greatest_size_is_read_and_one_byte_more_is_not() -> None:
    padding = "#" * (MAX_INPUT_BYTES - len(PROTEIN))
    assert read(PROTEIN + padding)
    assert [failure.code for failure in failures(PROTEIN + padding + "#")] == [Code.TOO_LARGE]


@pytest.mark.parametrize("content", [b"", b" \n\t\r\n", b"\xef\xbb\xbf", b"# nothing\n", b"---\n...\n"])
@pytest.mark.parametrize("name", ["a.yaml", "a.fasta"])
def test_a_file_without_content_is_refused(name: str, content: bytes) -> None:
    assert [failure.field for failure in failures(content, name)] == [None]


def test_bytes_that_are_not_utf_8_are_named() -> None:
    assert "byte 3 is 0xff" in failures(b"ab\xff")[0].message


@pytest.mark.parametrize("char", ["\x00", "\x07", "\x1b", "\x7f", "\x9b"])
def test_a_control_character_is_refused_with_its_place(char: str) -> None:
    assert "line 2, column 3" in failures(f"a: 1\nb:{char}")[0].message


def test_line_ends_of_every_system_and_a_byte_order_mark_make_no_difference() -> None:
    plain = read(PROTEIN)
    assert read(PROTEIN.replace("\n", "\r\n")) == plain
    assert read(PROTEIN.replace("\n", "\r")) == plain
    assert read(f"\ufeff{PROTEIN}") == plain


@pytest.mark.parametrize(
    ("text", "name", "message", "remedy"),
    [
        (">A|dna|\nACGT\n", "run/x.yaml", "holds FASTA, but its name says YAML", "Rename it to x.fasta"),
        ("\n>A|dna\nACGT\n>L|ccd\nSAH", "x.YML", "holds FASTA", "Rename it to x.fasta"),
        (PROTEIN, "run/x.fasta", "holds YAML, but its name says FASTA", "Rename it to x.yaml"),
        ('{"sequences": []}', "x.fa", "holds YAML", "Rename it to x.yaml"),
    ],
)
def test_a_file_of_the_other_format_is_to_be_renamed(text: str, name: str, message: str, remedy: str) -> None:
    [failure] = failures(text, name)
    assert message in failure.message
    assert remedy in failure.remedy


def zipped(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("x.yaml", content)
    return packed.getvalue()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zipped])
@pytest.mark.parametrize("name", ["x.yaml", "x.fasta"])
def test_a_packed_file_is_to_be_unpacked(pack: Callable[[bytes], bytes], name: str) -> None:
    [failure] = failures(pack(PROTEIN.encode()), name)
    assert "the file is packed by " in failure.message
    assert failure.remedy == "Unpack it, and upload it again."


# YAML


def test_words_that_yaml_leaves_alone_are_chain_ids() -> None:
    text = PROTEIN.replace("A,", "[N, Y, n, y, e1, 1e3],")
    assert read(text).sequences[0].molecule.id == ("N", "Y", "n", "y", "e1", "1e3")


@pytest.mark.parametrize("word", ["NO", "on", "Yes", "true", "1", "007", "0x1F", "1_0", "null", "~", "1.5"])
def test_a_word_that_yaml_reads_otherwise_must_be_quoted(word: str) -> None:
    [failure] = failures(PROTEIN.replace("A,", f"{word},"))
    assert failure.field == "sequences[0].protein.id"
    assert failure.value == word
    assert "in quotes" in failure.remedy
    assert f"'{word}'" in failure.remedy


@pytest.mark.parametrize("word", ["NO", "on", "1", "007", "null", "1e3"])
def test_the_same_word_in_quotes_is_text(word: str) -> None:
    assert read(PROTEIN.replace("A,", f"'{word}',")).sequences[0].molecule.id == (word,)


@pytest.mark.parametrize("word", ["2024-11-05", "2024-13-45", "0x_", "0b_", "=", "1" * 65, "1" + ":5" * 40])
def test_dates_and_broken_or_endless_numbers_are_refused(word: str) -> None:
    assert fields(PROTEIN.replace("A,", f"{word},")) == ["sequences[0].protein.id"]


@pytest.mark.parametrize("number", ["010", "0x1", "0b1", "1_0", "1:30", "+010", "1" * 30])
def test_a_position_means_what_it_says(number: str) -> None:
    assert yaml.safe_load(number) != number
    text = PROTEIN.replace("empty}", f"empty, modifications: [{{position: {number}, ccd: SEP}}]}}")
    assert fields(text) == ["sequences[0].protein.modifications[0].position"]


@pytest.mark.parametrize("number", ["6", "6.", "6.25", "+6", "0.6e+1"])
def test_a_plain_number_is_a_number(number: str) -> None:
    text = f"{PROTEIN}constraints: [{{contact: {{token1: [A, 1], token2: [A, 2], max_distance: {number}}}}}]"
    contact = read(text).constraints[0].contact
    assert contact
    assert contact.max_distance == float(number)


def test_everything_that_is_not_plain_is_reported_at_once() -> None:
    text = "sequences: [{rna: {id: 007, id: 2024-01-02, sequence: =}}]\n1: 2"
    rna = "sequences[0].rna"
    assert fields(text) == [f"{rna}.id", f"{rna}.id", f"{rna}.sequence", None]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a: &x", "line 1, column 4"),
        ("a: 1\nb: *x", "line 2, column 4"),
        ("a: &x 1\nb: &x 2", "line 2, column 4"),
        ("a: &x [*x]", "line 1, column 4"),
        ("a: &x {b: 1}\nc: {<<: *x}", "line 2, column 5"),
        ("a: !!int 1", "line 1, column 4"),
        ("a: !x 1", "line 1, column 4"),
        ("!!map {a: 1}", "line 1, column 1"),
        ("a: 1\n---\na: 2", "line 2, column 1"),
        ("a: 1\nb: 2\na: 3", "line 3, column 1"),
        ("1: 2", "line 1, column 1"),
        ("yes: 2", "line 1, column 1"),
        ("? [a]\n: 1", "line 1, column 3"),
        ("<<: {a: 1}", "line 1, column 1"),
        ("a: b: c", "line 1, column 5"),
        ('a: "C\\C"', "line 1, column 7"),
        ("a:\n\tb: 1", "line 2, column 1"),
        ("[" * 21, "line 1, column 21"),
        ("a: [" + "1," * 20_000 + "]", "line 1"),
        ("%YAML 1.1\n%TAG !x! y\n---\na: 1", "line 2, column 1"),
    ],
)
def test_yaml_that_is_broken_or_not_plain_is_refused_at_its_line_and_column(text: str, where: str) -> None:
    [failure] = failures(text)
    assert where in failure.message


POCKETS = f"""{PROTEIN}{LIGAND}- ligand: {{id: M, ccd: MG}}
constraints:
- pocket: {{binder: L, contacts: &id001 [[A, 3], [A, 5]]}}
- pocket: {{binder: M, contacts: *id001}}
"""


def test_an_alias_stands_for_what_its_anchor_names() -> None:
    assert read(POCKETS) == read(POCKETS.replace("&id001", "").replace("*id001", "[[A, 3], [A, 5]]"))


def test_lists_that_a_program_shares_are_read_as_pyyaml_writes_them() -> None:
    text = yaml.safe_dump(BoltzInput.model_dump(read(POCKETS), exclude_defaults=True, mode="json"))
    shared = yaml.safe_load(text)
    shared["constraints"][1]["pocket"]["contacts"] = shared["constraints"][0]["pocket"]["contacts"]
    assert "&id001" in (dumped := yaml.safe_dump(shared))
    assert read(dumped) == read(POCKETS)


def test_a_problem_of_what_an_alias_stands_for_is_told_where_it_stands() -> None:
    found = failures(POCKETS.replace("5]", "50]"))
    assert [failure.field for failure in found] == [
        f"constraints[{at}].pocket.contacts[1][1]" for at in (0, 1)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [" + "1," * (MAX_NODES // 2) + "]\nb: *a",
        "a: &a " + "x" * (MAX_LETTERS // 2) + "\nb: *a\nc: 1",
        "a: &a0 [x, x]\n" + "".join(f"b{at}: &a{at} [*a{at - 1}, *a{at - 1}]\n" for at in range(1, 18)),
        "a: &a [[[[[[[[[x]]]]]]]]]\nb: &b [[[[[[[[*a]]]]]]]]\nc: [[[*b]]]",
    ],
)
def test_what_aliases_stand_for_counts_against_the_limits(text: str) -> None:
    [failure] = failures(text)
    assert "with each alias written out" in failure.message


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        (PROTEIN + PROTEIN, "Put the items of both below one `sequences:`."),
        ("sequences:\n  dna: {id: A}\n  dna: {id: B}", "Write `- ` before each `dna:` of sequences"),
        ("sequences:\n- dna: {id: A}\n  dna: {id: B}", "Write `- ` before the second `dna:`"),
        (PROTEIN.replace("A,", "A, id: A,"), "Keep one of the two."),
        (f"{PROTEIN}---\n{PROTEIN}", "each document into a file of its own"),
    ],
)
def test_the_remedy_of_what_stands_there_twice_loses_nothing(text: str, remedy: str) -> None:
    assert remedy in failures(text)[0].remedy


@pytest.mark.parametrize("text", ['a: "\\UFFFFFFFF"', 'a: "\\U00110000"', "a: \ufffe"])
def test_characters_that_do_not_exist_are_no_valid_yaml(text: str) -> None:
    assert "not valid YAML" in failures(text)[0].message


def test_half_a_character_can_be_reported() -> None:
    [failure] = failures(PROTEIN.replace("A,", '"\\ud800",'))
    assert failure.value == "\\ud800"


@pytest.mark.parametrize("text", ["[a]", "text", "1", "- a: 1"])
def test_a_document_that_is_no_mapping_is_refused(text: str) -> None:
    assert failures(text)[0].message.endswith("the file must be a mapping.")


# FASTA


def test_fasta_records_become_the_same_models() -> None:
    text = "\n> A|Protein|a.a3m some text\nNLY IQ\n\nWL\n>B|smiles|\nCC\nO\n>C|CCD\nATP"
    document = read(text, "a.fasta")
    same = "sequences:\n- protein: {id: A, sequence: NLYIQWL, msa: a.a3m}\n- ligand: {id: B, smiles: CCO}\n"
    assert document == read(same + "- ligand: {id: C, ccd: ATP}\n")


@pytest.mark.parametrize(
    ("header", "word"),
    [
        ("A", "without a type"),
        ("", "without a type"),
        ("A protein", "without a type"),
        ("A|", "unknown type"),
        ("A|protien|empty", "Did you mean protein?"),
        ("A|protein|a.a3m|x", "more than three fields"),
        ("A|dna|empty", "only a protein"),
    ],
)
def test_a_header_that_boltz_would_misread_is_refused(header: str, word: str) -> None:
    [failure] = failures(f">B|dna\nACGT\n>{header}\nACGT\n", "a.fa")
    assert failure.field == "sequences[1]"
    assert "line 3" in failure.message
    assert word in failure.message + failure.remedy


def test_a_chain_id_in_fasta_obeys_the_same_rules() -> None:
    assert fields(">|dna\nACGT\n>TOOLONG|dna\nAC\n", "a.fa") == ["sequences[0].dna.id", "sequences[1].dna.id"]


def test_what_boltz_would_skip_before_the_first_header_is_refused() -> None:
    assert "before its first header" in failures("; text\n>A|dna\nACGT\n", "a.fa")[0].message


def test_a_byte_order_mark_and_line_ends_of_every_system_make_no_difference_in_fasta() -> None:
    plain = read(">A|dna\nACGT\n", "a.fa")
    assert read("\ufeff>A|dna\nACGT\n", "a.fa") == plain
    assert read(">A|dna\r\nAC\r\nGT\r\n", "a.fas") == plain


def test_boltz_gets_the_text_without_byte_order_mark_and_with_line_feeds() -> None:
    assert normalised("\ufeff>A|dna\r\nACGT\rA\n".encode()) == b">A|dna\nACGT\nA\n"


def test_more_records_than_any_device_holds_are_refused_at_once() -> None:
    assert "holds 1001 records" in failures(">A|dna\nACGT\n" * 1001, "a.fa")[0].message


# The MSA


def test_a_protein_without_msa_is_refused_with_both_ways_out() -> None:
    [failure] = failures("sequences:\n- protein: {id: A, sequence: NLYIQ}\n")
    assert failure.field == "sequences[0].protein.msa"
    assert "`msa: empty`" in failure.remedy
    assert "`msa: NAME.a3m`" in failure.remedy


def test_a_protein_without_msa_in_fasta_is_told_how_to_write_it_there() -> None:
    [failure] = failures(">Q1|protein\nNLYIQ\n", "a.fasta")
    assert failure.field == "sequences[0].protein.msa"
    assert "`>Q1|protein|empty`" in failure.remedy


@pytest.mark.parametrize("msa", ["", ", msa: ", ", msa: null"])
def test_an_msa_service_fills_a_missing_msa(msa: str) -> None:
    document = read(f"sequences:\n- protein: {{id: A, sequence: NLYIQ{msa}}}\n", msa_service=True)
    assert document.sequences[0].protein
    assert document.sequences[0].protein.msa is None


def test_files_and_the_service_are_not_mixed_but_empty_goes_with_both() -> None:
    text = PROTEIN + "- protein: {id: B, sequence: NLY}\n"
    assert read(text, msa_service=True)
    mixed = text + "- protein: {id: C, sequence: NL, msa: c.a3m}\n"
    assert fields(mixed, msa_service=True) == ["sequences[1].protein.msa"]


# References


def test_references_are_listed_once_in_order_and_normalised() -> None:
    text = (
        "sequences:\n"
        "- protein: {id: A, sequence: NLY, msa: b.csv}\n"
        "- protein: {id: B, sequence: NL, msa: ./x//a.a3m}\n"
        "- protein: {id: C, sequence: NLX, msa: b.csv}\n"
        "- protein: {id: D, sequence: NN, msa: empty}\n"
        "templates: [{cif: t.cif}, {pdb: x/u.pdb, chain_id: A}]\n"
    )
    assert references(read(text)) == ("b.csv", "x/a.a3m", "t.cif", "x/u.pdb")


@pytest.mark.parametrize(
    "name",
    [
        "/etc/a.a3m",
        "../a.a3m",
        "x/../../a.a3m",
        "x\\a.a3m",
        "gs://b/a.a3m",
        "file:///a.a3m",
        "C:a.a3m",
        "a.A3M",
        "a.a3m.gz",
        ".a3m",
        "a3m",
        "a.cif",
        "a.a3m/",
        "",
        "a\u202eb.a3m",
        "a\\nb.a3m",
        "x" * 252 + ".a3m",
        f"{'x' * 255}/{'x' * 253}.a3m",
        f"{'ü' * 128}/a.a3m",
        "ü" * 255 + ".a3m",
    ],
)
def test_a_reference_stays_beside_its_input_and_has_a_fitting_suffix(name: str) -> None:
    quoted = f'"{name}"' if "\\n" in name else f"'{name}'"
    assert fields(PROTEIN.replace("empty", quoted)) == ["sequences[0].protein.msa"]


@pytest.mark.parametrize("name", ["a.a3m", "x/y z/ü..b.csv", f"{'x' * 255}/{'x' * 251}.a3m"])
def test_a_reference_within_the_rules_is_accepted(name: str) -> None:
    assert references(read(PROTEIN.replace("empty", f"'{name}'"))) == (name,)


WORDS_FOR_NONE = (
    *("none", "None", "''", "' '", "single_sequence", "single-sequence mode", "False", "no", "0", "[]", "{}"),
    *("Empty", "EMPTY", "msa_free", "'null'", "n/a", "'-'", "no_msa"),
)


@pytest.mark.parametrize("msa_service", [False, True])
@pytest.mark.parametrize("word", WORDS_FOR_NONE)
def test_people_s_words_for_no_msa_are_answered_with_the_word_for_it(word: str, msa_service: bool) -> None:
    [failure] = failures(PROTEIN.replace("empty", word), msa_service=msa_service)
    assert failure.field == "sequences[0].protein.msa"
    assert failure.remedy.startswith("Write `msa: empty` for single-sequence mode")
    assert ("leave it out" in failure.remedy) is msa_service


def test_in_fasta_the_word_for_no_msa_stands_in_the_header() -> None:
    assert "Write `>B|protein|empty`" in failures(">B|protein|none\nNLY\n", "a.fasta")[0].remedy


@pytest.mark.parametrize("word", ["NONE.a3m", "no/x.csv", "0.a3m", "nano.a3m"])
def test_a_file_may_be_called_so(word: str) -> None:
    assert references(read(PROTEIN.replace("empty", word))) == (word,)


# The grammar


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        (PROTEIN + "version: 2", "version", "must be 1"),
        (PROTEIN + "constraint: []", "constraint", "Did you mean `constraints`?"),
        (PROTEIN + "constraints:", "constraints", "is empty"),
        (PROTEIN + "templates: {}", "templates", "must be a list"),
        ("sequences: []", "sequences", "is an empty list"),
        ("version: 1", "sequences", "is missing"),
        ("sequences: [A]", "sequences[0]", "must be a mapping"),
        ("sequences: [{}]", "sequences[0]", "exactly one of: protein, dna, rna, ligand"),
        ("sequences: [{rna: }]", "sequences[0].rna", "is empty"),
        ("sequences: [{rna: {id: A}}]", "sequences[0].rna.sequence", "is missing"),
        ("sequences: [{rna: {id: [], sequence: A}}]", "sequences[0].rna.id", "is an empty list"),
        ("sequences: [{rna: {id: [A, B-], sequence: A}}]", "sequences[0].rna.id[1]", "letters or digits"),
        ("sequences: [{rna: {id: ABCDEF, sequence: A}}]", "sequences[0].rna.id", "1 to 5"),
        ("sequences: [{rna: {id: Ä, sequence: A}}]", "sequences[0].rna.id", "letters or digits"),
        ("sequences: [{rna: {id: A_1, sequence: A}}]", "sequences[0].rna.id", "for example to A1."),
        ("sequences: [{rna: {id: A, sequence: ''}}]", "sequences[0].rna.sequence", "is empty"),
        ("sequences: [{rna: {id: A, sequence: AUt}}]", "sequences[0].rna.sequence", "'t' at position 3"),
        ("sequences: [{rna: {id: A, sequence: auc}}]", "sequences[0].rna.sequence", "in capitals"),
        ("sequences: [{rna: {id: A, sequence: A U}}]", "sequences[0].rna.sequence", "without blanks"),
        ("sequences: [{rna: {id: A, sequence: A-U}}]", "sequences[0].rna.sequence", "Remove gaps"),
        ("sequences: [{rna: {id: A, sequence: A, msa: empty}}]", "sequences[0].rna.msa", "not a known key"),
        ("sequences: [{rna: {id: A, sequence: A, cyclic: 1}}]", "sequences[0].rna.cyclic", "true or false"),
        ("sequences: [{ligand: {id: A, ccd: []}}]", "sequences[0].ligand.ccd", "is an empty list"),
        ("sequences: [{ligand: {id: A, ccd: [ATP, a]}}]", "sequences[0].ligand.ccd[1]", "capitals or digits"),
        ("sequences: [{ligand: {id: A, smiles: C C}}]", "sequences[0].ligand.smiles", "blanks"),
        ("sequences: [{ligand: {id: A, smiles: ''}}]", "sequences[0].ligand.smiles", "is empty"),
        ("sequences: [{ligand: {id: A}}]", "sequences[0].ligand", "exactly one of: smiles, ccd"),
        (PROTEIN + "properties: [{affinity: {}}]", "properties[0].affinity.binder", "is missing"),
        (PROTEIN + "properties: [{afinity: {}}]", "properties[0].afinity", "Did you mean `affinity`?"),
        (PROTEIN + "constraints: [{bond: {atom1: [A, 1, N]}}]", "constraints[0].bond.atom2", "is missing"),
    ],
)
def test_a_breach_of_the_grammar_is_reported_at_its_field(text: str, field: str, words: str) -> None:
    [failure] = failures(text)
    assert failure.field == field
    assert words in f"{failure.message} {failure.remedy}"


AFFINITY = PROTEIN + "properties:\n- affinity: {binder: %s}\n"
TEMPLATE = PROTEIN + "templates:\n- {cif: x.cif, %s}\n"
SMILES = "sequences: [{ligand: {id: L, smiles: %s}}]"


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        (AFFINITY % "[B]", "Write B alone, not as a list."),
        (PROTEIN + "properties:\n- affinity:\n    binder:\n    - B\n", "Write B alone, not as a list."),
        (AFFINITY % "{B}", "Write B alone, not as a mapping."),
        (AFFINITY % "[1]", "Write '1' alone, not as a list."),
        (AFFINITY % "[no]", "Write 'no' alone, not as a list."),
        (AFFINITY % "[B, C]", "Write a single value behind the key."),
        (AFFINITY % "{B: C}", "Write a single value behind the key."),
        (PROTEIN.replace("empty", "[a.a3m]"), "Write a.a3m alone, not as a list."),
        (PROTEIN.replace("A,", "[[B]],"), "Write B alone, not as a list."),
        (TEMPLATE % "threshold: [2.5], force: true", "Write 2.5 alone, not as a list."),
        (TEMPLATE % "threshold: 1, force: [true]", "Write true alone, not as a list."),
        (SMILES % "[Na+]", "Put it in quotes: '[Na+]'."),
        (SMILES % "[C]", "Put it in quotes: '[C]'."),
        (SMILES % "[CCO, CC]", "Write a single value behind the key."),
        (f"version: [1]\n{PROTEIN}", "Write 1 alone, not as a list."),
    ],
)
def test_one_value_in_brackets_is_to_be_written_without_them(text: str, remedy: str) -> None:
    [failure] = failures(text)
    assert failure.remedy == remedy


def test_as_the_remedy_says_the_binder_is_taken() -> None:
    text = f"{PROTEIN}- ligand: {{id: B, smiles: CCO}}\nproperties:\n- affinity: {{binder: %s}}\n"
    assert failures(text % "[B]")[0].remedy == "Write B alone, not as a list."
    assert read(text % "B").properties


PART_LEVELS = """sequences:
- protein:
  id: A
  sequence: NLY
  msa: empty
"""


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        (
            PART_LEVELS,
            "has keys beside `protein:` instead",
            "Indent id, msa, sequence further than `protein:`",
        ),
        (
            f"{PROTEIN}constraints:\n- pocket:\n  binder: L\n",
            "beside `pocket:`",
            "Indent binder further than",
        ),
        (f"{PROTEIN}  msa: empty\n", "is not a known key", "It belongs below `protein:`, indented further."),
        (f"{PROTEIN}- binder: B\n", "is not a known key", "Known here: protein, dna, rna, ligand."),
        (
            f"{PROTEIN}- cyclic: true\n",
            "is not a known key",
            "below `protein:` or `dna:` or `rna:`, indented",
        ),
        (
            f"{PROTEIN}affinity: {{binder: B}}",
            "is not a known key",
            "below `properties:`, as an item that begins",
        ),
        (f"{PROTEIN}  properties: []", "is not a known key", "It belongs at the top level, indented less."),
        (TEMPLATE % "templates: []", "is not a known key", "It belongs at the top level, indented less."),
        (
            "sequences: [{rna: {id: A, sequence: A, ligand: {}}}]",
            "known",
            "into sequences[0], indented less.",
        ),
        (
            f"{PROTEIN}constraints:\n  contact: {{}}\n",
            "must be a list",
            "Write each item on its own line behind",
        ),
        (
            "sequences:\n  rna: {id: A, sequence: A}\n",
            "must be a list",
            "Write each item on its own line behind",
        ),
        (
            "sequences:\n- rna:\n  - id: A\n  - sequence: A\n",
            "not a list",
            "Write its keys below it, without `- `",
        ),
        ("- rna: {id: A, sequence: A}\n", "the file must be a mapping", "Begin it with `sequences:`"),
    ],
)
def test_a_part_of_the_wrong_level_is_told_where_it_belongs(text: str, message: str, remedy: str) -> None:
    failure = failures(text)[0]
    assert message in failure.message
    assert remedy in failure.remedy


def test_keys_beside_their_part_are_one_problem_of_each_entry() -> None:
    other = PART_LEVELS.replace("A", "B", 1).replace("sequences:\n", "")
    assert fields(PART_LEVELS + other) == ["sequences[0]", "sequences[1]"]
    assert read((PART_LEVELS + other).replace("\n  ", "\n    "))


@pytest.mark.parametrize(
    ("constraint", "field"),
    [
        ("bond: {atom1: [A, 0, N], atom2: [A, 2, N]}", "bond.atom1[1]"),
        ("bond: {atom1: [A, 1.0, N], atom2: [A, 2, N]}", "bond.atom1[1]"),
        ("bond: {atom1: [A, 1, CARBON], atom2: [A, 2, N]}", "bond.atom1[2]"),
        ("bond: {atom1: [A, 1, ON], atom2: [A, 2, N]}", "bond.atom1[2]"),
        ("bond: {atom1: [A, 1], atom2: [A, 2, N]}", "bond.atom1"),
        ("bond: {atom1: {A: 1}, atom2: [A, 2, N]}", "bond.atom1"),
        ("bond: {atom1: [Q, 1, N], atom2: [A, 2, N]}", "bond.atom1[0]"),
        ("pocket: {binder: L, contacts: []}", "pocket.contacts"),
        ("pocket: {binder: L, contacts: [[A, -1]]}", "pocket.contacts[0][1]"),
        ("pocket: {binder: L, contacts: [[A, true]]}", "pocket.contacts[0][1]"),
        ("pocket: {binder: L, contacts: [[A, N]]}", "pocket.contacts[0][1]"),
        ("pocket: {binder: A, contacts: [[L, 1]]}", "pocket.contacts[0][1]"),
        ("pocket: {binder: [A], contacts: [[L, C2]]}", "pocket.binder"),
        ("pocket: {binder: Q, contacts: [[L, C2]]}", "pocket.binder"),
        ("pocket: {binder: A, contacts: [[L, C2]], max_distance: 3.9}", "pocket.max_distance"),
        ("pocket: {binder: A, contacts: [[L, C2]], max_distance: .nan}", "pocket.max_distance"),
        ("pocket: {binder: A, contacts: [[L, C2]], force: 'no'}", "pocket.force"),
        ("contact: {token1: [A, 1], token2: [Q, 1]}", "contact.token2[0]"),
        ("contact: {token1: [A, 1], token2: [A, 2], max_distance: 20.5}", "contact.max_distance"),
        ("contact: {token1: [A, 1], token2: [A, 2], min_distance: 5}", "contact.min_distance"),
    ],
)
def test_a_constraint_must_name_what_is_there(constraint: str, field: str) -> None:
    assert fields(f"{PROTEIN}{LIGAND}constraints:\n- {constraint}\n") == [f"constraints[0].{field}"]


@pytest.mark.parametrize(
    ("template", "field"),
    [
        ("{cif: a.pdb}", "[0].cif"),
        ("{pdb: a.cif}", "[0].pdb"),
        ("{cif: a.cif, pdb: a.pdb}", "[0]"),
        ("{chain_id: A}", "[0]"),
        ("{cif: a.cif, chain_id: Q}", "[0].chain_id"),
        ("{cif: a.cif, chain_id: L}", "[0].chain_id"),
        ("{cif: a.cif, chain_id: []}", "[0].chain_id"),
        ("{cif: a.cif, chain_id: A, template_id: [A, B]}", "[0].template_id"),
        ("{cif: a.cif, force: true}", "[0].threshold"),
        ("{cif: a.cif, force: true, threshold: 0}", "[0].threshold"),
        ("{cif: a.cif, threshold: .inf}", "[0].threshold"),
        ("{cif: x/a.cif}, {cif: a.cif}", "[1].cif"),
    ],
)
def test_a_template_must_fit_the_file(template: str, field: str) -> None:
    assert fields(f"{PROTEIN}{LIGAND}templates: [{template}]\n") == [f"templates{field}"]


def test_one_template_file_may_serve_twice() -> None:
    assert len(read(PROTEIN + "templates: [{cif: a.cif}, {cif: a.cif, chain_id: A}]\n").templates) == 2


def test_a_template_without_a_protein_is_refused() -> None:
    assert fields(f"sequences:\n{LIGAND}templates: [{{cif: a.cif}}]\n") == ["templates"]


@pytest.mark.parametrize(
    ("ligands", "binder", "field"),
    [
        ("[{ligand: {id: L, smiles: CO}}]", "L", None),
        ("[{ligand: {id: L, smiles: CO}}]", "Q", ".binder"),
        ("[{dna: {id: L, sequence: AC}}]", "L", ".binder"),
        ("[{ligand: {id: [L, M], smiles: CO}}]", "L", ".binder"),
        ("[{ligand: {id: L, smiles: CO}}, {ligand: {id: M, smiles: CO}}]", "L", ".binder"),
        ("[{ligand: {id: L, ccd: [NAG, NAG]}}]", "L", ".binder"),
        ("[{ligand: {id: L, ccd: [ATP]}}, {ligand: {id: M, ccd: MG}}]", "L", None),
    ],
)
def test_affinity_is_for_one_ligand_that_is_there_once(ligands: str, binder: str, field: str | None) -> None:
    text = f"sequences: {ligands}\nproperties: [{{affinity: {{binder: {binder}}}}}]\n"
    if field:
        assert fields(text) == [f"properties[0].affinity{field}"]
    else:
        assert read(text).properties


@pytest.mark.parametrize(
    ("first", "second", "field"),
    [
        ("msa: a.a3m", "msa: b.a3m", "msa"),
        ("msa: empty", "msa: b.a3m", "msa"),
        ("msa: empty", "msa: empty, cyclic: true", "cyclic"),
        ("msa: empty", "msa: empty, modifications: [{position: 1, ccd: SEP}]", "modifications"),
    ],
)
def test_chains_of_one_sequence_share_what_boltz_takes_from_the_first(
    first: str, second: str, field: str
) -> None:
    entries = [
        f"- protein: {{id: {chain}, sequence: SLY, {rest}}}\n"
        for chain, rest in (("A", first), ("B", second))
    ]
    assert fields("sequences:\n" + "".join(entries)) == [f"sequences[1].protein.{field}"]


@pytest.mark.parametrize("molecule", ["smiles: '[Na+]'", "ccd: ZN", "smiles: O"])
def test_one_atom_alone_is_refused_since_it_makes_no_pair_to_score(molecule: str) -> None:
    text = f"sequences:\n- ligand: {{id: L, {molecule}}}\n"
    [failure] = failures(text)
    assert (failure.field, failure.code) == ("sequences", Code.INVALID_INPUT)
    assert failure.remedy == "Add the molecules that it is to be predicted with."
    assert read(text.replace("L,", "[L, M],"))


def test_one_residue_alone_is_refused_and_two_are_not() -> None:
    assert fields(one_protein("G")) == ["sequences"]
    assert read(one_protein("GG"))


def test_a_residue_modified_in_one_chain_alone_is_x_in_its_sequence() -> None:
    text = "- protein: {id: %s, sequence: %s, msa: empty%s}\n"
    modified, plain = ", modifications: [{position: 1, ccd: SEP}]", text % ("B", "SLY", "")
    [failure] = failures("sequences:\n" + text % ("A", "SLY", modified) + plain)
    assert "write X (in DNA and RNA N) in the sequence" in failure.remedy
    assert read("sequences:\n" + text % ("A", "XLY", modified) + plain)


def test_a_sequence_may_be_rna_and_protein_at_once() -> None:
    assert read("sequences:\n- protein: {id: A, sequence: ACG, msa: empty}\n- rna: {id: B, sequence: ACG}\n")


@pytest.mark.parametrize(
    ("positions", "index"), [((0,), 0), ((21,), 0), ((5, 5), 1), ((1, True), 1), ((20, "'5'"), 1)]
)
def test_a_modification_is_at_a_residue_and_alone_there(positions: tuple[object, ...], index: int) -> None:
    listed = (
        ", ".join(f"{{position: {position}, ccd: SEP}}" for position in positions)
        .lower()
        .replace("sep", "SEP")
    )
    text = PROTEIN.replace("empty}", f"empty, modifications: [{listed}]}}")
    assert fields(text) == [f"sequences[0].protein.modifications[{index}].position"]


def test_a_chain_id_is_used_once_even_within_a_list() -> None:
    text = "sequences:\n- dna: {id: [A, A], sequence: ACG}\n- ligand: {id: A, ccd: MG}\n"
    assert fields(text) == ["sequences[0].dna.id", "sequences[1].ligand.id"]


def test_a_smiles_spelt_like_a_ccd_code_of_the_same_file_is_refused() -> None:
    text = "sequences:\n- ligand: {id: A, smiles: CO}\n- ligand: {id: B, ccd: CO}\n"
    assert fields(text) == ["sequences[1].ligand.ccd"]


def test_a_document_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        read(PROTEIN).version = 1  # type: ignore[misc] # that is the point


# Molecules, atoms, tokens


def test_grammar_smiles_and_codes_are_reported_together() -> None:
    text = (
        "sequences:\n- dna: {id: A, sequence: acg}\n- ligand: {id: B, smiles: C(}\n"
        "- ligand: {id: C, ccd: [NAG, NAGG]}\nconstraint: []\n"
    )
    assert fields(text) == [
        "sequences[0].dna.sequence",
        "sequences[1].ligand.smiles",
        "sequences[2].ligand.ccd[1]",
        "constraint",
    ]


def test_an_unknown_code_comes_with_the_nearest() -> None:
    [failure] = failures("sequences: [{ligand: {id: A, ccd: HEME}}]")
    assert failure.value == "HEME"
    assert "Did you mean HEM?" in failure.remedy


def test_an_unknown_atom_comes_with_those_that_are_there() -> None:
    [failure] = failures(f"{PROTEIN}{LIGAND}constraints: [{{contact: {{token1: [A, 1], token2: [L, o5*]}}}}]")
    assert "Did you mean O5'? Its atoms: PG, O1G" in failure.remedy


def test_atoms_of_a_smiles_under_affinity_are_left_to_boltz_which_renames_them() -> None:
    text = (
        f"{PROTEIN}- ligand: {{id: L, smiles: CCO}}\n"
        "constraints: [{contact: {token1: [A, 1], token2: [L, C77]}}]\n"
    )
    assert fields(text) == ["constraints[0].contact.token2[1]"]
    assert read(f"{text}properties: [{{affinity: {{binder: L}}}}]\n")


@pytest.mark.parametrize(
    ("ligand", "accepted"),
    [
        ("smiles: " + "OCC" * 42 + "OC", True),
        ("smiles: " + "OCC" * 43, False),
        ("ccd: COA", True),
        ("ccd: B12", False),
        ("smiles: 'C[Zn]C'", True),
        ("smiles: 'C[Hg]C'", False),
        ("smiles: 'BBBBBBB'", True),
        ("smiles: 'BBBBBBBB'", False),
    ],
)
def test_affinity_is_for_what_boltz_s_affinity_model_takes(ligand: str, accepted: bool) -> None:
    text = f"sequences: [{{ligand: {{id: L, {ligand}}}}}]\nproperties: [{{affinity: {{binder: L}}}}]\n"
    if accepted:
        assert read(text).properties
    else:
        assert fields(text) == ["properties[0].affinity.binder"]


@pytest.mark.parametrize(
    ("molecule", "tokens"),
    [
        ("protein: {id: [A, B], sequence: SLY, msa: empty, modifications: [{position: 1, ccd: SEP}]}", 6),
        ("ligand: {id: [A, B], ccd: ATP}", 62),
        ("ligand: {id: A, ccd: [NAG, NAG]}", 30),
        ("ligand: {id: A, smiles: '[H]OC([2H])C'}", 3),
    ],
)
def test_tokens_are_residues_of_polymers_and_atoms_of_ligands(molecule: str, tokens: int) -> None:
    assert count_tokens(read(f"sequences: [{{{molecule}}}]")) == tokens


def test_what_fits_on_no_device_is_too_large() -> None:
    text = "sequences: [{dna: {id: A, sequence: %s}}]"
    assert count_tokens(read(text % ("A" * 10_000))) == 10_000
    assert [failure.code for failure in failures(text % ("A" * 10_001))] == [Code.TOO_LARGE]


LARGE = {
    "residues": "- protein: {id: A, sequence: " + "A" * 101 + "}",
    "copies": "- protein: {sequence: AAA, id: [" + ",".join(f"A{at}" for at in range(40)) + "]}",
    "wrong copies": "- protein: {sequence: AAA, id: [" + "A," * 40 + "]}",
    "wrong residues": "- dna: {id: A, sequence: " + "x" * 101 + "}",
    "codes": "- ligand: {id: L, ccd: [" + "NAG," * 101 + "]}",
    "wrong codes": "- ligand: {id: L, ccd: [" + "QZQZ9," * 101 + "]}",
    "copied codes": "- ligand: {ccd: ATP, id: [" + ",".join(f"A{at}" for at in range(4)) + "]}",
    "entries": "- ligand: {id: L, ccd: MG}\n" * 101,
}


@pytest.mark.parametrize("case", LARGE)
def test_where_there_are_too_many_tokens_nothing_else_is_looked_at(case: str) -> None:
    text = f"sequences:\n{LARGE[case]}\n- protein: {{id: '', sequence: 1}}\nconstraint: []\n"
    if case == "copied codes":  # whose atoms are counted where all else is right
        text = f"sequences:\n{LARGE[case]}\nconstraints: [{{contact: {{token1: [Q, 1], token2: [Q, 2]}}}}]\n"
    with pytest.raises(InvalidInputError) as caught:
        read_input("x.yaml", text.encode(), max_tokens=100)
    [failure] = caught.value.failures
    assert (failure.code, failure.field) == (Code.TOO_LARGE, None)
    assert "there is memory for 100" in failure.message


def test_a_large_file_of_too_many_residues_is_refused_before_it_is_parsed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many = "".join(f"- protein: {{id: C{number}, sequence: MA, msa: a.a3m}}\n" for number in range(2_200))
    with monkeypatch.context() as patch:
        patch.setattr(boltz_input, "read_yaml", None)
        with pytest.raises(InvalidInputError, match="at least 4,400 tokens"):
            read_input("x.yaml", f"sequences:\n{many}".encode(), max_tokens=4_399)
    small = f"sequences:\n{many[:40_000]}".rpartition("- ")[0]
    with pytest.raises(InvalidInputError, match="at least"):
        read_input("x.yaml", small.encode(), max_tokens=10)


@pytest.mark.parametrize("unit", ["[", "{", "[a,", "- a\n", "a: b\n", "- ", "? ", "a:\n "])
def test_the_look_for_residues_goes_no_further_than_a_file_may(unit: str) -> None:
    looked = list(_events(unit * 100_000))
    assert len(looked) <= 3 * MAX_NODES


@pytest.mark.parametrize("line_break", ["", "\n", "\x85", "\u2028", "\u2029"])
def test_directives_that_take_libyaml_long_are_not_read(line_break: str) -> None:
    text = f"{line_break}%TAG !a! b\n---\nsequence: MMM\n"
    assert residues_in(text) == 0
    [failure] = failures(text)
    assert failure.remedy.startswith("Remove the line")


def test_no_more_smiles_are_read_than_there_may_be_tokens() -> None:
    entries = "".join(f"- ligand: {{id: L{at}, smiles: C{'C' * at}}}\n" for at in range(40))
    read_smiles.cache_clear()
    with pytest.raises(InvalidInputError) as caught:
        read_input("x.yaml", f"sequences:\n{entries}".encode(), max_tokens=50)
    assert "at least 55 tokens" in caught.value.failures[0].message
    assert read_smiles.cache_info().misses == 10


# Reports


def test_several_failures_come_in_the_order_of_the_file() -> None:
    text = "version: 3\nsequences:\n- dna: {sequence: x, id: A-}\n- rna: {id: 1}\nfoo: 1\nconstraints: 7\n"
    assert fields(text) == [
        "version",
        "sequences[0].dna.sequence",
        "sequences[0].dna.id",
        "sequences[1].rna.sequence",
        "sequences[1].rna.id",
        "foo",
        "constraints",
    ]


def test_a_failure_names_the_file_the_line_the_value_and_the_remedy() -> None:
    [failure] = failures(PROTEIN + "- ligand:\n    id: L\n    ccd: atp\n")
    assert failure.message == (
        "run/in.yaml, line 5, column 5: sequences[1].ligand.ccd must be 1 to 5 capitals or digits."
    )
    assert failure.value == "atp"
    assert "in capitals" in failure.remedy


@pytest.mark.parametrize(("count", "listed", "said"), [(20, 20, False), (21, 20, True), (900, 20, True)])
def test_at_most_twenty_failures_are_listed_and_more_are_told_of(count: int, listed: int, said: bool) -> None:
    found = failures("sequences:\n" + "- dna: {id: A, sequence: x}\n" * count)
    assert len(found) == listed
    assert ("there are more problems" in found[-1].message) == said


def test_long_and_unprintable_values_cannot_garble_a_report() -> None:
    found = failures(
        'sequences: [{rna: {id: A, sequence: "\\e[31m' + "A" * 5000 + '"}}]\n"\\n' + "k" * 900 + '": 1'
    )
    for failure in found:
        text = f"{failure.message}{failure.field}{failure.value}"
        assert text.isprintable()
        assert len(text) < 800


# Whatever comes


def outcome(name: str, content: bytes) -> tuple[Failure, ...]:
    try:
        read_input(name, content)
    except InvalidInputError as error:
        found = error.failures
    else:
        return ()
    assert 1 <= len(found) <= 20
    return found


NAMES = st.sampled_from(["a.yaml", "a.fasta"])
SNIPPETS = [
    *(
        b"null NO 1 017 1e3 12:30:00 .nan 0x_ 2024-01-01 = << ~ {} [] - ? : , [ ] { } & * ! | > ' # %".split(
            b" "
        )
    ),
    *(
        b'&a *a !!int \t \n \r\n \x00 \xff \xef\xbb\xbf \\ "\\ud800" "\\UFFFFFFFF" >A|protein|empty |'.split(
            b" "
        )
    ),
    *(b"id sequence protein ligand ccd smiles msa position constraints templates ../ gs:// A B".split(b" ")),
]


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, bytes]:
    """Draw a valid example, some of whose stretches are replaced by snippets or by any bytes."""
    name = draw(st.sampled_from(sorted(VALID)))
    content = VALID[name]
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = draw(st.integers(start, min(start + 12, len(content))))
        content = content[:start] + draw(st.sampled_from(SNIPPETS) | st.binary(max_size=4)) + content[end:]
    return name, content


KEYS = st.sampled_from(
    [
        *(
            "version",
            "sequences",
            "constraints",
            "templates",
            "properties",
            "protein",
            "dna",
            "rna",
            "ligand",
        ),
        *("id", "sequence", "msa", "modifications", "cyclic", "smiles", "ccd", "position", "bond", "pocket"),
        *("contact", "atom1", "atom2", "binder", "contacts", "token1", "token2", "max_distance", "force"),
        *("cif", "pdb", "chain_id", "template_id", "threshold", "affinity", "nonsense"),
    ]
)
SCALARS = st.sampled_from(["A", "ACGT", "empty", "a.a3m", "a.cif", "ATP", "", "x y", "ü"]) | st.text(
    max_size=3
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=25,
)


@given(NAMES, st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(name: str, content: bytes) -> None:
    outcome(name, content)


@settings(max_examples=300)
@given(mutated())
def test_any_slip_in_a_valid_file_is_read_or_refused(case: tuple[str, bytes]) -> None:
    for failure in outcome(*case):
        assert failure.field is None or "".join(FIELD.findall(failure.field)) == failure.field


@settings(max_examples=300)
@given(
    st.dictionaries(KEYS, VALUES, max_size=6)
    | st.lists(VALUES, max_size=4).map(lambda seq: {"sequences": seq})
)
def test_any_document_of_our_words_is_read_or_refused_without_pydantic_s_words(data: object) -> None:
    for failure in outcome("a.yaml", yaml.safe_dump(data, allow_unicode=True).encode()):
        text = f"{failure.field} {failure.message} {failure.remedy}"
        assert not re.search(
            r"function-|constrained|tagged-union|nullable|\bstr\b|BaseModel|Input should", text
        )


@settings(max_examples=200)
@given(mutated())
def test_what_is_read_from_yaml_is_what_boltz_s_loader_reads(case: tuple[str, bytes]) -> None:
    text = case[1].decode(errors="ignore").replace("\r\n", "\n").replace("\r", "\n")
    try:
        tree = read_yaml(text)
    except UnreadableError:
        return
    assert repr(tree.data) == repr(yaml.safe_load(text))  # repr: nan is not equal to itself


MEBIBYTE = MAX_INPUT_BYTES
BOMBS = {
    "aliases": "a: &a [" + "x," * 9_000 + "]\n" + "b: *a\n" * 1_000,
    "aliases of a long text": "a: &a {b: '" + "x\n\n" * 20_000 + "'}\nc: [" + "*a," * 9_000 + "]",
    "open brackets": "[" * MEBIBYTE,
    "open braces": "{" * MEBIBYTE,
    "dashes": "- " * (MEBIBYTE // 2),
    "many items": "- a\n" * (MEBIBYTE // 4),
    "one number": "a: " + "9" * (MEBIBYTE - 3),
    "sixty-based": "a: 1" + ":1" * (MEBIBYTE // 2 - 2),
    "one key": "? " + "k" * (MEBIBYTE - 2),
    "one sequence": "sequences: [{dna: {id: A, sequence: " + "A" * (MEBIBYTE - 50) + "a}}]",
    "folded text": "a: >\n" + " b\n" * (MEBIBYTE // 3 - 2),
    "escapes": 'a: "' + "\\n" * (MEBIBYTE // 2 - 4) + '"',
    "laughter": "a: &a [x,x]\n" + "".join(f"b{at}: [*a,*a]\n" for at in range(1000)),
    "failures": "sequences:\n" + "- dna: {}\n" * 4900,
    "chains": "sequences: [{dna: {id: [" + "A," * 19_900 + "], sequence: A}}]",
    "chains and unknown chains": "sequences:\n- dna: {id: ["
    + ",".join(f"c{at}" for at in range(9000))
    + "], sequence: A}\nconstraints:\n- pocket: {binder: c1, contacts: ["
    + "[x1, 1]," * 3000
    + "]}",
    "modifications": "sequences:\n"
    + "- rna: {id: A, sequence: AC, modifications: ["
    + "{position: 1, ccd: SEP}," * 2000
    + "]}\n"
    + "- rna: {id: B, sequence: AC}\n" * 1200,
    "unknown codes": "sequences:\n"
    + "".join(f"- ligand: {{id: A, ccd: ZZ{at:04x}}}\n" for at in range(4000)),
    "molecules": "sequences:\n"
    + "".join(f"- ligand: {{id: A, smiles: {'c1ccccc1' * 50}{'C' * at}}}\n" for at in range(600)),
    "unknown atoms": PROTEIN
    + LIGAND
    + "constraints: [{pocket: {binder: A, contacts: ["
    + "[L, C1]," * 6000
    + "]}}]",
    "contacts": PROTEIN + "constraints: [{pocket: {binder: A, contacts: [" + "[B,1]," * 6600 + "]}}]",
}


TAKEN_IN = {
    *("open brackets", "open braces", "dashes", "one number", "sixty-based", "one key", "folded text"),
    "escapes",
}
"""Of these tests/unit/test_hostile_inputs.py has the like, whose memory it measures, too."""


@pytest.mark.parametrize(
    ("name", "bomb"),
    [
        *(("a.fasta", bomb) for bomb in BOMBS),
        *(("a.yaml", bomb) for bomb in BOMBS if bomb not in TAKEN_IN),
        *(pytest.param("a.yaml", bomb, marks=pytest.mark.extra) for bomb in sorted(TAKEN_IN)),
    ],
)
def test_no_file_of_the_greatest_size_takes_long(name: str, bomb: str) -> None:
    begun = time.process_time()  # of this process alone, however busy the machine
    assert outcome(name, BOMBS[bomb].encode())
    assert time.process_time() - begun < 15  # about 2 s at most
