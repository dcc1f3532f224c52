"""Faults of Boltz that docs/known-faults.md says are left as they are: they are still there.

Where a test fails, Boltz has mended the fault: take it off the page.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from boltz.data.parse.schema import get_local_alignments
from boltz.data.types import StructureV2
from boltz.model.potentials.potentials import ContactPotentital
from support.plan import ROOT

from local.small_model import DEFAULT, ensure
from schemas.options import Options
from worker.boltz2.featurise import featurise
from worker.boltz2.manifest import COMPONENTS
from worker.boltz2.workspace import Workspace

PAGE = (ROOT / "docs/known-faults.md").read_text()
FIRST, SECOND = "MKTAYIAKQR", "GSHMWQEL"


def featurised(folder: Path, text: str, **files: str) -> tuple[dict[str, torch.Tensor], StructureV2]:
    """Return what Boltz makes of an input, without the padding."""
    (folder / "in.yaml").write_text(text)
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_text(content)
    workspace = Workspace(folder / "in.yaml", Options(), 1, folder / "out", ensure(DEFAULT) / COMPONENTS)
    featurise(workspace, ())
    features: dict[str, torch.Tensor] = torch.load(workspace.features, weights_only=False)
    return features, StructureV2.load(workspace.processed / "structures" / "in.npz")


def proteins(*msas: str) -> str:
    given = zip("AB", (FIRST, SECOND), msas, strict=False)
    entries = (
        f"- protein: {{id: {name}, sequence: {letters}, msa: {msa}}}\n" for name, letters, msa in given
    )
    return f"sequences:\n{''.join(entries)}"


def test_deletions_of_an_alignment_are_lost(tmp_path: Path) -> None:
    alignment = f">q\n{FIRST}\n>1\nMKTaaaAYIAKQR\n>2\nMKTAYIAKQK\n"
    features, _ = featurised(tmp_path, proteins("x.a3m"), x_a3m=alignment)
    assert features["msa"].shape[1] == 3
    assert not features["has_deletion"].any()
    assert not features["deletion_mean"].any()


def test_paired_rows_come_again_as_unpaired_ones(tmp_path: Path) -> None:
    first = f"key,sequence\n-1,{FIRST}\n7,MKTAYIAKQK\n8,MKTAYIAKQE\n"
    second = f"key,sequence\n-1,{SECOND}\n7,GSHMWQEK\n8,GSHMWQEE\n"
    features, _ = featurised(tmp_path, proteins("a.csv", "b.csv"), a_csv=first, b_csv=second)
    rows = features["msa"][0].tolist()
    assert len(rows) == 5
    assert [rows.count(row) for row in rows] == [1, 2, 2, 2, 2]


def test_a_sequence_that_two_organisms_share_is_read_once_and_its_second_pair_is_lost(tmp_path: Path) -> None:
    first = f"key,sequence\n-1,{FIRST}\n7,MKTAYIAKQK\n8,MKTAYIAKQK\n"
    second = f"key,sequence\n-1,{SECOND}\n7,GSHMWQEK\n8,GSHMWQEE\n"
    features, _ = featurised(tmp_path, proteins("a.csv", "b.csv"), a_csv=first, b_csv=second)
    paired = features["msa_paired"][0].bool().all(dim=-1)
    assert int(paired.sum()) == 2  # the query, and the pair of organism 7


def test_a_template_is_aligned_without_gaps() -> None:
    query = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ"
    aligned = get_local_alignments(query, f"{query[:20]}GGSGG{query[20:]}")
    assert {(each.query_st, each.query_en) for each in aligned} == {(0, 20)}


def test_a_glycan_keeps_the_oxygens_that_its_bonds_replace(tmp_path: Path) -> None:
    text = f"{proteins('empty')}- ligand: {{id: L, ccd: [NAG, NAG]}}\n"
    text += "constraints: [{bond: {atom1: [L, 1, O4], atom2: [L, 2, C1]}}]\n"
    _, structure = featurised(tmp_path, text)
    assert list(structure.atoms["name"]).count("O1") == 2


def contact(distances: list[float]) -> tuple[Any, dict[str, torch.Tensor], torch.Tensor]:
    """Return a contact that one of several pairs of atoms can meet, 5 angstrom, and atoms that far apart."""
    count = len(distances)
    feats = {
        "contact_pair_index": torch.arange(2 * count).reshape(count, 2).T[None],
        "contact_union_index": torch.zeros(1, count, dtype=torch.long),
        "contact_negation_mask": torch.ones(1, count, dtype=torch.bool),
        "contact_thresholds": torch.full((1, count), 5.0),
    }
    places = torch.zeros(1, 2 * count, 3)
    places[0, 1::2, 0] = torch.tensor(distances)
    return ContactPotentital({}), feats, places


def slopes(distances: list[float]) -> tuple[list[float], list[float]]:
    """Return the slopes along each pair: those that Boltz computes, and those of its own energy."""
    potential, feats, places = contact(distances)
    parameters = {"union_lambda": 2.0}
    ours = potential.compute_gradient(places, feats, parameters)[0, 1::2, 0].tolist()
    numeric = []
    for at in range(1, places.shape[1], 2):
        moved = torch.zeros_like(places)
        moved[0, at, 0] = 1e-3
        up, down = (potential.compute(places + sign * moved, feats, parameters) for sign in (1, -1))
        numeric.append(float((up - down) / 2e-3))
    return ours, numeric


def test_a_contact_of_several_pairs_pulls_against_its_own_energy() -> None:
    computed, right = slopes([5.5, 7.0])
    assert np.sign(computed).tolist() == [1, 1]
    assert np.sign(right).tolist() == [1, -1]
    alone, right = slopes([6.0])
    assert alone == pytest.approx(right, abs=1e-3)


def test_a_contact_that_is_far_from_met_pulls_at_nothing() -> None:
    computed, _ = slopes([80.0, 90.0])
    assert computed == [0.0, 0.0]


def test_each_fault_has_where_it_is_known_from_what_it_does_and_what_to_do() -> None:
    rows = [line.strip("|").split("|") for line in PAGE.splitlines() if re.match(r"\| \*\*", line)]
    assert len(rows) > 5
    for row in rows:
        assert [bool(cell.strip()) for cell in row] == [True] * 4
        assert re.search(r"\]\(https://github\.com/jwohlwend/boltz/|boltz/\w+", row[1]), row[0]
