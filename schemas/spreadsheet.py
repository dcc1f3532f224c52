"""Protection against CSV injection: spreadsheets compute a text of others that begins like a formula.

Source: https://owasp.org/www-community/attacks/CSV_Injection
"""

_FORMULA = tuple("=+-@\t\r'")


def guarded(text: str) -> str:
    """Return a text with an apostrophe in front if it would be computed, or has one already."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def unguarded(text: str) -> str:
    """Return the text that ``guarded`` was given."""
    return text.removeprefix("'")
