"""Identity tokens, as Google's library gets them for a service account, of a server that gives them out."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs

import google.auth.jwt
import pytest
from support.http_server import Quiet, answered_by
from support.patience import HANG

from gcp.identity import identity_token
from gcp.service import WorkerService
from local import credentials

WORKER, MSA_SERVER = "https://worker.example", "https://msa.example"
NEVER_OLD, LONG_OLD = 2**35, 1
"""Ends of a token's life, in seconds since 1970."""


@dataclass
class Door:
    """Where tokens are given out, and a Service that notes who knocks."""

    url: str = ""
    expires: int = NEVER_OLD
    asked: list[str] = field(default_factory=list)
    seen: list[tuple[str, str]] = field(default_factory=list)

    def token(self, assertion: str) -> str:
        """Return who asks as a token, with another end of its life: nobody looks at the signature."""
        head, body, signature = assertion.split(".")
        claims = json.loads(base64.urlsafe_b64decode(body + "==")) | {"exp": self.expires}
        self.asked.append(claims["target_audience"])
        return ".".join((head, base64.urlsafe_b64encode(json.dumps(claims).encode()).decode(), signature))


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """Have Google's libraries find a service account, whose tokens the door gives out."""
    door, key = Door(), tmp_path / "key.json"

    class Handler(Quiet):
        def respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            if self.path == "/token":
                [assertion] = parse_qs(body)["assertion"]
                self.answer(200, json.dumps({"id_token": door.token(assertion)}).encode())
            else:
                door.seen.append((self.path, self.headers.get("Authorization", "")))
                self.answer(200, b"{}")

    with answered_by(Handler) as door.url:
        credentials.write_key(key, "a-project")
        key.write_text(json.dumps(json.loads(key.read_text()) | {"token_uri": f"{door.url}/token"}))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
        yield door


def audience(authorization: str) -> str:
    """Return whom the token of a header is for."""
    kind, token = authorization.split()
    assert kind == "Bearer"
    return str(google.auth.jwt.decode(token, verify=False)["target_audience"])


def test_a_push_carries_a_token_for_the_service(door: Door) -> None:
    service = WorkerService(door.url, audience=WORKER, seconds=HANG)
    service.push("a" * 16)
    service.push("b" * 16)
    assert [path for path, _ in door.seen] == [f"/jobs/{'a' * 16}", f"/jobs/{'b' * 16}"]
    assert [audience(authorization) for _, authorization in door.seen] == [WORKER] * 2


@pytest.mark.parametrize(("expires", "tokens"), [(NEVER_OLD, 1), (LONG_OLD, 2)])
def test_calls_share_a_token_until_it_is_old(door: Door, expires: int, tokens: int) -> None:
    door.expires = expires
    header = identity_token(MSA_SERVER)
    assert [audience(header()["Authorization"]) for _ in range(2)] == [MSA_SERVER] * 2
    assert door.asked == [MSA_SERVER] * tokens
