"""Objects of a bucket in words that every room shares: a look at one, and what can go wrong with it."""

from typing import NamedTuple


class ObjectHead(NamedTuple):
    """A look at an object: its size as stored, in bytes, and the beginning of its content.

    ``whole`` says whether that is all of it.
    """

    size: int
    beginning: bytes
    whole: bool


class StorageError(Exception):
    """Root of the errors of a bucket and its objects."""


class ObjectGoneError(StorageError):
    """The object, or the generation asked for, is not there any more."""


class ObjectTooLargeError(StorageError):
    """The object is larger than the reader is ready to take."""


class ObjectUnreadableError(StorageError):
    """The object's Content-Encoding is wrong or unsupported; it would be the same the next time."""


class ContentDiffersError(StorageError):
    """An object of this name exists with other content."""


class StorageUnavailableError(StorageError):
    """The bucket refused for longer than the client retries; another attempt may succeed."""
