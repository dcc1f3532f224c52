"""Print the Service's OpenAPI document, as it is committed: ``python -m tools.openapi``."""

import json

from worker.web.app import create


def text() -> str:
    """Return the document as JSON."""
    return json.dumps(create().openapi(), indent=2) + "\n"


if __name__ == "__main__":
    print(text(), end="")
