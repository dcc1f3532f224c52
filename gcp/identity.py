"""Google identity tokens, for servers that let in who carries one."""

import threading
from collections.abc import Callable

from google.auth.credentials import Credentials
from google.auth.transport.requests import Request
from google.oauth2 import id_token


def identity_token(audience: str) -> Callable[[], dict[str, str]]:
    """Return what makes the header of a Google identity token; all calls share the token until it is old."""
    lock, request = threading.Lock(), Request()
    made: list[Credentials] = []

    def header() -> dict[str, str]:
        with lock:
            if not made:
                made.append(id_token.fetch_id_token_credentials(audience, request))
            if not made[0].valid:
                made[0].refresh(request)
            return {"Authorization": f"Bearer {made[0].token}"}

    return header
