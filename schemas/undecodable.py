"""The root of the errors of decoding a topic's message and an upload's event."""


class UndecodableError(ValueError):
    """The data are not what their type promises; retrying cannot help."""
