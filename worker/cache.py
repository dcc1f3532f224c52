"""Results that are there already: what an input, its options and the weights gave once, they give again."""

import hashlib
import re
from collections.abc import Container
from typing import Protocol

from pydantic_core import to_json

from inputs.read import BoltzInput, references
from schemas.checksum import sha256
from schemas.job import Job, Model, Output
from schemas.options import Options
from schemas.storage import ContentDiffersError, ObjectGoneError
from worker.prepare import Prepared

FIRST_OPTIONS = {
    *("samples", "seed", "recycling_steps", "sampling_steps", "sampling_steps_affinity"),
    *("samples_affinity", "potentials", "output_format"),
}
"""Those of the first release, which count in any case: no later one may be among them."""

TWO_LETTERS = re.compile(r"\[\d*[A-Z][a-z]")
"""An element in a SMILES that Boltz may write as another: two letters, in brackets."""

MOST_COPIES = 100
"""Jobs of the ledger that may have one result: uploads cost nothing, and what they have copied is kept."""


class Ledger(Protocol):
    """The ledger, as far as jobs that succeeded are looked up."""

    def succeeded_as(self, fingerprint: str) -> Job | None:
        """Find a job that succeeded with this fingerprint."""

    def count_as(self, fingerprint: str, most: int) -> int:
        """Count the jobs that succeeded with this fingerprint, and stop at so many."""


class Results(Protocol):
    """The output bucket, as far as copying goes."""

    def copy(self, output: Output, name: str) -> Output:
        """Copy an object on the server's side. Raises ObjectGoneError, ContentDiffersError."""


def fingerprint(prepared: Prepared, options: Options, model: Model) -> str:
    """Identify everything that a result depends on: SHA-256, in hexadecimal.

    The input counts by its meaning (comments, order of keys and line ends do not), files that it refers to by
    their bytes, options with the seed, the model with the digest of its weights. Potentials count as they
    were decided, and so does another speed than exact. A new option counts where it is not at its default:
    that has to mean what was done before there was the option.
    """
    done = options.model_copy(update={"potentials": bool(options.potentials)})
    counted = done.model_dump(include=FIRST_OPTIONS) | done.model_dump(exclude_defaults=True)
    files = {name: sha256(prepared.input_file.parent / name) for name in references(prepared.document)}
    computed_by = {"name": model.name, "version": model.version, "weights": model.weights_digest}
    computed_by |= {"speed": model.speed} if model.speed != "exact" else {}
    computed_by |= {"elements": "of the molecules"} if _guessed_before(prepared.document) else {}
    return hashlib.sha256(to_json([prepared.document, files, counted, computed_by])).hexdigest()


def _guessed_before(document: BoltzInput) -> bool:
    """Return whether a release before elements were corrected may have written wrong ones."""
    ligands = (entry.ligand for entry in document.sequences if entry.ligand)
    return any(TWO_LETTERS.search(ligand.smiles or "") for ligand in ligands)


def find_cached(ledger: Ledger, fingerprint: str) -> Job | None:
    """Return a job whose outputs may be copied, or None; after MOST_COPIES they are computed anew."""
    found = ledger.succeeded_as(fingerprint)
    often = found is not None and ledger.count_as(fingerprint, MOST_COPIES) == MOST_COPIES
    return None if often else found


def copied(
    job: Job, prefix: str, results: Results, besides: Container[str] = ()
) -> tuple[Output, ...] | None:
    """Copy a job's outputs under another prefix; return None if one is gone or changed.

    ``besides`` has the public names of those that are left out.
    """
    named = ((output, output.name.removeprefix(job.output_prefix)) for output in job.outputs)
    try:
        return tuple(results.copy(output, prefix + name) for output, name in named if name not in besides)
    except (ObjectGoneError, ContentDiffersError):
        return None
