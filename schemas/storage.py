"""What is said about objects in words that every room shares: what was seen of one, and what can go wrong."""

from typing import NamedTuple


class Look(NamedTuple):
    """A look at an object: its size as stored, in bytes, and how its content begins.

    ``whole`` says whether that is all of it.
    """

    size: int
    beginning: bytes
    whole: bool


class ObjectGoneError(Exception):
    """The object, or the generation asked for, is not there any more."""


class ObjectTooLargeError(Exception):
    """The object is larger than the reader is ready to take."""


class ObjectUnreadableError(Exception):
    """The object is not what its Content-Encoding says; it would be the same the next time."""


class ContentDiffersError(Exception):
    """An object of this name exists with other content."""


class StorageUnavailableError(Exception):
    """The bucket refused for longer than the client retries; another attempt may succeed."""
