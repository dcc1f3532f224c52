"""The checksum that Cloud Storage keeps of an object."""

import base64

import google_crc32c


def crc32c(content: bytes) -> str:
    """Return it as Cloud Storage and receipts write it."""
    return base64.b64encode(google_crc32c.Checksum(content).digest()).decode()
