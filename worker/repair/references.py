"""The files that an input names, made such that Boltz reads in them what people meant."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from inputs.grammar import BoltzInput
from inputs.read import references
from schemas.failure import shortened
from schemas.job import MAX_WARNING, MAX_WARNINGS
from worker.prepare import Call, Prepared
from worker.repair import msas


class Repaired(NamedTuple):
    """A document whose files Boltz reads right, and what people should know."""

    document: BoltzInput
    warnings: tuple[str, ...]


def repaired(prepared: Prepared, call: Call) -> Prepared:
    """Return an input whose files, which have been checked, Boltz reads right.

    It is written anew, as JSON, which is YAML, where names in it changed. Raises FailedError.
    """
    if not references(prepared.document):
        return prepared
    document, warnings = call(repair, prepared.document, prepared.input_file.parent)
    if document == prepared.document:
        return replace(prepared, warnings=warnings)
    input_file = prepared.input_file.with_suffix(".yaml")
    input_file.write_text(document.model_dump_json(exclude_unset=True))
    return replace(prepared, input_file=input_file, document=document, warnings=warnings)


def repair(document: BoltzInput, folder: Path) -> Repaired:
    """Repair the files in a folder. For a child: others wrote them. Raises FailedError."""
    warnings = msas.repair(document, folder)
    if document.templates:
        from worker.repair import templates  # noqa: PLC0415  a second; children are born with it

        document, more = templates.repair(document, folder)
        warnings += more
    return Repaired(document, _few(warnings))


def _few(warnings: Sequence[str]) -> tuple[str, ...]:
    more = len(warnings) - MAX_WARNINGS + 1
    if more > 1:
        warnings = (*warnings[: MAX_WARNINGS - 1], f"There are {more} more warnings of this kind.")
    return tuple(shortened(warning, MAX_WARNING) for warning in warnings)
