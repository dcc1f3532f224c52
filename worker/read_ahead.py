"""Have the kernel read the weights while Python imports: a cold start waits for the disk only once."""

import os
import threading
from pathlib import Path

PIECE = 1 << 20  # one call over a whole file does nothing


def read_ahead(folder: Path, pattern: str) -> None:
    """Ask for all files that match, in the background. Missing ones are somebody else's to report."""
    threading.Thread(target=_ask, args=(folder, pattern), name="read-ahead", daemon=True).start()


def _ask(folder: Path, pattern: str) -> None:
    for path in folder.glob(pattern):
        with path.open("rb") as file:
            for offset in range(0, path.stat().st_size, PIECE):
                os.posix_fadvise(file.fileno(), offset, PIECE, os.POSIX_FADV_WILLNEED)
