"""Features and predictions on their way to a GPU and back: without one, what does not need it."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from worker.boltz2 import transfer

CPU, CUDA, META = map(torch.device, ("cpu", "cuda", "meta"))
FEATURES: dict[str, Any] = {"a": torch.arange(3), "record": ["kept"]}
BYTES = FEATURES["a"].nbytes
PLENTY = 2**30


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Pretend a GPU of so many bytes, to which everything is copied as to the device without memory."""

    def give(total: int) -> None:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (0, total))
        monkeypatch.setattr(torch.cuda, "stream", lambda _stream: nullcontext())
        monkeypatch.setattr(torch.Tensor, "pin_memory", torch.Tensor.clone)
        monkeypatch.setattr(transfer, "_stream", lambda _device: SimpleNamespace(synchronize=lambda: None))
        copy = transfer.to_device
        monkeypatch.setattr(transfer, "to_device", lambda features, _device: copy(features, META))

    return give


def where(features: Mapping[str, Any]) -> str:
    kind: str = features["a"].device.type
    return kind


def test_on_a_processor_nothing_is_copied() -> None:
    assert transfer.ahead(FEATURES, CPU) is FEATURES


@pytest.mark.parametrize(("part", "there"), [(1, "meta"), (1.01, "cpu")])
def test_features_are_copied_ahead_where_they_take_little_of_the_memory(
    part: float, there: str, memory: Callable[[int], None]
) -> None:
    memory(int(BYTES / (part * transfer.AHEAD)))
    assert where(transfer.ahead(FEATURES, CUDA)) == there


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_what_cannot_be_copied_now_is_left_to_the_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (0, PLENTY))
    monkeypatch.setattr(torch.cuda, "stream", lambda _stream: nullcontext())
    monkeypatch.setattr(transfer, "_stream", lambda _device: None)
    assert transfer.ahead(FEATURES, CUDA) is FEATURES
    with pytest.raises((RuntimeError, AssertionError)):
        transfer.to_device(FEATURES, CUDA)


def test_what_is_copied_for_a_turn_leaves_the_features_as_they_are() -> None:
    assert where(transfer.to_device(FEATURES, META)) == "meta"
    assert where(FEATURES) == "cpu"


def test_a_prediction_comes_back_with_dictionaries_in_it(
    memory: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory(PLENTY)
    monkeypatch.setattr(transfer, "_pinned", torch.Tensor.clone)
    prediction = {"exception": False, "pair": {0: {1: torch.ones(2)}}, "coords": torch.zeros(1)}
    copied = transfer.to_host(prediction, CUDA)
    assert copied["exception"] is False
    assert torch.equal(copied["pair"][0][1], torch.ones(2))
