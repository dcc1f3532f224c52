"""Write the JSON Schemas of everything that crosses a boundary: ``python -m tools.json_schemas [DIR]``."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from inputs.read import BoltzInput
from schemas.checks import ChecksReport
from schemas.messages import CapacityWanted, PredictionCompleted, PredictionRequested, ReferenceArrived
from schemas.receipt import Receipt

PUBLISHED: Mapping[str, type[BaseModel]] = {
    "boltz-input": BoltzInput,
    "capacity-wanted": CapacityWanted,
    "checks": ChecksReport,
    "prediction-completed": PredictionCompleted,
    "prediction-requested": PredictionRequested,
    "receipt": Receipt,
    "reference-arrived": ReferenceArrived,
}
"""Formats by the name of their schema file and of their folder of examples."""

VERSION = Path(__file__).resolve().parents[1] / "schemas" / "v1"


def schema(name: str) -> str:
    """Return the text of one schema file."""
    draft = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(draft | PUBLISHED[name].model_json_schema(), indent=2) + "\n"


def main(folder: Path) -> None:
    """Write all schema files."""
    folder.mkdir(exist_ok=True)
    for name in PUBLISHED:
        (folder / f"{name}.schema.json").write_text(schema(name))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else VERSION)
