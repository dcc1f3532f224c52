"""The options of an upload as flags of the command, made from their model, so that both have the same."""

from collections.abc import Callable, Mapping

import click

from schemas.options import PREFIX, Options, RequestedOptions

Command = Callable[..., None]


def flags(command: Command) -> Command:
    """Return the command with a flag for each option; a flag that is left out arrives as None."""
    for name in reversed(Options.model_fields):
        command = _flag(name)(command)
    return command


def metadata(given: Mapping[str, object]) -> dict[str, str]:
    """Return the given flags as an object's metadata."""
    return {header(name): _text(value) for name, value in given.items() if value is not None}


def header(name: str) -> str:
    """Return the metadata key of an option."""
    return PREFIX + name.replace("_", "-")


def _flag(name: str) -> Callable[[Command], Command]:
    schema = _schema(name)
    word, said = name.replace("_", "-"), schema["description"]
    described = f"{said} [default: {schema['default']}]" if schema.get("default") is not None else str(said)
    if schema["type"] == "boolean":
        return click.option(f"--{word}/--no-{word}", name, default=None, help=described)
    return click.option(f"--{word}", name, type=_type(schema), help=described)


def _schema(name: str) -> dict[str, object]:
    schema: dict[str, object] = Options.model_json_schema()["properties"][name]
    kinds: list[dict[str, object]] = schema.get("anyOf", [{}])  # type: ignore[assignment]
    return schema | next(kind for kind in kinds if kind.get("type") != "null")


def _type(schema: Mapping[str, object]) -> click.ParamType:
    if "enum" in schema:
        return click.Choice(list(map(str, schema["enum"])))  # type: ignore[call-overload]
    return click.IntRange(schema["minimum"], schema["maximum"])  # type: ignore[arg-type]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


BATCH, FRESH = (str(RequestedOptions.model_fields[name].description) for name in ("batch", "fresh"))
