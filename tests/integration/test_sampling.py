"""How Boltz-2 samples: in how many passes, by its own code, and in which precision on a processor."""

from types import SimpleNamespace

import pytest
import torch
from boltz.main import BoltzSteeringParams
from boltz.model.modules.diffusionv2 import AtomDiffusion

from schemas.failure import FailedError
from schemas.options import Options
from worker.boltz2.errors import failures_of
from worker.boltz2.sample import MOST_AT_ONCE, in_precision_of, max_parallel_samples, structures

MOST = 75
"""25 samples, each of three particles where potentials steer."""


def passes(count: int, parallel: int) -> list[int]:
    """Run Boltz's sampling for one step, without a network; return the sizes of its passes."""
    sizes: list[int] = []

    def forward(coords: torch.Tensor, *_: object, **__: object) -> torch.Tensor:
        sizes.append(len(coords))
        return torch.zeros_like(coords)

    net = SimpleNamespace(
        device=torch.device("cpu"),
        num_sampling_steps=1,
        sample_schedule=lambda _steps: torch.tensor([1.0, 0.0]),
        gamma_min=1.0,
        gamma_0=0.8,
        training=False,
        step_scale=1.5,
        noise_scale=1.0,
        preconditioned_network_forward=forward,
        alignment_reverse_diff=False,
    )
    AtomDiffusion.sample(
        net,
        torch.ones(1, 4),
        num_sampling_steps=1,
        multiplicity=count,
        max_parallel_samples=parallel,
        steering_args=dict.fromkeys(
            ("fk_steering", "physical_guidance_update", "contact_guidance_update"), False
        ),
    )
    return sizes


@pytest.mark.parametrize("count", range(1, 201))  # more than anybody may ask for
def test_structures_are_sampled_in_the_fewest_passes_of_at_most_five(count: int) -> None:
    sizes = passes(count, max_parallel_samples(count))
    assert sum(sizes) == count
    assert max(sizes) <= MOST_AT_ONCE
    assert len(sizes) == -(-count // MOST_AT_ONCE)


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, [1]), (3, [1, 1, 1]), (4, [1] * 4), (9, [2, 2, 2, 2, 1]), (10, [10]), (75, [75])]
)
def test_the_commands_own_five_gives_passes_that_nobody_meant(count: int, sizes: list[int]) -> None:
    assert passes(count, MOST_AT_ONCE) == sizes


@pytest.mark.parametrize("samples", [1, 5, 25])
def test_samples_of_an_affinity_are_one_pass(samples: int) -> None:
    assert passes(samples, 1) == [samples]


def test_potentials_choose_among_the_particles_that_boltz_samples() -> None:
    particles = BoltzSteeringParams().num_particles
    assert structures(Options(samples=25)) == 25
    assert structures(Options(samples=25, potentials=True)) == 25 * particles == MOST


@pytest.mark.parametrize(
    ("samples", "steered", "lighter"),
    [
        (1, False, "shallower MSA, or"),
        (3, False, "MSA, ask for fewer than 3 samples, or"),
        (3, True, "fewer than 3 samples, ask for dropfold-potentials:false, or"),
    ],
)
def test_what_takes_less_memory_is_named_where_there_is_too_little(
    samples: int, steered: bool, lighter: str
) -> None:
    with pytest.raises(FailedError) as caught, failures_of(torch.device("cpu"), samples, steered=steered):
        raise torch.OutOfMemoryError("CUDA out of memory")
    assert lighter in caught.value.failure.remedy


def test_a_processor_computes_in_float32() -> None:
    with in_precision_of(torch.device("cpu")):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype is torch.float32
