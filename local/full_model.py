"""Boltz-2 at its released size with random weights, for measurements that the small model is too small for.

``python -m local.full_model [DIR]`` builds, once, a folder that ``BOLTZ_CACHE`` can point at: 4.1 GB, about a
minute. Widths and depths are the released model's as far as they are public; all else is the small model's
(local/small_model.py). Nothing that it predicts means anything.
"""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.progress import Progress

from local.small_model import DEFAULT as SMALL
from local.small_model import ensure as ensure_small

DEFAULT = Path(__file__).resolve().parents[1] / ".local" / "boltz-full"

PARAMETERS = {"boltz2_conf.ckpt": 506_700_000, "boltz2_aff.ckpt": 515_500_000}
"""Approximate number of parameters of each checkpoint; 4 bytes each."""

BYTES = 4 * sum(PARAMETERS.values())


def ensure(folder: Path) -> Path:
    """Return the absolute ``folder`` with the full-size model, built now if it is not there.

    The folder appears by one rename, when all of it is written. Raises OSError if the disk is too small.
    """
    folder = folder.absolute()
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        _check_space(folder.parent)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="building-") as scratch:
            build(Path(scratch, "new"))
            Path(scratch, "new").rename(folder)
    return folder


def _check_space(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    print(f"Full-size Boltz-2 (random weights): {BYTES / 1e9:.1f} GB below {folder} ...", file=sys.stderr)
    if free < 1.1 * BYTES:
        raise OSError(f"{folder} has {free / 1e9:.1f} GB free, but {1.1 * BYTES / 1e9:.1f} GB are needed.")


def build(folder: Path) -> None:
    """Write the full-size model into ``folder``, which must not exist."""
    small = ensure_small(SMALL)
    shutil.copytree(small / "mols", folder / "mols")
    (folder / "mols.tar").touch()  # without it Boltz would download 1.9 GB
    for name in PARAMETERS:
        _write_checkpoint(folder / name, small / name)


def _write_checkpoint(path: Path, small: Path) -> None:
    """Write a checkpoint as the small one, but of released size; it is marked as random, too."""
    import torch  # noqa: PLC0415 (seconds, and only for building)
    from pytorch_lightning import seed_everything  # noqa: PLC0415 (seconds, and only for building)

    content = torch.load(small, weights_only=False)
    seed_everything(0, verbose=False)
    content["hyper_parameters"] = _released_sizes(content["hyper_parameters"])
    content["state_dict"] = _random_weights(path.name, content["hyper_parameters"])
    torch.save(content, path)


def _random_weights(name: str, hyper_parameters: dict[str, Any]) -> dict[str, Any]:
    from boltz.model.models.boltz2 import Boltz2  # noqa: PLC0415 (seconds, and only for building)
    from torch.nn import init  # noqa: PLC0415 (seconds, and only for building)
    from torch.nn.modules.module import register_module_parameter_registration_hook  # noqa: PLC0415

    with Progress() as progress:
        task = progress.add_task(name, total=PARAMETERS[name])
        hook = register_module_parameter_registration_hook(
            lambda _module, _name, parameter: progress.advance(
                task, 0 if parameter is None else parameter.numel()
            )
        )
        model = Boltz2(**hyper_parameters)
        hook.remove()
    for parameter in model.parameters():
        if not parameter.any():  # output layers start at zero, which would predict the same for every input
            init.normal_(parameter, std=0.02)
    weights: dict[str, Any] = model.state_dict()
    return weights


def _released_sizes(small: dict[str, Any]) -> dict[str, Any]:
    """Return the small model's arguments with the released model's widths and depths."""
    encoder, decoder = ({f"atom_{role}_depth": 3, f"atom_{role}_heads": 4} for role in ("encoder", "decoder"))
    score = {"sigma_data": 16, "dim_fourier": 256, "conditioning_transition_layers": 2}
    score |= {"token_transformer_depth": 24, "token_transformer_heads": 16}
    confidence_stack = {"num_blocks": 8, "num_heads": 16, "dropout": 0.0}
    sizes: dict[str, Any] = {
        "token_s": 384,
        "token_z": 128,
        "atom_s": 128,
        "atom_z": 16,
        "embedder_args": small["embedder_args"] | encoder,
        "use_templates_v2": True,
        "template_args": {"template_dim": 64, "template_blocks": 2},
        "score_model_args": score | encoder | decoder,
        "confidence_model_args": small["confidence_model_args"] | {"pairformer_args": confidence_stack},
    }
    for head, blocks in (("affinity_model_args1", 8), ("affinity_model_args2", 4)):
        if small[head]:
            sizes[head] = small[head] | _affinity_head(blocks)
    return small | sizes


def _affinity_head(blocks: int) -> dict[str, Any]:
    transformer = {"token_s": 384, "num_blocks": blocks, "num_heads": 8, "activation_checkpointing": False}
    return {"pairformer_args": {"num_blocks": blocks, "dropout": 0.0}, "transformer_args": transformer}


def main(arguments: list[str]) -> None:
    """Build into the folder given, or into the default, and print BOLTZ_CACHE for it."""
    print(f"BOLTZ_CACHE={ensure(Path(arguments[0]) if arguments else DEFAULT)}")


if __name__ == "__main__":
    main(sys.argv[1:])
