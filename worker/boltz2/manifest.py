"""The content of a BOLTZ_CACHE folder, and the manifest of a baked one, ``weights.json``.

Written once at image build (worker/bake.py). With it a worker knows which weights it has without reading
gigabytes; a folder without one is as good, only slower to identify. Sizes are compared whenever it is read:
what was cut off or replaced is noticed.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

NAME = "weights.json"
CHECKPOINTS = "*.ckpt"
STRUCTURE, AFFINITY, COMPONENTS = "boltz2_conf.ckpt", "boltz2_aff.ckpt", "mols"
"""What a BOLTZ_CACHE folder holds, by Boltz's names; the affinity model may be absent."""


class CacheError(Exception):
    """A cache, or what one is made of, is damaged or not what it is said to be; one line, with a remedy."""


def require(path: Path) -> Path:
    """Return the path if it exists. Raises FileNotFoundError with the remedy in one line."""
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing: point BOLTZ_CACHE at a folder with Boltz-2's {STRUCTURE}, {AFFINITY} and "
            f"{COMPONENTS}/, or build a small one with `python -m local.small_model`."
        )
    return path


class Checkpoint(BaseModel):
    """A checkpoint as it was published, and the bytes of what was made of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int
    sha256: str
    baked_size: int


class Manifest(BaseModel):
    """Which weights a cache holds.

    ``weights_digest`` is ``sha256:`` and the digest of the published checkpoints one after the other, as a
    worker computes it from a cache that was not baked. ``boltz`` is the version that baked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    boltz: str
    weights_digest: str
    random_weights: bool
    checkpoints: dict[str, Checkpoint]


def read(cache: Path) -> Manifest | None:
    """Return the manifest of a baked cache, None for another. Raises CacheError if the files are not its."""
    path = cache / NAME
    if not path.exists():
        return None
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise CacheError(
            f"{path} is not readable ({error.error_count()} errors): bake the cache again."
        ) from error
    _check_sizes(cache, {name: file.baked_size for name, file in manifest.checkpoints.items()})
    return manifest


def _check_sizes(cache: Path, baked: dict[str, int]) -> None:
    found = {path.name: path.stat().st_size for path in cache.glob(CHECKPOINTS)}
    for name in sorted(found.keys() | baked):
        if found.get(name) != baked.get(name):
            raise CacheError(
                f"{cache / name} has {found.get(name, 'no')} bytes, but {baked.get(name, 'none')} were baked:"
                " bake the cache again."
            )
