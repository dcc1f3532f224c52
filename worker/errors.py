"""Errors that end the worker, or its part in a job. What is wrong with a job itself is a FailedError."""


class WorkerError(Exception):
    """Root of the errors that say why this process does not go on with a job."""


class DeviceLostError(WorkerError):
    """The device hangs or has failed; this process is not to be trusted with another input."""


class LeaseLostError(WorkerError):
    """Someone else decides about this job now; the result is thrown away."""


class TooLateError(WorkerError):
    """The process will not be there for long enough to end this job: another one is to take it."""


class UnalignedError(WorkerError):
    """Alignments that a job needs are gone: ``names`` are their objects."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(", ".join(names))
        self.names = names


class ShutdownRequestedError(BaseException):
    """The process has to leave. Not an Exception, so that nothing on the way swallows it."""


class StoppedError(BaseException):
    """The children were stopped under a call. Not an Exception: it is no failure of what was asked for."""
