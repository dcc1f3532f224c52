"""Checksums of files."""

import base64
import hashlib
from pathlib import Path

import google_crc32c

CHUNK = 1024 * 1024


def crc32c(path: Path) -> str:
    """Return a file's CRC-32C as Cloud Storage writes it: big-endian, in base64 (RFC 4648)."""
    checksum = google_crc32c.Checksum()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            checksum.update(chunk)
    return base64.b64encode(checksum.digest()).decode()


def sha256(path: Path) -> str:
    """Return a file's SHA-256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
