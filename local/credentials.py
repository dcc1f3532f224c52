"""A service-account key that opens nothing, so that production code finds credentials as in the cloud."""

import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

KEY_BITS = 2048


def write_key(path: Path, project: str) -> None:
    """Write a key file as Google's console does, readable by its owner alone.

    Google's clients sign a JWT with it for each service they call and ask no token server. The address of
    that server is one where nothing listens, so that an attempt fails at once instead of leaving the machine.
    """
    key = {
        "type": "service_account",
        "project_id": project,
        "private_key_id": "local",
        "private_key": _private_key(),
        "client_email": f"local@{project}.iam.gserviceaccount.com",
        "client_id": "0",
        "token_uri": "http://127.0.0.1:9/no-token-server",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(key, indent=1), encoding="utf-8")


def _private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
