"""A machine on which inputs kill the process that works on them, or hold it up, as a driver's crash would.

Python imports a module of this name at every start, and a test puts this folder on a worker's PYTHONPATH. The
product's code stays as it is: it happens when a file is opened to be read whose path matches MISCHIEF_KILLS
or MISCHIEF_HOLDS. The worker reads a job's ``generator.pt`` in its turn on the device alone; a child alone
reads the input that is called for the job, to parse it. Who is held goes on when the file is gone that
MISCHIEF_HOLDS_WHILE names, if it is set. With a small model on a CPU no input does such things by itself, and
one that takes long takes another time on each machine.
"""

import os
import re
import signal
import sys
import time

_NOTHING = "(?!)"
_KILLS = re.compile(os.environ.get("MISCHIEF_KILLS", _NOTHING))
_HOLDS = re.compile(os.environ.get("MISCHIEF_HOLDS", _NOTHING))
_WHILE = os.environ.get("MISCHIEF_HOLDS_WHILE", "/")


def _happen(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and arguments[1] == "r":
        path = str(arguments[0])
        if _KILLS.search(path):
            os.kill(os.getpid(), signal.SIGKILL)
        while _HOLDS.search(path) and os.path.exists(_WHILE):  # noqa: PTH110
            time.sleep(0.02)


sys.addaudithook(_happen)
