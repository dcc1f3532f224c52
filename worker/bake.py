"""Prepare a cache of weights when the image is built: checked, stripped, described, all or nothing."""

import hashlib
import os
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worker.boltz2.manifest import (
    AFFINITY,
    COMPONENTS,
    NAME,
    STRUCTURE,
    CacheError,
    Checkpoint,
    Manifest,
    require,
)

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

ARCHIVE = "mols.tar"  # Boltz's name for the components as they are downloaded
CHUNK_BYTES = 1 << 24
_PASSES = 3  # over a checkpoint: digest, checksums, conversion
_TAR_END = bytes(1024)  # what an archive that is whole ends with

EPILOG = """\b
Examples:
  python -m worker.bake /opt/boltz
  python -m worker.bake /opt/boltz --from ~/.boltz
  python -m worker.bake /opt/boltz --sha256 boltz2_conf.ckpt=HEX --sha256 mols.tar=HEX
Then: BOLTZ_CACHE=/opt/boltz python -m worker
"""


def _pins(_context: click.Context, _option: click.Parameter, pairs: tuple[str, ...]) -> dict[str, str]:
    pins = {}
    for name, _, digest in (pair.partition("=") for pair in pairs):
        if len(digest) != hashlib.sha256().digest_size * 2:
            raise click.BadParameter(f"{name}={digest}: give NAME=HEX with the 64 hex digits of sha256sum.")
        pins[name] = digest.lower()
    return pins


@click.command(epilog=EPILOG)
@click.argument("cache", type=click.Path(path_type=Path))
@click.option(
    "--from",
    "source",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Take boltz2_conf.ckpt, boltz2_aff.ckpt (may be absent) and mols/ or mols.tar from here. "
    "Without it, Boltz's own function downloads them: 6 GB.",
)
@click.option(
    "--sha256",
    "pins",
    multiple=True,
    metavar="NAME=HEX",
    callback=_pins,
    help="Refuse the file NAME (of FOLDER, or downloaded) if its SHA-256 is another. Can be repeated. "
    "A checkpoint that is not pinned is checked against the checksums inside it, which shows damage but no "
    "exchange, and its digest is printed for you to pin.",
)
def main(cache: Path, source: Path | None, pins: dict[str, str]) -> None:
    """Make the folder CACHE, which must not exist, for BOLTZ_CACHE to point at.

    Weights are checked, stripped of what only training reads, loaded once to see that they do, and described
    in CACHE/weights.json, so that a worker need not read gigabytes to know what it has. CACHE appears when
    all is done, or not at all. Exit status: 0 done, 1 refused or failed, 2 wrong arguments.
    """
    try:
        made = bake(cache, source, pins)
    except (CacheError, OSError, tarfile.TarError) as error:
        raise click.ClickException(" ".join(str(error).split())) from error
    for name, file in made.checkpoints.items():
        click.echo(f"{name}: {file.size:,} bytes, {file.baked_size:,} baked, {_advice(name, file, pins)}")
    random = " These weights are random: what they predict means nothing." if made.random_weights else ""
    click.echo(f"{cache} is ready.{random}")


def _advice(name: str, file: Checkpoint, pins: Mapping[str, str]) -> str:
    return "as pinned" if name in pins else f"not pinned; --sha256 {name}={file.sha256} does"


def bake(cache: Path, source: Path | None, pins: Mapping[str, str]) -> Manifest:
    """Make ``cache`` from the folder ``source``, or from a download, and return what it holds.

    ``pins`` are SHA-256 digests in hex by file name. Raises CacheError, OSError and tarfile.TarError; then
    there is no ``cache``.
    """
    from worker.boltz2 import conversion  # noqa: PLC0415  torch: seconds, which --help need not take

    if cache.exists():
        raise CacheError(f"{cache} exists already: name a new folder, or delete that one first.")
    if source and (source / NAME).exists():
        raise CacheError(f"{source} is baked already: copy it as it is.")
    cache.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache.parent, prefix=f".{cache.name}-") as scratch:
        source = source or conversion.download(Path(scratch, "downloaded"))
        new = Path(scratch, "new")
        new.mkdir()
        _take_components(source, new, pins.get(ARCHIVE))
        made = _take_checkpoints(source, new, pins)
        (new / NAME).write_text(made.model_dump_json(indent=1) + "\n")
        os.sync()  # the content is on the disk before the name is
        new.rename(cache)
    return made


def _take_checkpoints(source: Path, new: Path, pins: Mapping[str, str]) -> Manifest:
    from worker.boltz2 import weights  # noqa: PLC0415  torch: seconds, which --help need not take

    require(source / STRUCTURE)
    found = [source / name for name in (STRUCTURE, AFFINITY) if (source / name).exists()]
    if strange := pins.keys() - {path.name for path in found} - {ARCHIVE}:
        raise CacheError(f"{', '.join(sorted(strange))} is pinned, but no checkpoint in {source}.")
    together = hashlib.sha256()
    taken = {path.name: _take(path, new, pins.get(path.name), together.update) for path in found}
    return Manifest(
        boltz=version("boltz"),
        checkpoints=taken,
        weights_digest=f"sha256:{together.hexdigest()}",
        random_weights=any(map(weights.has_random_weights, found)),
    )


def _take(path: Path, new: Path, pin: str | None, digest: Callable[[bytes], object]) -> Checkpoint:
    """Check a checkpoint, before anything in it is believed, and convert it; ``digest`` gets its bytes."""
    from worker.boltz2 import conversion  # noqa: PLC0415  torch: seconds, which --help need not take

    size, target = path.stat().st_size, new / path.name
    bar: ProgressBar[int] = click.progressbar(length=_PASSES * size, label=path.name)
    with bar:
        sha256 = _checked_digest(path, pin, digest, lambda chunk: bar.update(len(chunk)))
        _check_records(path, bar.update)
        conversion.convert(path, target)
        bar.update(size)
    return Checkpoint(size=size, sha256=sha256, baked_size=target.stat().st_size)


def _checked_digest(path: Path, pin: str | None, *others: Callable[[bytes], object]) -> str:
    """Return the SHA-256 of a file; ``others`` get its bytes too. Raises CacheError if another is pinned."""
    own = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            for use in (own.update, *others):
                use(chunk)
    if pin not in {None, own.hexdigest()}:
        raise CacheError(f"{path} has SHA-256 {own.hexdigest()}, but {pin} is pinned: get the file again.")
    return own.hexdigest()


def _check_records(path: Path, advance: Callable[[int], object]) -> None:
    """Compare a checkpoint, which is a zip archive, with its own checksums. Raises CacheError."""
    try:
        with zipfile.ZipFile(path) as archive:
            for record in archive.infolist():
                with archive.open(record) as content:
                    while chunk := content.read(CHUNK_BYTES):
                        advance(len(chunk))
    except zipfile.BadZipFile as error:
        raise CacheError(f"{path} is cut off or damaged ({error}): get the file again.") from error


def _take_components(source: Path, new: Path, pin: str | None) -> None:
    """Copy the folder of components, or extract the archive if that is pinned or all there is."""
    from worker.boltz2 import conversion  # noqa: PLC0415  torch: seconds, which --help need not take

    archive, folder = source / ARCHIVE, source / COMPONENTS
    if folder.exists() and pin is None:
        shutil.copytree(folder, new / folder.name)
    else:
        _checked_digest(archive, pin)
        _extract(archive, new)
    (new / ARCHIVE).touch()  # without it, `boltz predict` would download it again
    conversion.check_components(new / folder.name)


def _extract(archive: Path, new: Path) -> None:
    with archive.open("rb") as file:
        file.seek(max(0, archive.stat().st_size - len(_TAR_END)))
        if file.read() != _TAR_END:
            raise CacheError(f"{archive} is cut off: get the file again.")
    with tarfile.open(archive) as members:
        members.extractall(new, filter="data")


if __name__ == "__main__":
    main()
