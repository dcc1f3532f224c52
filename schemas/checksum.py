"""Checksums as Cloud Storage writes them: CRC-32C, big-endian, in base64 (RFC 4648)."""

import base64
from pathlib import Path

import google_crc32c

CHUNK = 1024 * 1024


def crc32c(path: Path) -> str:
    """Return the checksum of a file."""
    checksum = google_crc32c.Checksum()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            checksum.update(chunk)
    return base64.b64encode(checksum.digest()).decode()
