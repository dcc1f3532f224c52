"""What can go wrong with an object, in words that every room shares."""


class ObjectGoneError(Exception):
    """The object, or the generation asked for, is not there any more."""


class ObjectTooLargeError(Exception):
    """The object is larger than the reader is ready to take."""


class ContentDiffersError(Exception):
    """An object of this name exists with other content."""


class StorageUnavailableError(Exception):
    """The bucket refused for longer than the client retries; another attempt may succeed."""
