"""The result of parsing an input file: plain data, the place of each part, and problems."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from schemas.failure import Code

Loc = tuple[str | int, ...]
"""Path into the document, keys and list positions: ``("sequences", 0, "protein", "id")``."""

MAX_PROBLEMS = 20
"""Most problems of a file that are reported. Checks stop at one more, which shows that there are more."""

_PLAIN_KEY = re.compile(r"[A-Za-z_][\w-]{0,39}", re.ASCII)


class Place(NamedTuple):
    """Place of a part, line and column counted from 1, and the start of its source text."""

    line: int
    column: int
    source: str = ""


class Diagnostic(NamedTuple):
    """One thing wrong with the file. ``what`` completes a sentence that begins with the field or the file."""

    what: str
    remedy: str
    loc: Loc = ()
    value: str | None = None
    place: Place | None = None
    code: Code = Code.INVALID_INPUT


class InputError(Exception):
    """Root of the errors of this room: a file is not an input that can be predicted."""


class UnreadableError(InputError):
    """The bytes do not make a document; carries every reason found."""

    def __init__(self, *problems: Diagnostic) -> None:
        super().__init__("; ".join(problem.what for problem in problems))
        self.problems = problems


class Tree(NamedTuple):
    """A document before the grammar: dicts, lists and scalars, and the places of their parts."""

    data: object
    places: Mapping[Loc, Place]

    def place(self, loc: Loc) -> Place | None:
        """Return the place of this part, or of the nearest part around it."""
        around = (loc[:end] for end in range(len(loc), -1, -1))
        return next((self.places[outer] for outer in around if outer in self.places), None)


def dotted(loc: Loc) -> str:
    """Return a path into the document as ``sequences[0].protein.id``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{_key(part)}" for part in loc)
    return text.removeprefix(".")


def shorten(text: str, limit: int = 80) -> str:
    """Return a text cut for a message, unprintable characters escaped, which could garble a terminal."""
    cut = text if len(text) <= limit else f"{text[: limit - 20]}… ({len(text)} characters)"
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in cut)


def _key(part: str) -> str:
    return part if _PLAIN_KEY.fullmatch(part) else f'"{shorten(part, 40)}"'
