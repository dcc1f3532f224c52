"""Files that are in another format than their name says, known by their first bytes."""

_PACKED = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_ALIGNMENTS = {b"# STOCKHOLM": "Stockholm", b"CLUSTAL": "Clustal"}


def packed_by(content: bytes) -> str | None:
    """Return the format in which a file is packed, or None."""
    return next((name for start, name in _PACKED.items() if content.startswith(start)), None)


def alignment_format(content: bytes) -> str | None:
    """Return the format of an alignment that says so in its first line and is not A3M, or None."""
    return next((name for start, name in _ALIGNMENTS.items() if content.startswith(start)), None)
