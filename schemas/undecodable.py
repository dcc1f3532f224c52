"""The root of the errors of decoding a topic's message and an upload's event."""


class UndecodableError(ValueError):
    """What came is not what its type promises; retrying cannot help."""
