"""What a part has logged: the lines of its file that are JSON objects."""

import json
from pathlib import Path
from typing import Any


def logged(log: Path) -> list[dict[str, Any]]:
    """Read all lines that are JSON objects, but for one that is being written."""
    whole = log.read_text().rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]
