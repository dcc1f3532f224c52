"""Where files of jobs in flight lie: a folder that this process can write to."""

import logging
import tempfile
from pathlib import Path

FALL_BACK = Path("/tmp/dropfold")  # noqa: S108  Cloud Run's only writable folder, private to the task

logger = logging.getLogger(__name__)


def writable(folder: Path) -> Path:
    """Return the folder, made if need be; where nothing can be written there, FALL_BACK, and log it.

    A volume that is mounted there may belong to somebody else, and then each job would fail. Raises OSError
    where FALL_BACK cannot be written to either.
    """
    try:
        return _proved(folder)
    except OSError as error:
        logger.critical(
            "WORK_DIR=%s: nothing can be written there (%s), going on in %s: have it belong to this user, "
            "or name another folder",
            folder,
            error,
            FALL_BACK,
            extra={"action": "work_dir.refused"},
        )
        return _proved(FALL_BACK)


def _proved(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        return folder
