"""Errors of the functions: each has the platform deliver the event, or run the schedule, once more."""


class RetryError(Exception):
    """Root of the errors that leave something to another delivery; the log says what."""


class ExaminationError(RetryError):
    """An input could not be examined, and neither ledger nor bucket is to blame."""


class WakeError(RetryError):
    """Not every job that waited for a file could be resumed."""


class SweepError(RetryError):
    """A pass could not finish everything that it found."""


class ComparisonError(RetryError):
    """A comparison could not take in everything that it found lost."""
