"""The process that children are forked from, forked itself from this one: nothing is imported twice.

multiprocessing would start its fork server as a second Python, which imports Boltz once more: seconds of a
processor, and half a gigabyte. It has no call for another way, so this sets what its own ``ensure_running``
sets (Lib/multiprocessing/forkserver.py, the same in Python 3.11 and 3.12). Should the server ever die, the
next child is forked from one that multiprocessing starts.
"""

import logging
import os
import signal
import socket
import sys
from importlib import import_module
from multiprocessing import forkserver, resource_tracker, util
from typing import Any, Never

logger = logging.getLogger(__name__)
INHERITED = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
"""Signals that mean to this process what they shall not mean to its children."""


def fork_child_server(*modules: str) -> None:
    """Import what children do, by module, and fork their server; from then on it has to be left alone.

    Call it before a thread, a client of Google's or CUDA is there: a fork has none of them. It does nothing
    where PYTHONHASHSEED=0 is not set: children need it (worker/child_pool.py), and can then not be forks.
    """
    server: Any = forkserver._forkserver
    if sys.flags.hash_randomization or server._forkserver_pid is not None:
        return
    for module in modules:
        import_module(module)
    resource_tracker.ensure_running()
    address = f"{util.get_temp_dir()}/children"
    alive_r, alive_w = os.pipe()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        process = os.fork()
        if not process:
            os.close(alive_w)
            _serve(listener.detach(), alive_r)
    os.close(alive_r)
    server._forkserver_address = address
    server._forkserver_alive_fd = alive_w
    server._forkserver_pid = process


def _serve(listener: int, alive: int) -> Never:
    """Fork children until the last process that can ask for one has gone."""
    for number in INHERITED:
        signal.signal(number, signal.SIG_DFL)
    sys.unraisablehook = sys.__unraisablehook__
    try:
        forkserver.main(listener, alive, [])
    except SystemExit:
        os._exit(0)
    except Exception:
        logger.exception("the server of the child processes failed", extra={"action": "children.failed"})
    finally:
        os._exit(1)
