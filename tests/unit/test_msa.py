import gzip
import io
import tracemalloc

import pytest

from inputs.msa import MAX_ROWS, check_beginning, check_file
from inputs.read import BoltzInput, read_input
from inputs.sidecars import beside, too_large, unreachable
from inputs.suffixes import kind
from schemas.failure import Code, Failure

SEQUENCE = "MKTAYIAKQR"


def document(sequence: str = SEQUENCE, more: str = "", file: str = "x.a3m") -> BoltzInput:
    text = f"sequences:\n- protein: {{id: [A, B], sequence: {sequence}, msa: {file}{more}}}\n"
    return read_input("in.yaml", text.encode())


def wrong(content: str, chains: BoltzInput, file: str = "x.a3m") -> Failure | None:
    """Check a whole file, both as its beginning and as a file; they say the same."""
    at_once = check_beginning(file, content.encode(), chains, whole=True)
    assert at_once == check_file(file, io.StringIO(content, newline=None), chains)
    return at_once


@pytest.mark.parametrize(
    "content",
    [
        ">q\nMKTAYIAKQR\n>1\nMKTAYLAKQR\n>2\nMKSAYIaaAK-R\n",
        "#10\t1\n\n>101\textra\r\n  MKTAYIAKQR  \r\n>1\r\n-KTAYLAKQR\r\n",
        ">q\rMKTAYIAKQR\r",
        "\ufeff>q\nMKTAYIAKQR\n",
        ">q\nGGMKTAYIAKQRGG\n>1\nGG-KTAYLAKQRGG\n",
        ">q\naMKTAvvYIAKQRr\n",
        ">one\n>two\nMKTAYIAKQR\n",
    ],
)
def test_an_a3m_that_begins_with_the_chain_is_used(content: str) -> None:
    assert wrong(content, document()) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no row"),
        (">only a header\n#and a comment\n\n", "holds no row"),
        ("#10\t1\nMKTAYIAKQR\n>q\nMKTAYIAKQR\n", "has a row in line 2 before any header"),
        (">q\nMKTAYIGKQR\n", "has G at position 7 of its first row, where chain A has A"),
        (">q\nMKTAYI-KQR\n", "has - at position 7 of its first row, where chain A has A"),
        (
            ">q\nMKTAYI\n",
            "has 6 columns in its first row, but chain A has 10 residues; they differ from position 7",
        ),
        (
            ">q\nMKTAYIGKQRQ\n",
            "has 11 columns in its first row, but chain A has 10 residues; they differ from position 7 on",
        ),
        (">q\nMKTAYIAKQR\n>1\nMKT\n", "has 3 columns in line 4, but 10 in its first row"),
        (">q\nMKTAY\nIAKQR\n", "has 5 columns in its first row, but chain A has 10 residues"),
        (
            ">q\nmktayiakqr\n",
            "has 0 columns in its first row, but chain A has 10 residues; they differ from position 1",
        ),
        (">q\nMKTAYI*KQR\n", "has '*' at position 7 of the row in line 2"),
        (">q\nMKTAYI KQR\n", "has ' ' at position 7 of the row in line 2"),
        (">q\n\ufeffMKTAYIAKQR\n", r"has '\ufeff' at position 1 of the row in line 2"),
        (">q\nMKTAYIAKQR\x00\n", r"has '\x00' at position 11 of the row in line 2"),
        (">q\n\uff2d\uff2b\n", r"has '\uff2d' at position 1 of the row in line 2"),
        (">q\nMKTAY\u2028IAKQR\n", r"has '\u2028' at position 6 of the row in line 2"),
        ('{"sequence": "MKTAYIAKQR"}', "has '{' at position 1 of the row in line 1"),
    ],
)
def test_an_a3m_of_something_else_is_refused_by_name_chain_and_position(content: str, message: str) -> None:
    failure = wrong(content, document())
    assert failure is not None
    assert failure.message.startswith(f"The MSA x.a3m {message}")
    assert (failure.code, failure.value) == (Code.INVALID_INPUT, "x.a3m")
    assert failure.field in {None, "sequences[0].protein.msa"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("key,sequence\n-1,MKTAYIAKQR\n", None),
        ('sequence,key\r\n"MKTAYIAKQR",\r\nMKSAYIaaAK-R,7\r\n', None),
        ("\nkey,sequence\n\n1,MKTAYIAKQR\n", None),
        ("\ufeffkey,sequence\r\n1,MKTAYIAKQR\r\n", None),
        ("key,sequence\nHOMSA,MKTAYIAKQR\n", None),
        ("key,sequence\n1,GKTAYIAKQR\n", "has G at position 1 of its first row"),
        ("key,sequence\n", "holds no row"),
        ("", "holds no row"),
        ("sequence\nMKTAYIAKQR\n", "begins with 'sequence'"),
        (">q\nMKTAYIAKQR\n", "begins with '>q'"),
        ("key,sequence\n1,2,MKTAYIAKQR\n", "has no key and sequence in line 2"),
        ("key,sequence\n1,\n", "has no key and sequence in line 2"),
        ("key,sequence\n1\n", "has no key and sequence in line 2"),
        (f"key,sequence\n1,{'M' * 200_000}\n", "is no CSV in line 2"),
        ("key," * 100_000, "begins with 'key,key"),
    ],
)
def test_a_csv_is_held_to_the_same(content: str, message: str | None) -> None:
    failure = wrong(content, document(file="x.csv"), "x.csv")
    assert (failure is None) == (message is None)
    assert failure is None or failure.message.startswith(f"The MSA x.csv {message}")


@pytest.mark.parametrize(
    ("sequence", "more", "query", "used"),
    [
        ("MKXB", "", "MKUZ", True),  # one token to Boltz
        ("MKXB", "", "MKAA", True),  # the chain's unknown residues may be anything
        ("MKTA", "", "XKTA", True),  # selenomethionine, as databases write it
        ("MKTA", "", "MXTA", False),
        ("MKXA", "", "XKAA", False),  # both kinds at once are too much for Boltz
        ("MKTA", ", modifications: [{position: 3, ccd: TPO}]", "MKTA", True),
        ("MKTA", ", modifications: [{position: 3, ccd: TPO}]", "MKGA", True),
        ("MKTA", ", modifications: [{position: 2, ccd: MSE}]", "MMTA", True),
        ("MKTA", ", modifications: [{position: 2, ccd: MSE}]", "MKTA", False),
        ("MKTA", ", modifications: [{position: 2, ccd: ALA}]", "MATA", True),
    ],
)
def test_residues_are_compared_as_boltz_compares_them(
    sequence: str, more: str, query: str, used: bool
) -> None:
    assert (wrong(f">q\n{query}\n", document(sequence, more)) is None) == used


def test_a_beginning_that_ends_before_the_query_does_decides_nothing() -> None:
    content = b"#" + b"x" * 1000 + b"\n>q\nMKTAYIAKQR\n"
    for end in range(0, len(content), 7):
        assert check_beginning("x.a3m", content[:end], document(), whole=False) is None
        assert (
            check_beginning("x.csv", b"key,sequence\n1,GG"[:end], document(file="x.csv"), whole=False) is None
        )
    assert check_beginning("x.a3m", b">q\nGG\n>", document(), whole=False) is not None


def test_rows_of_another_width_are_refused_by_line_as_far_as_boltz_reads() -> None:
    failure = wrong(">q\nMKTAYIAKQR\n", document())
    assert failure is None
    letters = "ACDEFGHIKLMNPQRSTVWY"
    rows = [f"{a}{b}{c}{d}AAAAAA" for a in letters for b in letters for c in letters for d in "AC"]
    deep = [">q", SEQUENCE, *rows[: MAX_ROWS - 1]]
    assert check_file("x.a3m", [*deep, "MKT"], document()) is None
    assert check_file("x.a3m", [*deep[:-1], SEQUENCE, rows[0], "MKT"], document()) is not None
    short = check_file("x.csv", ["key,sequence\n", f"1,{SEQUENCE}\n", "2,\n"], document(file="x.csv"))
    assert short is not None
    assert "has no key and sequence in line 3" in short.message


LONG = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVVHSLAKWKRQTLGQHDFSAGE"


def test_an_alignment_of_a_longer_protein_is_refused_where_the_chain_is_no_construct_of_it() -> None:
    chain = list(LONG[20:60])
    chain[5], chain[30] = "W", "W"
    assert wrong(f">q\n{LONG}\n", document("".join(chain))) is None  # 2 of 40
    chain[15] = "W"
    failure = wrong(f">q\n{LONG}\n", document("".join(chain)))
    assert failure is not None
    assert "nearest to them are columns 21 to 60, which differ in 3: at position 6" in failure.message
    assert "chain A has W, the MSA R" in failure.message
    assert failure.field == "sequences[0].protein.msa"


def test_a_file_that_is_not_text_is_refused() -> None:
    for content in (gzip.compress(b">q\nMKTAYIAKQR\n"), ">q\nMKTAYIAKQR\n".encode("utf-16")):
        failure = check_file("x.a3m", io.TextIOWrapper(io.BytesIO(content), "utf-8"), document())
        assert failure is not None
        assert check_beginning("x.a3m", content, document(), whole=True) is not None


def test_very_many_rows_take_little_memory() -> None:
    rows = (f"{'MKTAYIAKQR' if at % 2 else '>row'}\n" for at in range(60_000))
    tracemalloc.start()
    assert check_file("x.a3m", rows, document()) is None
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 1024 * 1024


def test_an_object_lies_beside_its_input_whatever_slashes_its_folder_has() -> None:
    assert beside("run/in.yaml", "msa/x.a3m") == "run/msa/x.a3m"
    assert beside("in.yaml", "x.a3m") == "x.a3m"
    assert beside("run//in.yaml", "x.a3m") == "run//x.a3m"
    assert beside("/in.yaml", "x.a3m") == "/x.a3m"


def test_a_name_that_no_object_can_have_is_refused() -> None:
    folder = "f" * 900
    assert unreachable(f"{folder}/in.yaml", ["x" * 119 + ".a3m"]) is None
    failure = unreachable(f"{folder}/in.yaml", ["x" * 120 + ".a3m"])
    assert failure is not None
    assert "1025 bytes" in failure.message


def test_a_file_that_is_also_a_folder_is_refused() -> None:
    assert unreachable("in.yaml", ["a.a3m", "a.a3m.csv", "b/a.a3m"]) is None
    failure = unreachable("in.yaml", ["a.a3m.csv", "a.a3m/b.a3m", "a.a3m-b.csv", "a.a3m"])
    assert failure is not None
    assert "refers to a.a3m as a file and as the folder of a.a3m/b.a3m" in failure.message


def test_an_input_of_very_many_files_is_refused() -> None:
    assert unreachable("in.yaml", [f"{at}.a3m" for at in range(100)]) is None
    assert unreachable("in.yaml", [f"{at}.a3m" for at in range(101)]) is not None


@pytest.mark.parametrize("name", ["x.a3m", "x.csv", "x.cif", "x.pdb"])
def test_a_file_over_its_limit_is_refused_with_both_sizes(name: str) -> None:
    assert too_large(name, kind(name).most_bytes) is None
    failure = too_large(name, kind(name).most_bytes + 1)
    assert failure is not None
    assert failure.code is Code.TOO_LARGE
    assert f"{kind(name).most_bytes:,}" in failure.message
