"""The receiver of docs/webhook.md, run as the page says: it takes Pub/Sub's deliveries and nobody else's.

Google's own certificates are asked for at Google's own address; a proxy in between answers with this test's.
"""

import base64
import json
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import crypt, jwt
from support.documents import BLOCKS
from support.patience import HANG, until

from local.processes import free_ports
from schemas.messages import PredictionCompleted

HOST, ISSUER = "www.googleapis.com", "https://accounts.google.com"
AUDIENCE, SENDER = "https://example.org/dropfold", "dropfold-webhook@project.iam.gserviceaccount.com"
EXAMPLE = Path(__file__).parents[2] / "schemas/examples/prediction-completed/valid/succeeded.json"


@dataclass(frozen=True)
class Identity:
    """A key and the certificate that says whose it is, both as PEM."""

    key: bytes
    certificate: bytes

    def token(self, **claims: object) -> str:
        now = int(time.time())
        usual = {"iss": ISSUER, "aud": AUDIENCE, "email": SENDER, "email_verified": True}
        payload = {"iat": now, "exp": now + 600, **usual, **claims}
        signer = crypt.RSASigner.from_string(self.key, key_id="first")
        return str(jwt.encode(signer, payload), "ascii")


def an_identity() -> Identity:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return Identity(
        key.private_bytes(serialization.Encoding.PEM, form, plain),
        certificate.public_bytes(serialization.Encoding.PEM),
    )


@pytest.fixture(scope="module")
def google() -> Identity:
    """Return whom the receiver believes to be Google."""
    return an_identity()


@pytest.fixture(scope="module")
def proxy(google: Identity, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Stand between the receiver and Google; return the variables that lead there."""
    folder = tmp_path_factory.mktemp("google")
    (folder / "key.pem").write_bytes(google.key)
    (folder / "google.pem").write_bytes(google.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "google.pem", folder / "key.pem")
    answer = json.dumps({"first": google.certificate.decode()}).encode()

    class Google(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            assert self.path == f"{HOST}:443"
            self.send_response(200)
            self.end_headers()
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")
            self.handle_one_request()
            self.wfile.flush()

        def do_GET(self) -> None:
            assert self.path == "/oauth2/v1/certs"
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Google) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        yield {
            "HTTPS_PROXY": address,
            "REQUESTS_CA_BUNDLE": str(folder / "google.pem"),
            "NO_PROXY": "127.0.0.1",
        }
        server.shutdown()
        thread.join()


@dataclass(frozen=True)
class Receiver:
    """The page's program; ``said`` is its standard output."""

    url: str
    said: Path

    def deliver(self, token: str | None) -> int:
        """Post what Pub/Sub would."""
        message = PredictionCompleted.model_validate_json(EXAMPLE.read_text()).encode()
        data = base64.b64encode(message.data).decode()
        wrapped = {"message": {"data": data, "attributes": message.attributes, "messageId": "1"}}
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return requests.post(self.url, json=wrapped, headers=headers, timeout=HANG).status_code


@pytest.fixture(scope="module")
def receiver(proxy: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    folder = tmp_path_factory.mktemp("receiver")
    [block] = [block for block in BLOCKS if block.verb == "receives"]
    (folder / "receiver.py").write_text(block.code)
    [port] = free_ports(1)
    command = [str(Path(sys.executable).with_name("flask")), "--app", "receiver", "run", "--port", str(port)]
    environment = os.environ | proxy | {"AUDIENCE": AUDIENCE, "SENDER": SENDER}
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=said)
        try:
            _until_it_answers(f"http://127.0.0.1:{port}", process, folder / "said")
            yield Receiver(f"http://127.0.0.1:{port}", folder / "said")
        finally:
            process.terminate()
            process.wait(HANG)


def _until_it_answers(url: str, process: "subprocess.Popen[bytes]", said: Path) -> None:
    def answers() -> bool:
        assert process.poll() is None, said.read_text()
        try:
            requests.get(url, timeout=HANG)
        except requests.ConnectionError:
            return False
        return True

    until(answers, said.read_text)


def test_a_delivery_with_the_right_token_is_taken(receiver: Receiver, google: Identity) -> None:
    assert receiver.deliver(google.token()) == 204
    event = json.loads(EXAMPLE.read_text())
    said = receiver.said.read_text()
    assert f"{event['id']} SUCCEEDED {event['data']['source']['name']} {event['data']['receipt']}" in said


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"aud": "https://example.org/other"}, 401),
        ({"iss": "https://accounts.example.org"}, 401),
        ({"iat": 1_000_000_000, "exp": 1_000_003_600}, 401),
        ({"email": "somebody@other.iam.gserviceaccount.com"}, 403),
        ({"email_verified": False}, 403),
    ],
    ids=["for-somebody-else", "issued-by-somebody-else", "expired", "from-somebody-else", "unverified"],
)
def test_a_delivery_with_another_token_is_refused(
    receiver: Receiver, google: Identity, claims: dict[str, object], status: int
) -> None:
    assert receiver.deliver(google.token(**claims)) == status


def test_a_delivery_signed_by_somebody_else_is_refused(receiver: Receiver) -> None:
    assert receiver.deliver(an_identity().token()) == 401


def test_a_delivery_without_a_token_is_refused(receiver: Receiver) -> None:
    assert receiver.deliver(None) == 401
    assert receiver.deliver("not.a.token") == 401
