"""The Terraform plan as data: what eventarc/*.tf declare, strings without their quotes."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import hcl2

ROOT = Path(__file__).parents[2]
PLAN = ROOT / "eventarc"
FILES = sorted(PLAN.glob("*.tf"))

Body = Mapping[str, Any]
Address = str
"""As Terraform writes it: ``google_pubsub_topic.topic``, ``data.archive_file.bundle``, ``var.name``."""

REFERENCE = re.compile(
    r"(?<![\w.])(?:(var|local)\.(\w+)|(data\.\w+|google_\w+|terraform_data)\.(\w+))", re.ASCII
)


@cache
def _parsed() -> list[Body]:
    return [_plain(hcl2.loads(file.read_text())) for file in FILES]


def blocks(kind: str) -> list[Body]:
    """Return all top-level blocks of one kind (``resource``, ``locals`` …)."""
    return [block for file in _parsed() for block in file.get(kind, [])]


@cache
def resources(kind: str = "resource") -> dict[Address, Body]:
    """Return every resource, or with ``data`` every data source, by its address."""
    prefix = "" if kind == "resource" else f"{kind}."
    return {
        f"{prefix}{of}.{name}": body
        for block in blocks(kind)
        for of, named in block.items()
        for name, body in named.items()
    }


@cache
def all_data() -> dict[Address, Body]:
    """Return every data source by its address, those inside checks too."""
    inner = (check.get("data", []) for block in blocks("check") for check in block.values())
    return resources("data") | {
        f"data.{of}.{name}": body
        for found in inner
        for block in found
        for of, named in block.items()
        for name, body in named.items()
    }


def of_type(*types: str) -> dict[Address, Body]:
    """Return the resources of some types."""
    return {address: body for address, body in resources().items() if address.split(".")[0] in types}


@cache
def local_values() -> Body:
    """Return every local value by name; an expression stays text in ``${ }``."""
    return {name: value for block in blocks("locals") for name, value in block.items()}


@cache
def variables() -> dict[str, Body]:
    """Return every variable's declaration by name."""
    return {name: body for block in blocks("variable") for name, body in block.items()}


def declared() -> dict[Address, Any]:
    """Return everything that can be referred to."""
    return {
        **resources(),
        **all_data(),
        **{f"local.{name}": value for name, value in local_values().items()},
        **{f"var.{name}": body for name, body in variables().items()},
    }


def references(value: object) -> set[Address]:
    """Return the addresses that a value refers to, however deep."""
    return {
        ".".join(part for part in match.groups() if part)
        for text in texts(value)
        if "${" in text
        for match in REFERENCE.finditer(text)
    }


def texts(value: object) -> Iterator[str]:
    """Return every string in a value, keys too."""
    match value:
        case str():
            yield value
        case Mapping():
            for key, inner in value.items():
                yield from (*texts(key), *texts(inner))
        case list():
            for inner in value:
                yield from texts(inner)


def _plain(value: Any) -> Any:  # noqa: ANN401  a tree of whatever HCL holds
    match value:
        case str():
            quoted = len(value) > 1 and value[0] == value[-1] == '"'
            return value[1:-1].replace('\\"', '"') if quoted else value
        case dict():
            own = {_plain(key): inner for key, inner in value.items() if not key.startswith("__")}
            return {key: _plain(inner) for key, inner in own.items()}
        case list():
            return [_plain(inner) for inner in value]
    return value
