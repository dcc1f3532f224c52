"""The functions of a stack, forked from one import; functions-framework serves each in a process of its own.

Google's clients take a second of a processor to import, and there are half a dozen functions.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Never, Self

from functions_framework import create_app
from functions_framework._http import create_server, gunicorn  # noqa: F401  it is imported late otherwise

import functions.main  # noqa: F401  what any source of functions needs, imported before the fork
from local.processes import tail


class Function(NamedTuple):
    """One function: its name in the source, its signature, its TCP port on 127.0.0.1."""

    name: str
    signature: str
    port: int

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the function of ``NAME:SIGNATURE:PORT``."""
        name, signature, port = text.split(":")
        return cls(name, signature, int(port))


def main(argv: Sequence[str] | None = None) -> int:
    """Serve all functions until SIGTERM, or until one ends; return the exit status."""
    options = _parser().parse_args(argv)
    functions = {_forked(each, options.source, options.log_dir): each for each in options.function}
    return _status(functions, options.log_dir)


def _parser() -> argparse.ArgumentParser:
    summary = __doc__.splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m local.functions", description=summary)
    parser.add_argument("--source", required=True, help="file of the functions")
    parser.add_argument("--log-dir", type=Path, required=True, help="one file per function")
    parser.add_argument("--function", type=Function.of, action="append", metavar="NAME:SIGNATURE:PORT")
    return parser


def _forked(function: Function, source: str, log_dir: Path) -> int:
    """Serve a function in a new process; return its id."""
    process = os.fork()
    if not process:
        _serve(function, source, log_dir)
    return process


def _serve(function: Function, source: str, log_dir: Path) -> Never:
    with _log(function.name, log_dir).open("ab") as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
    app = create_app(function.name, source, function.signature)  # type: ignore[no-untyped-call]
    create_server(app, debug=False).run("127.0.0.1", function.port)  # type: ignore[no-untyped-call]
    sys.exit()


def _status(functions: dict[int, Function], log_dir: Path) -> int:
    """Wait for the end of all, after SIGTERM or the end of one; return the exit status."""
    asked = False

    def end(*_: object) -> None:
        nonlocal asked
        asked = True
        for process in functions:
            os.kill(process, signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    failed = False
    while functions:
        process, _ = os.wait()
        name = functions.pop(process).name
        if not asked:
            failed = True
            print(f"{name} ended: {tail(_log(name, log_dir))[-1]}", flush=True)
            end()
    return int(failed)


def _log(name: str, log_dir: Path) -> Path:
    return log_dir / f"{name}.log"


if __name__ == "__main__":
    sys.exit(main())
