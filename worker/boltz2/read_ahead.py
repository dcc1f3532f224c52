"""Reading of the weights into the page cache while Python imports: a cold start waits for the disk once."""

import os
from pathlib import Path

PIECE = 1 << 20  # one call over a whole file does nothing


def read_ahead(folder: Path, pattern: str) -> None:
    """Ask for all files that match, in the background. Missing ones are somebody else's to report.

    In a process of its own: one with threads cannot be forked well, and the caller's still has to be.
    """
    if not os.fork():
        try:
            _ask(folder, pattern)
        finally:
            os._exit(0)


def _ask(folder: Path, pattern: str) -> None:
    for path in folder.glob(pattern):
        with path.open("rb") as file:
            for offset in range(0, path.stat().st_size, PIECE):
                os.posix_fadvise(file.fileno(), offset, PIECE, os.POSIX_FADV_WILLNEED)
