"""What we accept, Boltz-2's own code reads and featurises, and it counts the same tokens."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from local import small_model
from schemas.boltz_input import count_tokens, read_input

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "schemas" / "examples" / "boltz-input" / "valid").iterdir())
WITHOUT_TEMPLATES = [path for path in EXAMPLES if not read_input(path.name, path.read_bytes()).templates]
"""Templates would need structures of those proteins; tests/integration/test_exactness.py has some."""


@pytest.fixture(scope="module")
def boltz_counts() -> dict[str, int | str]:
    """Tokens of every example, or why Boltz cannot read it: one process for all, some 30 s."""
    components = small_model.ensure(small_model.DEFAULT) / "mols"
    script = Path(__file__).with_name("example_reader.py")
    command = [sys.executable, str(script), str(components), *map(str, WITHOUT_TEMPLATES)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    found = subprocess.run(command, env=environment, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    counts: dict[str, int | str] = json.loads(found.stdout)
    return counts


@pytest.mark.parametrize("path", WITHOUT_TEMPLATES, ids=lambda path: path.name)
def test_boltz_counts_the_tokens_that_we_count(path: Path, boltz_counts: dict[str, int | str]) -> None:
    assert boltz_counts[path.name] == count_tokens(read_input(path.name, path.read_bytes()))
