"""docs/inputs.md has every key of the grammar and none besides, and what it shows is valid."""

import json
import re
from pathlib import Path

import pytest

from inputs.read import InvalidInputError, read_input

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "inputs.md").read_text()
SCHEMA = json.loads((ROOT / "schemas" / "v1" / "boltz-input.schema.json").read_text())
MODELS = SCHEMA["$defs"] | {SCHEMA["title"]: SCHEMA}
LISTED = re.findall(r"^<!-- keys: (\w+) -->\n(.*?)\n\n", GUIDE, re.DOTALL | re.MULTILINE)
SHOWN = re.findall(r"^```(yaml|fasta)\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)


def test_every_part_of_an_input_has_its_table() -> None:
    assert sorted(name for name, _ in LISTED) == sorted(name for name in MODELS if MODELS[name]["properties"])


@pytest.mark.parametrize(("name", "text"), LISTED, ids=[name for name, _ in LISTED])
def test_a_table_has_every_key_and_none_besides(name: str, text: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) or re.findall(r"`(\w+)`", text)
    assert sorted(rows) == sorted(MODELS[name]["properties"])


@pytest.mark.parametrize(("suffix", "text"), SHOWN, ids=[str(number) for number in range(len(SHOWN))])
def test_what_is_shown_is_valid(suffix: str, text: str) -> None:
    left_out = "FVNQHLCGSHLVEALYLVCGERGFFYTPKT" in text  # the example of proteins that are aligned
    assert read_input(f"example.{suffix}", text.encode(), msa_service=left_out)
    if left_out:
        with pytest.raises(InvalidInputError, match="no MSA service"):
            read_input(f"example.{suffix}", text.encode(), msa_service=False)


def test_the_schema_that_editors_are_pointed_to_is_there() -> None:
    [named] = re.findall(r"\$schema=(\S+)", GUIDE)
    assert (ROOT / "docs" / named).resolve() == ROOT / "schemas" / "v1" / "boltz-input.schema.json"
