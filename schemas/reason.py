"""What an error of a library says to a person: its words, without the names that Python gives to errors."""

import re

LONGEST = 1000
"""Most characters of a reason."""

_NAMES = re.compile(
    r"\b(?:\w+\.)*(?:[A-Z]\w*(?:Error|Exception|Warning|Interrupt)\b(?!\.?\w)|(?:[A-Z][a-z]+){2,}(?=\()):?\s*"
    r"|\[Errno -?\d+\]\s*"
)
"""Names of classes, also where the representation of an error stands in the words of another."""


def reason(error: BaseException | str) -> str:
    """Return what an error says, on one line: ``KeyError('A')`` is "there is no 'A'"."""
    words = " ".join(_NAMES.sub("", str(error)[:LONGEST]).split()).rstrip(".: ")
    if not words:
        return "it gives no reason"
    return f"there is no {words}" if isinstance(error, KeyError) else words
