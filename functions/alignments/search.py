"""Search for what a job lacks, and keep it; a server that cannot be used rests, and a search that fails."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from functions.alignments.kept import Kept
from functions.alignments.server import (
    AlignmentError,
    InTime,
    RefusedError,
    SearchFailedError,
    Server,
    TroubleError,
)
from inputs.alignments import in_one

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 10.0, 600.0
"""How long a server that has trouble is left alone: at first, unless settings say otherwise, and at most."""

MAX_DOUBLINGS = 20
"""Times that the pause is doubled; by then it is the longest, and a figure that a float holds."""

MAX_FAILURES, RETRY_SECONDS = 3, 60.0
"""Times that a search may fail before its job does, and the pause between two, unless settings differ."""

MAX_LETTERS = 4000
"""Letters of one question, or one sequence: an answer has up to 32,768 rows as long as these."""


LONGEST_SEARCH_SECONDS = 65 * 60.0
"""Time after which a search that goes on is trouble that people hear of: servers end theirs after an hour."""

ENDLESS = "a search that does not end"


class OutOfTimeError(Exception):
    """The pass has to end before the search does; the next one finds the same ticket."""


@dataclass
class Rest:
    """Failures in a row, the last reason, until when (``time.monotonic``) it is left alone."""

    times: int = 0
    reason: str = ""
    until: float = 0.0

    def note(self, reason: str, seconds: float) -> None:
        """Count a failure, and rest for so long."""
        self.times, self.reason, self.until = self.times + 1, reason, time.monotonic() + seconds


@dataclass
class Search:
    """Searches of one server. Belongs to one thread.

    ``first_pause`` is how long the server is left alone at first, ``retry`` the pause after a failed search.
    """

    kept: Kept
    server: Server
    first_pause: float = FIRST_PAUSE_SECONDS
    retry: float = RETRY_SECONDS
    trouble: Rest = field(default_factory=Rest)
    _failed: dict[tuple[str, ...], Rest] = field(default_factory=dict)
    _unfinished: dict[tuple[str, ...], float] = field(default_factory=dict)
    """Searches that outlasted a pass, since when (``time.monotonic``)."""

    def rests(self, names: tuple[str, ...]) -> bool:
        """Return whether the server is left alone, or the search for these alignments."""
        return time.monotonic() < max(self.trouble.until, self._failed.get(names, Rest()).until)

    def make(self, sequences: Sequence[str], names: tuple[str, ...], in_time: InTime) -> None:
        """Search for the alignments of these names, among those of the sequences, and keep them.

        One that outlasted a pass is looked at and not waited for: it holds up nobody else. Raises
        AlignmentError, which says whether it is final, and OutOfTimeError; TroubleError for a search that
        goes on and on: the server is not left alone for it, since others are answered.
        """
        try:
            self._make(sequences, names, _never if names in self._unfinished else in_time)
        except OutOfTimeError:
            began = self._unfinished.setdefault(names, time.monotonic())
            if time.monotonic() - began > LONGEST_SEARCH_SECONDS:
                raise TroubleError(ENDLESS) from None
            raise
        except TroubleError as error:
            doubled = self.first_pause * 2 ** min(self.trouble.times, MAX_DOUBLINGS)
            pause = min(doubled, LONGEST_PAUSE_SECONDS)
            self.trouble.note(str(error), max(pause, error.seconds))
            raise
        except AlignmentError as error:
            self.trouble = Rest()
            self._unfinished.pop(names, None)
            self._note(names, error)
            raise
        self.trouble = Rest()
        self._unfinished.pop(names, None)
        self._failed.pop(names, None)

    def last_answer(self, names: tuple[str, ...]) -> str:
        """Return the server's last answer to the search for these alignments, or to all; "" for none."""
        of_the_search = self._failed.get(names, Rest()).reason or (
            ENDLESS if names in self._unfinished else ""
        )
        return self.trouble.reason or of_the_search

    def _note(self, names: tuple[str, ...], error: AlignmentError) -> None:
        """Count a failed search, and say on the error whether it was the last."""
        failed = self._failed.setdefault(names, Rest())
        failed.note(str(error), self.retry)
        error.final = isinstance(error, RefusedError) or failed.times >= MAX_FAILURES
        if error.final:
            del self._failed[names]

    def _make(self, sequences: Sequence[str], names: tuple[str, ...], in_time: InTime) -> None:
        needed = self.kept.server.needed(sequences)
        both = zip(needed.unpaired, sequences, strict=True)
        self._make_unpaired({name: each for name, each in both if name in names}, in_time)
        if needed.paired and needed.paired in names:
            paired = self.server.paired(sequences, in_time)
            self._keep([needed.paired], paired and [in_one(paired)])

    def _make_unpaired(self, missing: Mapping[str, str], in_time: InTime) -> None:
        """Ask for several at once, as Boltz does; where that fails, for each alone, to find the culprit."""
        for some in _in_parts(missing):
            self._make_some(some, in_time)

    def _make_some(self, missing: Mapping[str, str], in_time: InTime) -> None:
        try:
            self._keep(list(missing), self.server.unpaired(list(missing.values()), in_time))
        except (SearchFailedError, RefusedError):
            for name, sequence in missing.items():
                self._make_alone(name, sequence, in_time)

    def _make_alone(self, name: str, sequence: str, in_time: InTime) -> None:
        try:
            self._keep([name], self.server.unpaired([sequence], in_time))
        except (SearchFailedError, RefusedError) as error:
            error.sequence = sequence
            raise

    def _keep(self, names: Sequence[str], alignments: Sequence[str] | None) -> None:
        if alignments is None:
            raise OutOfTimeError
        for name, alignment in zip(names, alignments, strict=True):
            self.kept.put(name, alignment)


def _never() -> bool:
    return False


def _in_parts(missing: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield sequences by name in questions of bounded length: what is answered is held in memory."""
    part: dict[str, str] = {}
    for name, sequence in missing.items():
        if part and sum(map(len, part.values())) + len(sequence) > MAX_LETTERS:
            yield part
            part = {}
        part[name] = sequence
    if part:
        yield part
