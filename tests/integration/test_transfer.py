"""Features and predictions on their way to a device and back: without a GPU, what does not need one."""

from typing import Any

import pytest
import torch

from worker.boltz2 import transfer

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
FEATURES: dict[str, Any] = {"a": torch.arange(3), "record": ["kept"]}


def test_on_a_processor_features_stay_where_they_are() -> None:
    assert transfer.ahead(FEATURES, CPU)["a"] is FEATURES["a"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_what_cannot_be_copied_now_is_left_to_the_turn() -> None:
    assert transfer.ahead(FEATURES, CUDA) == FEATURES
    with pytest.raises((RuntimeError, AssertionError)):
        transfer.to_device(FEATURES, CUDA)


def test_what_is_copied_for_a_turn_leaves_the_features_as_they_are() -> None:
    copied = transfer.to_device(FEATURES, torch.device("meta"))
    assert copied["a"].is_meta
    assert not FEATURES["a"].is_meta


def test_a_prediction_comes_back_with_dictionaries_in_it() -> None:
    prediction = {"exception": False, "pair": {0: {1: torch.ones(2)}}, "coords": torch.zeros(1)}
    copied = transfer.to_host(prediction)
    assert copied["exception"] is False
    assert torch.equal(copied["pair"][0][1], torch.ones(2))
