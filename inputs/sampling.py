"""The combination of an input and its options, wherever the two come from."""

import hashlib

from inputs.read import BoltzInput
from schemas.failure import Code, Failure
from schemas.options import Options


def seeded(options: Options, document: BoltzInput) -> Options:
    """Return the options, with the seed of the document unless they have their own."""
    return options if options.seed is not None else options.model_copy(update={"seed": seed_of(document)})


def seed_of(document: BoltzInput) -> int:
    """Return 32 bits of the document's SHA-256, so that the same input gives the same result again."""
    return int.from_bytes(hashlib.sha256(document.model_dump_json().encode()).digest()[:4], "big")


def unwritable(document: BoltzInput, options: Options, field: str) -> Failure | None:
    """Return the failure of a chain id that the PDB format's one column cannot hold, or None.

    Else the job would fail after its prediction. ``field`` names the option as the caller wrote it.
    """
    ids = [chain for entry in document.sequences for chain in entry.molecule.id if len(chain) > 1]
    if options.output_format != "pdb" or not ids:
        return None
    return Failure(
        code=Code.INVALID_INPUT,
        message=f"PDB files cannot hold the chain id {ids[0]}: they have one column for it.",
        field=field,
        value="pdb",
        remedy="Ask for mmcif, which is the default, or give every chain an id of one character.",
    )
