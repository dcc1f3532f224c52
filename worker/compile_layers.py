"""Compile layers of the model ahead of time, on the GPU that workers will have, for their image."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from schemas.reason import reason
from worker.boltz2.manifest import STRUCTURE, CacheError, require

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

EPILOG = """\b
Example, on a machine with an L4, for workers with SPEED=fast that have one (docs/image.md):
  python -m worker.compile_layers ~/.boltz compiled
  docker build --build-context compiled=compiled --file Dockerfile.production .
"""


@click.command(epilog=EPILOG)
@click.argument("cache", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("to", type=click.Path(file_okay=False, path_type=Path))
@click.option("--device", default="auto", show_default="the GPU if there is one", help="cuda, cpu or auto.")
def main(cache: Path, to: Path, device: str) -> None:
    """Compile layers of the structure model in CACHE into a new folder below TO.

    The folder is named after this machine's GPU, with the version of torch and the code of the layers in 16
    digits; workers look for that name in BOLTZ_CACHE/compiled, and compute without it where it is not there.
    Needs a C++ compiler, on a GPU also CUDA's own (nvcc), of the version that torch was built for. Exit
    status: 0 done, 1 refused or failed, 2 wrong arguments.
    """
    try:
        made = _compiled(cache, to, device)
    except (CacheError, OSError, RuntimeError) as error:
        raise click.ClickException(reason(error)) from error
    click.echo(f"{made} is ready.")


def _compiled(cache: Path, to: Path, device: str) -> Path:
    # Here: torch takes seconds, which --help need not take.
    from worker.boltz2 import weights  # noqa: PLC0415
    from worker.boltz2.compute_device import asked  # noqa: PLC0415
    from worker.boltz2.fast import compilation, compiled  # noqa: PLC0415

    net = weights.load(require(cache / STRUCTURE), asked(device)).net
    own = to / compiled.name(net)
    if own.exists():
        raise CacheError(f"{own} exists already: these layers are compiled for this device.")
    bar: ProgressBar[int] = click.progressbar(length=len(compiled.PARTS), label="compiling", show_pos=True)
    with bar:
        compilation.compile_layers(net, own, lambda: bar.update(1))
    return own


if __name__ == "__main__":
    main()
