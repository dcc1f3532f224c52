"""Mend the Pub/Sub emulator 0.8.20, which never learns that a subscriber has left.

Its jar holds two versions of gRPC: when a client cancels a stream or goes away, ``ServerImpl`` calls
``InternalStatus.asRuntimeException``, which the jar's own ``InternalStatus`` lacks. The call dies with
NoSuchMethodError, the stream stays open in the emulator's eyes, and messages go to it and are lost until
their deadline, for every subscriber that ever left. The Firestore emulator's jar has the two classes that
fit; put before the Pub/Sub emulator's on the class path, they mend it. docs/decisions/002 has the evidence.
"""

import os
import tempfile
import zipfile
from pathlib import Path

from local.emulators import MissingError

CLASSES = ("io/grpc/InternalStatus.class", "io/grpc/StatusRuntimeException.class")
CALLED = b"\x00\x12asRuntimeException"  # as the class file spells the method's name: its length first


def class_path(pubsub: Path, firestore: Path, cache: Path) -> str:
    """Return the class path to run the Pub/Sub emulator with; the mended classes are kept in ``cache``.

    Raises MissingError for a damaged jar.
    """
    own, donor = _status(pubsub), _status(firestore)
    if not own or CALLED in own or CALLED not in donor:
        return str(pubsub)
    mended = cache / "pubsub-repair.jar"
    if not mended.exists():
        _write(mended, firestore)
    return os.pathsep.join((str(mended), str(pubsub)))


def _status(jar: Path) -> bytes:
    """Return the class that lacks the method or has it; empty if the jar has no such class."""
    try:
        with zipfile.ZipFile(jar) as archive:
            return archive.read(CLASSES[0]) if CLASSES[0] in archive.namelist() else b""
    except (OSError, zipfile.BadZipFile) as error:
        raise MissingError(
            f"{jar} cannot be read ({error}): remove it to have it fetched again, or reinstall the SDK."
        ) from error


def _write(mended: Path, source: Path) -> None:
    """Write the small jar atomically, since two stacks may start at once."""
    mended.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=mended.parent) as folder:
        unfinished = Path(folder) / mended.name
        with zipfile.ZipFile(source) as archive, zipfile.ZipFile(unfinished, "w") as target:
            for name in CLASSES:
                target.writestr(name, archive.read(name))
        unfinished.replace(mended)
