"""Translates pydantic's errors into the words of whoever wrote the file, and problems into failures."""

import difflib
import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from inputs.fields import belong_below, models_in
from inputs.grammar import BoltzInput
from inputs.smiles import ParsedSmiles, read_smiles
from inputs.tree import MAX_PROBLEMS, Diagnostic, Loc, Place, Tree, dotted, shorten
from inputs.values import SMILES
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

_SINGLE = frozenset({"string_type", "int_type", "bool_type", "float_type", "literal_error"})
"""Of these, those of a value that is a single one."""

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
        if isinstance(data, dict) and isinstance(part, str):
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
    if words := _by_value(detail["type"], loc, value, tree):
        return words
    if detail["type"] not in _WORDS:
        return f"is not usable ({detail['msg']})", "Correct it as the format's JSON Schema says."
    what, remedy = _WORDS[detail["type"]]
    return what.format(**context), remedy.format(**context)


def _by_value(kind: str, loc: Loc, value: object, tree: Tree) -> tuple[str, str] | None:
    """Return the words that depend on what stands there, if any do."""
    match kind, value:
        case "extra_forbidden", _:
            return _unknown_key(loc, _locate(loc[:-1], tree.data)[1])
        case _, list() | dict() if kind in _SINGLE:
            return _not_single(kind, value, loc, tree)
        case "string_type", _:
            return _not_text(value, _source(loc, tree))
        case "model_type", list():
            return _not_listed(loc)
        case _, None if kind != "missing":
            return _FILL_IN
    return None


def _unknown_key(loc: Loc, beside: object) -> tuple[str, str]:
    known = list(_model_at(loc[:-1]).model_fields)
    near = difflib.get_close_matches(str(loc[-1]).lower(), known, n=1)
    hint = _elsewhere(loc, beside) or (f"Did you mean `{near[0]}`? " if near else "")
    return "is not a known key, and Boltz-2 would ignore it", f"{hint}Known here: {', '.join(known)}."


def _elsewhere(loc: Loc, beside: object) -> str:
    """Return where a key belongs that stands one level too high, or too low."""
    key, model = str(loc[-1]), _model_at(loc[:-1])
    possible = [name for name in model.model_fields if belong_below(model, name, [key])]
    if below := [f"`{name}:`" for name in possible if isinstance(beside, dict) and name in beside] or [
        f"`{name}:`" for name in possible
    ]:
        how = "indented further" if loc[:-1] else "as an item that begins with `- `"
        return f"It belongs below {' or '.join(below)}, {how}. "
    around = (loc[:end] for end in range(len(loc) - 2, -1, -1))
    above = next((outer for outer in around if key in _model_at(outer).model_fields), None)
    if above is None:
        return ""
    return f"It belongs {f'into {dotted(above)}' if above else 'at the top level'}, indented less. "


def _model_at(loc: Loc) -> type[BaseModel]:
    model: type[BaseModel] = BoltzInput
    for part in loc:
        if isinstance(part, str):
            model = models_in(model.model_fields[part].annotation)[0]
    return model


def _not_listed(loc: Loc) -> tuple[str, str]:
    """Return the words for a list where a mapping belongs: the items of a file, or the keys of a part."""
    if loc:
        return "must be a mapping, not a list", "Write its keys below it, without `- ` before them."
    return "must be a mapping", "Begin it with `sequences:`, and write the items below that."


def _not_single(kind: str, value: list[Any] | dict[str, Any], loc: Loc, tree: Tree) -> tuple[str, str]:
    """Return the words for a list or mapping where one value belongs, often the one that is in it."""
    source, found = _source(loc, tree), _KINDS[type(value)]
    if loc[-1] == "smiles" and re.fullmatch(SMILES, source) and isinstance(read_smiles(source), ParsedSmiles):
        return f"must be text, but YAML reads {source} as {found}", f"Put it in quotes: '{source}'."
    only = _only(value, loc, tree, text=kind == "string_type")
    remedy = f"Write {only} alone, not as {found}." if only else "Write a single value behind the key."
    return f"must be {'text' if kind == 'string_type' else 'a single value'}, not {found}", remedy


def _only(value: list[Any] | dict[str, Any], loc: Loc, tree: Tree, *, text: bool) -> str | None:
    """Return how to write the only value of a list or of braces, as text or not; None if there is no such."""
    match value:
        case [str() | int() | float() as item]:
            source = _source((*loc, 0), tree)
            return f"'{source}'" if text and not isinstance(item, str) else source
        case dict() if list(value.values()) == [None]:
            return shorten(next(iter(value)))
    return None


def _not_text(value: object, source: str) -> tuple[str, str]:
    if value is None and not source:
        return _FILL_IN
    kind = _KINDS.get(type(value), "nothing")
    return f"must be text, but YAML reads {source} as {kind}", f"Put it in quotes: '{source}'."


def _shown(value: object, loc: Loc, tree: Tree) -> str | None:
    if isinstance(value, str):
        return value
    return _source(loc, tree) or None


def _source(loc: Loc, tree: Tree) -> str:
    place = tree.places.get(loc)
    return place.source if place else ""
