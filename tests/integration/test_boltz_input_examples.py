"""What we accept, Boltz-2's own code reads and featurises, and it counts the same tokens."""

from pathlib import Path

import pytest
from integration.example_reader import tokens
from support.patience import NEVER

from inputs.read import count_tokens, read_input
from local import small_model
from worker.child_pool import PRELOAD, ChildPool

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "schemas" / "examples" / "boltz-input" / "valid").iterdir())
WITHOUT_TEMPLATES = [path for path in EXAMPLES if not read_input(path.name, path.read_bytes()).templates]
"""Templates would need structures of those proteins; tests/integration/test_exactness.py has some."""


@pytest.fixture(scope="module")
def boltz_counts() -> dict[str, int | str]:
    """Tokens of every example, or why Boltz cannot read it: in a child, out of the tests' way."""
    components = small_model.ensure(small_model.DEFAULT) / "mols"
    with ChildPool(NEVER, *PRELOAD) as children:
        return {path.name: children.run(tokens, path, components) for path in WITHOUT_TEMPLATES}


@pytest.mark.parametrize("path", WITHOUT_TEMPLATES, ids=lambda path: path.name)
def test_boltz_counts_the_tokens_that_we_count(path: Path, boltz_counts: dict[str, int | str]) -> None:
    assert boltz_counts[path.name] == count_tokens(read_input(path.name, path.read_bytes()))
