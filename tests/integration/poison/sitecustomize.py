"""A machine on which one input kills the process that predicts it, as a driver's crash would.

Python imports a module of this name at every start, and a test puts this folder on a worker's PYTHONPATH. The
product's code stays as it is: the process is killed when the model opens the features of the job that
POISONED_JOB names, which only happens in that job's turn on the device. With a small model on a CPU no input
kills its process by itself.
"""

import os
import signal
import sys

_JOB = os.environ["POISONED_JOB"]


def _kill(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _is_read_by_the_model(str(arguments[0]), arguments[1]):
        os.kill(os.getpid(), signal.SIGKILL)


def _is_read_by_the_model(path: str, mode: object) -> bool:
    return path.endswith("/features.pt") and _JOB in path and mode == "r"


sys.addaudithook(_kill)
