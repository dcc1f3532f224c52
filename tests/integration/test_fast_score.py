"""The score model made ready for one input, against Boltz's own, at the released model's widths."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import torch
from boltz.model.modules.diffusion_conditioning import DiffusionConditioning
from boltz.model.modules.diffusionv2 import DiffusionModule
from boltz.model.modules.encodersv2 import get_indexing_matrix, single_to_keys

from benchmarks.fast import peak
from worker.boltz2.fast.atoms import Modulation
from worker.boltz2.fast.attention import planes
from worker.boltz2.fast.conditioning import Biases, held, lay_out
from worker.boltz2.fast.score import Fixed, Score

WIDTH, ATOM_WIDTH, HEADS, ATOM_HEADS, LAYERS = 384, 128, 16, 4, 2
QUERIES, KEYS = 32, 128
TOKENS, WINDOWS, PADDING = 50, 13, 5
ATOMS = WINDOWS * QUERIES


@pytest.fixture
def model() -> Iterator[DiffusionModule]:
    """Yield one of few layers, with one thread: several divide sums by the number of rows."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield (
        DiffusionModule(
            token_s=WIDTH,
            atom_s=ATOM_WIDTH,
            token_transformer_depth=LAYERS,
            token_transformer_heads=HEADS,
            atom_encoder_depth=LAYERS,
            atom_encoder_heads=ATOM_HEADS,
            atom_decoder_depth=LAYERS,
            atom_decoder_heads=ATOM_HEADS,
        )
        .eval()
        .apply(filled)
    )
    torch.set_num_threads(threads)


def filled(module: torch.nn.Module) -> None:
    """Fill weights that start at zero: they would predict the same for every input."""
    for parameter in module.parameters(recurse=False):
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)


def features(tokens: int) -> dict[str, torch.Tensor]:
    """Return those that the score model reads; the last atoms are padding, and so may be tokens."""
    real = ATOMS - PADDING
    belongs = torch.zeros(1, ATOMS, TOKENS)
    belongs[0, torch.arange(real), torch.arange(real) * tokens // real] = 1
    return {
        "ref_pos": torch.zeros(1, ATOMS, 3),
        "atom_pad_mask": (torch.arange(ATOMS) < real)[None].float(),
        "token_pad_mask": (torch.arange(TOKENS) < tokens)[None].float(),
        "atom_to_token": belongs,
    }


def conditioning() -> dict[str, Any]:
    """Return what stands for the conditioning that Boltz makes of the trunk."""
    matrix = get_indexing_matrix(WINDOWS, QUERIES, KEYS, "cpu")
    return {
        "q": torch.randn(1, ATOMS, ATOM_WIDTH),
        "c": torch.randn(1, ATOMS, ATOM_WIDTH),
        "to_keys": partial(single_to_keys, indexing_matrix=matrix, W=QUERIES, H=KEYS),
        "atom_enc_bias": torch.randn(1, WINDOWS, QUERIES, KEYS, LAYERS * ATOM_HEADS),
        "atom_dec_bias": torch.randn(1, WINDOWS, QUERIES, KEYS, LAYERS * ATOM_HEADS),
        "token_trans_bias": torch.randn(1, TOKENS, TOKENS, LAYERS * HEADS),
    }


def taken_apart(given: dict[str, Any]) -> dict[str, Any]:
    """Return a conditioning with biases for each layer, instead of Boltz's."""
    windows = {name: given[name][0] for name in ("atom_enc_bias", "atom_dec_bias")}
    joined = windows | {"token_trans_bias": given["token_trans_bias"]}
    layers = {name: [planes(bias) for bias in every.chunk(LAYERS, -1)] for name, every in joined.items()}
    return given | {name: Biases(each, tuple) for name, each in layers.items()}


@pytest.mark.parametrize(
    ("samples", "tokens"),
    [
        (5, TOKENS),
        pytest.param(1, TOKENS, marks=pytest.mark.extra),
        pytest.param(2, TOKENS - 7, marks=pytest.mark.extra),
    ],
)
def test_an_update_has_the_bytes_of_boltzs_own(model: DiffusionModule, samples: int, tokens: int) -> None:
    feats, given = features(tokens), conditioning()
    parts: dict[str, Any] = {name: torch.randn(1, TOKENS, WIDTH) for name in ("s_trunk", "s_inputs")}
    coordinates, times = torch.randn(samples, ATOMS, 3), torch.full((samples,), 0.37)
    with torch.inference_mode():
        boltz = model(
            r_noisy=coordinates,
            times=times,
            feats=feats,
            diffusion_conditioning=given,
            multiplicity=samples,
            **parts,
        )
        apart = taken_apart(given)
        fixed = Fixed.of(model, feats, apart)
        assert apart["token_trans_bias"].layers == []  # or Boltz would hold on to them
        for rows in {1, samples}:
            score = Score(model, fixed, rows, diffusion_conditioning=given, **parts)
            assert torch.equal(score(coordinates, times), boltz), rows


def test_rows_of_a_conditioning_that_are_the_same_are_kept_once(model: DiffusionModule) -> None:
    layer = model.atom_attention_encoder.atom_encoder.diffusion_transformer.layers[0]
    row = torch.randn(1, 1, QUERIES, ATOM_WIDTH)
    with torch.inference_mode():
        for c, rows in ((row.expand(3, -1, -1, -1), 1), (torch.cat([row, row + 1]), 2)):
            kept = Modulation.of(layer.adaln, layer.output_projection, c)
            assert {len(each) for each in (kept.scale, kept.shift, kept.gate)} == {rows}
            assert kept.scale.untyped_storage().nbytes() == rows * row.nbytes


def test_biases_have_the_bytes_of_boltzs_own_and_are_held_once() -> None:
    """With the released widths; what biases are made of is given, so that they alone count."""
    torch.manual_seed(0)
    net = DiffusionConditioning(
        token_s=WIDTH, token_z=128, atom_s=ATOM_WIDTH, atom_z=16, token_transformer_heads=HEADS
    ).eval()
    atoms = (torch.zeros(1), torch.zeros(1), torch.randn(1, 2, QUERIES, KEYS, 16), None)
    net.atom_encoder.forward = lambda **_: atoms
    net.pairwise_conditioner.forward = lambda z, _: z
    pairs = torch.randn(2, 1, 64, 64, 128)
    given: dict[str, Any] = {"s_trunk": None, "z_trunk": pairs[0], "relative_position_encoding": pairs[1]}
    given |= {"feats": {"ref_pos": torch.zeros(1, 2 * QUERIES, 3)}}
    with torch.inference_mode():
        (boltz, before), (ours, now) = _peaks(net, given)
    joined = [torch.stack(each.layers) for each in ours[-3:]]
    assert all(
        torch.equal(apart, each.view(*each.shape[:-1], len(apart), -1).movedim((-2, -1), (0, -3)))
        for apart, each in zip(joined, (boltz[-3][0], boltz[-2][0], boltz[-1]), strict=True)
    )
    assert now < 0.75 * before
    laid_out = sum(bias.nbytes for each in ours[-3:] for bias in each.layers)
    kept = (
        36 * given["feats"]["ref_pos"][..., :1].nbytes * ATOM_WIDTH
    )  # by 6 layers: two scales, shifts, gates
    assert held(net, given) == laid_out + kept


def _peaks(net: DiffusionConditioning, given: dict[str, Any]) -> Iterator[tuple[Any, int]]:
    """Yield what comes of a conditioning, and the most bytes of tensors: Boltz's, then ours."""
    yield peak(lambda: net(**given))
    lay_out(net)
    yield peak(lambda: net(**given))
