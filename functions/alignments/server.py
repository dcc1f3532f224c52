"""The seam of MSA servers, and their errors: trouble that passes, a failed search, a refusal."""

from collections.abc import Callable, Sequence
from typing import Protocol

InTime = Callable[[], bool]
"""Whether there is time left to wait for an answer."""


class AlignmentError(Exception):
    """Root of the errors of an MSA server; the message says in words what it did.

    ``sequence`` is the one that is to blame, if it is known; ``final`` whether it is no use to ask again.
    """

    sequence: str | None = None
    final = False


class TroubleError(AlignmentError):
    """The server cannot be used now, whatever the question; it wants to be left alone for ``seconds``."""

    def __init__(self, reason: str, seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.seconds = seconds


class SearchFailedError(AlignmentError):
    """The server failed over this question, or answered another one; asked again it may do better."""


class RefusedError(AlignmentError):
    """The server does not take this question."""


class Server(Protocol):
    """An MSA server."""

    def unpaired(self, sequences: Sequence[str], in_time: InTime) -> list[str] | None:
        """Return an a3m for each sequence, or None where time is over before the search is.

        Asking again goes on with the same search. Raises AlignmentError.
        """

    def paired(self, sequences: Sequence[str], in_time: InTime) -> list[str] | None:
        """Return an a3m for each sequence, equal places of which are one row of the complex, or None."""
