"""Texts that others wrote, in a CSV that a person opens: spreadsheets compute what begins like a formula."""

_FORMULA = tuple("=+-@\t\r'")


def guarded(text: str) -> str:
    """Put an apostrophe in front of what would be computed, and of what has one."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def unguarded(text: str) -> str:
    """Take away the apostrophe that ``guarded`` put there."""
    return text.removeprefix("'")
