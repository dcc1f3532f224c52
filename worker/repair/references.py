"""The files that an input names, made such that Boltz reads in them what people meant."""

from dataclasses import replace
from pathlib import Path

from inputs.grammar import BoltzInput
from inputs.read import references
from schemas.failure import shortened
from schemas.job import MAX_WARNING, MAX_WARNINGS
from worker.prepare import Call, Prepared
from worker.repair import msas


def repaired(prepared: Prepared, call: Call) -> Prepared:
    """Return an input whose files, all of them checked, Boltz reads right. Raises FailedError."""
    if not references(prepared.document):
        return prepared
    return replace(prepared, warnings=call(repair, prepared.document, prepared.input_file.parent))


def repair(document: BoltzInput, folder: Path) -> tuple[str, ...]:
    """Repair the files in a folder; return what people should know. For a child: others wrote the files."""
    warnings = msas.repair(document, folder)
    more = len(warnings) - MAX_WARNINGS + 1
    if more > 1:
        warnings = (*warnings[: MAX_WARNINGS - 1], f"There are {more} more warnings of this kind.")
    return tuple(shortened(warning, MAX_WARNING) for warning in warnings)
