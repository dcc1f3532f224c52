"""That inputs in one pass are measured beside the same inputs one after the other, and compared with them."""

import pytest
import torch
from boltz.model.layers import pairformer
from boltz.model.layers.dropout import get_dropout_mask
from boltz.model.modules import trunkv2

from benchmarks.batches import NEAR, Model, alone, apart, batched, featurised, main
from local.small_model import DEFAULT, ensure

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _masks_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put back what the worker's way leaves out of this process."""
    for module in (pairformer, trunkv2):
        monkeypatch.setattr(module, "get_dropout_mask", get_dropout_mask)


def test_both_ways_are_measured_and_near_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--tokens", "8", "--inputs", "1", "2", "--passes", "1", "--steps", "1", "--rounds", "1"]
    assert main(few) == 0
    shown = capsys.readouterr().out
    assert "apart by rounding" in shown
    assert shown.count("trunk, s") == 4  # of two models, one input and two


def test_inputs_of_a_batch_are_taken_apart_and_are_not_alike() -> None:
    cache = ensure(DEFAULT)
    batch, model = batched(featurised(8, 2, cache), CPU), Model(cache, CPU, fast=False)
    _, together = model(batch, 1, 1)
    (_, first), (_, second) = (model(each, 1, 1) for each in alone(batch))
    in_order, swapped = (
        tuple(map(torch.cat, zip(*pair, strict=True))) for pair in ((first, second), (second, first))
    )
    assert apart(together, in_order) < NEAR["cpu"] < apart(together, swapped)
