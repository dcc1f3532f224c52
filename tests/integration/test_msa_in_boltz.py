"""What inputs/msa.py says of an alignment, and worker/repair makes of it, against what Boltz does with it.

If a new version of Boltz fails here, its `construct_paired_msa` or its parsers have changed: follow them.
"""

import io
from pathlib import Path
from typing import Any

import pytest
import torch

from inputs.msa import check_file
from inputs.read import read_input
from local.small_model import DEFAULT, ensure
from schemas.failure import FailedError
from schemas.options import Options
from worker.boltz2.featurise import featurise
from worker.boltz2.manifest import COMPONENTS
from worker.boltz2.workspace import Workspace
from worker.prepare import Prepared, here
from worker.repair.references import repaired

SEQUENCES = [
    ("MKTAYIAKQR", ""),
    ("XKTAYIAKQB", ""),
    ("MKTAYIXKQR", ""),
    ("MKTAYIAKQR", ", modifications: [{position: 3, ccd: TPO}]"),
    ("MKTAYIAKQR", ", modifications: [{position: 2, ccd: MSE}]"),
    ("MKTAYIAKQR", ", modifications: [{position: 2, ccd: ALA}]"),
]
QUERIES = [
    *("MKTAYIAKQR", "XKTAYIAKQR", "UKTAYIAKQZ", "AKTAYIAKQA", "MKGAYIAKQR", "MMTAYIAKQR", "MATAYIAKQR"),
    *("MKTAYI-KQR", "MKTAYIAKQ", "mktayiakqr", "aMKTAvvYIAKQRr", "XKTAYIAKGR", "MKTAYIAKQ*", "MKTAY IAKQR"),
]
DEPTH = 3
"""Rows of each alignment here; Boltz goes on with one row where it does not use them."""


def used_by_boltz(folder: Path, text: str, file: str, content: str) -> bool:
    folder.mkdir()
    (folder / "in.yaml").write_text(text)
    (folder / file).write_text(content)
    workspace = Workspace(folder / "in.yaml", Options(), 1, folder / "out", ensure(DEFAULT) / COMPONENTS)
    try:
        featurise(workspace, ())
    except FailedError:
        return False
    depth: int = torch.load(workspace.features, weights_only=False)["msa"].shape[1]
    assert depth in {1, DEPTH}
    return depth == DEPTH


def agree(folder: Path, file: str, content: str, sequence: str, more: str = "") -> str:
    text = f"sequences:\n- protein: {{id: A, sequence: {sequence}, msa: {file}{more}}}\n"
    ours = check_file(file, io.StringIO(content, newline=None), read_input("in.yaml", text.encode())) is None
    theirs = used_by_boltz(folder, text, file, content)
    return "" if ours == theirs else f"{sequence}{more} and {content!r}: ours {ours}, Boltz {theirs}"


def test_a_query_counts_as_the_chain_where_boltz_uses_the_alignment(tmp_path: Path) -> None:
    differing = []
    for at, (sequence, more) in enumerate(SEQUENCES):
        for each, query in enumerate(QUERIES):
            content = f">q\n{query}\n>1\nG-GGGGGGGG\n>2\nGGGGSGGGGG\n"
            differing.append(agree(tmp_path / f"{at}-{each}", "x.a3m", content, sequence, more))
    assert not any(differing), "\n".join(filter(None, differing))


@pytest.mark.parametrize(
    "content",
    [
        "key,sequence\n-1,MKTAYIAKQR\n-1,GGGGGGGGGG\n-1,GGGGSGGGGG\n",
        'sequence,key\r\n"MKTAYIAKQR",\r\nGaaGGGGGGGGG,7\r\n\r\nGGGGSGGGGG,\r\n',
        "key,sequence\n-1,GKTAYIAKQR\n-1,GGGGGGGGGG\n-1,GGGGSGGGGG\n",
        "sequence\nMKTAYIAKQR\nGGGGGGGGGG\nGGGGSGGGGG\n",
        "key,sequence\n-1,MKTAYIAKQR\n-1,\n-1,GGGGSGGGGG\n",
        "key,sequence\n-1,MKTAYIAKQR\n-1\n-1,GGGGSGGGGG\n",
        "key,sequence\n-1,MKTAYIAKQR\n-1,GGG\n-1,GGGGSGGGGG\n",
        "key,sequence\n-1,MKTAYIAKQR\n-1,GGGG1GGGGG\n-1,GGGGSGGGGG\n",
        "\nkey,sequence\n-1,MKTAYIAKQR\n\n-1,GGGGGGGGGG\n-1,GGGGSGGGGG",
    ],
)
def test_a_csv_is_read_as_boltz_reads_it(tmp_path: Path, content: str) -> None:
    assert not agree(tmp_path / "x", "x.csv", content, "MKTAYIAKQR")


INSULIN = """\
sequences:
- protein: {id: A, sequence: GIVEQCCTSI, msa: a.csv}
- protein: {id: B, sequence: FVNQHLCGSH, msa: b.csv}
"""


def features(folder: Path, text: str, files: dict[str, str]) -> dict[str, Any]:
    """Return what the model reads of an input whose files were repaired."""
    folder.mkdir()
    (folder / "in.yaml").write_text(text)
    for name, content in files.items():
        (folder / name).write_text(content)
    repaired(Prepared(folder / "in.yaml", read_input("in.yaml", text.encode()), text), here)
    workspace = Workspace(folder / "in.yaml", Options(), 1, folder / "out", ensure(DEFAULT) / COMPONENTS)
    featurise(workspace, ())
    found: dict[str, Any] = torch.load(workspace.features, weights_only=False)
    return found


def insulin(first: str, second: str) -> dict[str, str]:
    """Return two alignments whose second rows have these keys."""
    a = f"key,sequence\nHOMSA,GIVEQCCTSI\n{first},GIVDQCCTSI\nRATNO,GIVEQCCASV\n"
    b = f"key,sequence\nHOMSA,FVNQHLCGSH\n{second},FVNQHLCGSA\n,AANQHLCGSH\n"
    return {"a.csv": a, "b.csv": b}


def test_equal_texts_pair_as_equal_numbers_do(tmp_path: Path) -> None:
    named = features(tmp_path / "named", INSULIN, insulin("MUSMU", "MUSMU"))
    numbers = {"HOMSA": "1", "MUSMU": "2", "RATNO": "3"}
    files = insulin("MUSMU", "MUSMU")
    for word, number in numbers.items():
        files = {name: content.replace(word, number) for name, content in files.items()}
    numbered = features(tmp_path / "numbered", INSULIN, files)
    assert all(torch.equal(numbered[name], named[name]) for name in ("msa", "msa_paired", "msa_mask"))
    apart = features(tmp_path / "apart", INSULIN, insulin("MUSMU", "BOSTA"))
    assert named["msa_paired"].sum() > apart["msa_paired"].sum()


def test_an_alignment_that_was_cut_is_the_one_of_the_construct(tmp_path: Path) -> None:
    text = "sequences:\n- protein: {id: A, sequence: MKTAYIAKQR, msa: x.a3m}\n"
    long = ">q\nGGMKTAYIAKQRGG\n>1\nGGMKaaTAYLAKQ-GG\n>2\nGGMKTAYIAKQWgGG\n"
    short = ">q\nMKTAYIAKQR\n>1\nMKaaTAYLAKQ-\n>2\nMKTAYIAKQW\n"
    cut = features(tmp_path / "long", text, {"x.a3m": f"\ufeff{long}"})
    made = features(tmp_path / "short", text, {"x.a3m": short})
    assert cut["msa"].shape[1] == DEPTH
    assert all(torch.equal(cut[name], made[name]) for name in ("msa", "msa_paired", "msa_mask", "profile"))
