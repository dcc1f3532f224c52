"""The published schemas, their models and the examples say the same."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from pydantic import ValidationError as ModelError

from tools.json_schemas import PUBLISHED, VERSION, schema

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"
IN_JSON = sorted(PUBLISHED.keys() - {"boltz-input"})  # that one's examples are inputs as people write them


def examples(kind: str) -> Iterator[tuple[str, Path]]:
    for name in IN_JSON:
        for path in sorted((EXAMPLES / name / kind).glob("*.json")):
            yield name, path


def validator(name: str) -> Draft202012Validator:
    published = json.loads((VERSION / f"{name}.schema.json").read_text())
    Draft202012Validator.check_schema(published)
    return Draft202012Validator(published, format_checker=FormatChecker())


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_schema_is_the_model_s(name: str) -> None:
    # When this fails: the model changed. Compatibly (a new optional field)? `make schemas`, and commit what
    # it wrote. Otherwise subscribers break: add a v2 beside v1, and publish both while v1 is read.
    assert (VERSION / f"{name}.schema.json").read_text() == schema(name)


@pytest.mark.parametrize("name", IN_JSON)
def test_every_format_has_valid_and_invalid_examples(name: str) -> None:
    assert list((EXAMPLES / name / "valid").glob("*.json"))
    assert list((EXAMPLES / name / "invalid").glob("*.json"))


@pytest.mark.parametrize(("name", "path"), examples("valid"), ids=lambda value: getattr(value, "stem", value))
def test_a_valid_example_passes_schema_and_model(name: str, path: Path) -> None:
    validator(name).validate(json.loads(path.read_text()))
    PUBLISHED[name].model_validate_json(path.read_text())


@pytest.mark.parametrize(
    ("name", "path"), examples("invalid"), ids=lambda value: getattr(value, "stem", value)
)
def test_an_invalid_example_fails_schema_and_model(name: str, path: Path) -> None:
    with pytest.raises(ValidationError):
        validator(name).validate(json.loads(path.read_text()))
    with pytest.raises(ModelError):
        PUBLISHED[name].model_validate_json(path.read_text())
