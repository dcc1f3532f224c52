"""Translates pydantic's errors into the words of whoever wrote the file, and problems into failures."""

import difflib
from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from inputs.grammar import BoltzInput
from inputs.tree import MAX_PROBLEMS, Diagnostic, Loc, Place, Tree, dotted, shorten
from schemas.failure import Code, Failure

_FILL_IN = ("is empty", "Fill it in, or remove the key.")
_WORDS = {
    "missing": ("is missing", "Add `{key}:` with its value."),
    "model_type": ("must be a mapping", "Write `key: value` lines, indented below it."),
    "tuple_type": ("must be a list", "Write each item on its own line behind `- `."),
    "too_short": ("is an empty list", "Fill it in, or remove the key."),
    "too_long": ("has {actual_length} items", "Keep at most {max_length}."),
    "int_type": ("must be a whole number", "Write a number such as 12, without quotes."),
    "bool_type": ("must be true or false", "Write true or false, without quotes."),
    "float_type": ("must be a number", "Write a number such as 6.0, without quotes."),
    "finite_number": ("must be a finite number", "Write a number such as 6.0."),
    "greater_than": ("must be more than {gt}", "Write a number above {gt}."),
    "greater_than_equal": ("must be at least {ge}", "Write a number from {ge} on."),
    "less_than_equal": ("must be at most {le}", "Write a number up to {le}."),
    "literal_error": ("must be {expected}", "Write {expected}, without quotes."),
    "string_unicode": ("holds half a character (a surrogate)", "Write the character itself."),
}
"""Diagnostic and remedy for each of pydantic's error types that the grammar can raise."""

_KINDS = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "a mapping"}


def from_grammar(error: ValidationError, tree: Tree) -> list[Diagnostic]:
    """Return the problems that the grammar found in ``tree.data``."""
    return [_translate(detail, tree) for detail in error.errors(include_url=False) if not _echo(detail, tree)]


def to_failures(file: str, problems: Iterable[Diagnostic], tree: Tree) -> tuple[Failure, ...]:
    """Return the failures in document order, at most MAX_PROBLEMS; the last may say that there are more."""
    placed = [(problem, problem.place or tree.place(problem.loc)) for problem in problems]
    placed.sort(key=lambda pair: pair[1][:2] if pair[1] else (0, 0))
    failures = [_failure(file, problem, place) for problem, place in placed[:MAX_PROBLEMS]]
    if len(placed) > MAX_PROBLEMS:
        failures[-1] = _more(file)
    return tuple(failures)


def _failure(file: str, problem: Diagnostic, place: Place | None) -> Failure:
    where = f", line {place.line}, column {place.column}" if place else ""
    field = dotted(problem.loc)
    return Failure(
        code=problem.code,
        message=f"{shorten(file, 300)}{where}: {field or 'the file'} {problem.what}."[:2000],
        field=field[:500] or None,
        value=shorten(problem.value) if problem.value else None,
        remedy=problem.remedy[:1000],
    )


def _more(file: str) -> Failure:
    return Failure(
        code=Code.INVALID_INPUT,
        message=f"{shorten(file, 300)}: there are more problems than these.",
        remedy="Correct those that are listed, and upload the file again.",
    )


def _echo(detail: ErrorDetails, tree: Tree) -> bool:
    """Return whether pydantic calls a list too short only because its items have problems of their own."""
    return detail["type"] == "too_short" and _locate(detail["loc"], tree.data)[1] != []


def _translate(detail: ErrorDetails, tree: Tree) -> Diagnostic:
    loc, value = _locate(detail["loc"], tree.data)
    what, remedy = _words(detail, loc, value, tree)
    return Diagnostic(what, remedy, loc, _shown(value, loc, tree))


def _locate(loc: Loc, data: object) -> tuple[Loc, object]:
    """Return pydantic's location as far as the file has it, and the value: ``id: A`` is read as a list."""
    way: list[str | int] = []
    for part in loc:
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            continue
        way.append(part)
    return tuple(way), data


def _words(detail: ErrorDetails, loc: Loc, value: object, tree: Tree) -> tuple[str, str]:
    context: dict[str, Any] = {**detail.get("ctx", {}), "key": loc[-1] if loc else ""}
    if "remedy" in context:
        return context["what"], context["remedy"]
    if detail["type"] == "extra_forbidden":
        return _unknown_key(loc)
    if detail["type"] == "string_type":
        return _not_text(value, tree.places.get(loc))
    if value is None and detail["type"] != "missing":
        return _FILL_IN
    if detail["type"] not in _WORDS:
        return f"is not usable ({detail['msg']})", "Correct it as the format's JSON Schema says."
    what, remedy = _WORDS[detail["type"]]
    return what.format(**context), remedy.format(**context)


def _unknown_key(loc: Loc) -> tuple[str, str]:
    known = list(_model_at(loc[:-1]).model_fields)
    near = difflib.get_close_matches(str(loc[-1]).lower(), known, n=1)
    hint = f"Did you mean `{near[0]}`? " if near else ""
    return "is not a known key, and Boltz-2 would ignore it", f"{hint}Known here: {', '.join(known)}."


def _model_at(loc: Loc) -> type[BaseModel]:
    model: type[BaseModel] = BoltzInput
    for part in loc:
        if isinstance(part, str):
            model = _models_in(model.model_fields[part].annotation)[0]
    return model


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models_in(inner)]


def _not_text(value: object, place: Place | None) -> tuple[str, str]:
    source = place.source if place else ""
    if value is None and not source:
        return _FILL_IN
    if isinstance(value, list | dict) and source[:1] not in "[{":
        return f"must be text, not {_KINDS[type(value)]}", "Write a single text behind the key."
    kind = _KINDS.get(type(value), "nothing")
    return f"must be text, but YAML reads {source} as {kind}", f"Put it in quotes: '{source}'."


def _shown(value: object, loc: Loc, tree: Tree) -> str | None:
    if isinstance(value, str):
        return value
    place = tree.places.get(loc)
    return place.source if place else None
