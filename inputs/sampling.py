"""What an input and the options for it mean together, wherever the two come from."""

import hashlib

from inputs.read import BoltzInput
from schemas.failure import Code, Failure
from schemas.options import Options


def seeded(options: Options, document: BoltzInput) -> Options:
    """Give options without a seed the one of the document."""
    return options if options.seed is not None else options.model_copy(update={"seed": seed_of(document)})


def seed_of(document: BoltzInput) -> int:
    """Derive the seed from what the file says, so that the same input gives the same result again."""
    return int.from_bytes(hashlib.sha256(document.model_dump_json().encode()).digest()[:4], "big")


def unwritable(document: BoltzInput, options: Options, field: str) -> Failure | None:
    """Refuse early what would fail after the prediction: PDB has one column for the chain id.

    ``field`` names the option as whoever asked for it wrote it.
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
