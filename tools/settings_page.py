"""Write the settings that entry points read: ``python -m tools.settings_page > docs/settings.md``."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

import annotated_types
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from dropfold.settings import CommandSettings
from functions.settings import (
    AlignSettings,
    CompareSettings,
    DeadSettings,
    IntakeSettings,
    LaunchSettings,
    SweepSettings,
    WakeSettings,
)
from gcp.settings import Project
from worker.settings import ServiceSettings, WorkerSettings

ENTRY_POINTS: Mapping[str, type[Project]] = {
    "on_upload": IntakeSettings,
    "on_delete": IntakeSettings,
    "on_wake": WakeSettings,
    "on_request": LaunchSettings,
    "on_align": AlignSettings,
    "on_dead": DeadSettings,
    "on_sweep": SweepSettings,
    "on_compare": CompareSettings,
    "worker": WorkerSettings,
    "service": ServiceSettings,
}
"""Settings of each function by its name, of the worker's job and of the Service."""

SETTINGS: Mapping[str, type[Project]] = {**ENTRY_POINTS, "dropfold": CommandSettings}
"""All settings: also those of the command, which nobody deploys."""

HEAD = """# Settings

Written by `make schemas` from the settings models (`gcp/settings.py`, `functions/settings.py`,
`worker/settings.py`, `dropfold/settings.py`); a test compares the two. All are environment variables. One
that is missing, or out of its limits, stops the start with its name, and so does a bucket or topic that is
not there or may not be used ([operations.md](operations.md#starts)). `eventarc/functions.tf` and
`eventarc/worker.tf` set what is required, and what differs from its default.
"""

COLUMNS = "| Variable | Type | Default | Limits | |\n|---|---|---|---|---|"
TYPES = {
    "str": "text",
    "SecretStr": "secret text",
    "int": "whole number",
    "float": "number",
    "bool": "true, false",
    "Path": "path",
}
BOUNDS = {annotated_types.Ge: "≥", annotated_types.Gt: ">", annotated_types.Le: "≤", annotated_types.Lt: "<"}


def page() -> str:
    """Return the page: a table for each model, named by the entry points that have its settings."""
    models = {base: None for model in SETTINGS.values() for base in reversed(model.__mro__)}
    tables = (_table(model) for model in models if issubclass(model, Project))
    return "\n".join([HEAD, *tables])


def _table(model: type[Project]) -> str:
    users = (f"`{name}`" for name, theirs in SETTINGS.items() if issubclass(theirs, model))
    title = "All of them" if model is Project else ", ".join(users)
    return f"## {title}\n\n{COLUMNS}\n" + "".join(_rows(model))


def _rows(model: type[Project]) -> Iterator[str]:
    for name in model.__annotations__:
        field = model.model_fields[name]
        cells = (f"`{name.upper()}`", _type(field), _default(field), _limits(field), field.description)
        yield f"| {' | '.join(map(str, cells))} |\n"


def _type(field: FieldInfo) -> str:
    choices = [f"`{choice}`" for choice in get_args(field.annotation)]
    return " or ".join(choices) or TYPES.get(getattr(field.annotation, "__name__", ""), "JSON")


def _default(field: FieldInfo) -> str:
    if field.default_factory:
        return "made up"
    if field.default is None:
        return "none"
    return "required" if field.is_required() else f"`{_text(field.default)}`"


def _text(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return f"{value:.10g}"
        case BaseModel():
            return value.model_dump_json(exclude_defaults=True)
        case Path() | str() | SecretStr():
            return str(value)
    raise TypeError(f"no words for a default like {value!r}")


def _limits(field: FieldInfo) -> str:
    bounds = (
        f"{sign} {_text(getattr(bound, kind.__name__.lower()))}"
        for bound in field.metadata
        for kind, sign in BOUNDS.items()
        if isinstance(bound, kind)
    )
    return ", ".join(bounds) or "none"


if __name__ == "__main__":
    print(page(), end="")
