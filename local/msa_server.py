"""An MSA server on a laptop: ColabFold's ticket API over real MMseqs2 and a few hundred proteins.

A ticket is named by its question, so that the same question is the same search. Searches run one after the
other; each is a line of JSON on standard output. No environmental database is there: its file has each query
alone, as a server without hits answers.

The API: https://github.com/soedinglab/MMseqs2-App, of which this has what clients of Boltz and ColabFold ask.
"""

import argparse
import base64
import io
import json
import logging
import re
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha224
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import flask
from werkzeug.serving import make_server

from local import mmseqs, proteins

MAX_QUESTION_BYTES = 1024 * 1024
QUESTION = re.compile(r"(>[0-9]{1,6}\n[A-Za-z]{1,20000}\n?){1,200}")
MODES = {"env", "all", "nofilter", "notemplates", "pairgreedy", "paircomplete"}
ENVIRONMENTAL = "bfd.mgnify30.metaeuk30.smag30.a3m"
PENDING, RUNNING, COMPLETE, ERROR, UNKNOWN = "PENDING", "RUNNING", "COMPLETE", "ERROR", "UNKNOWN"


class Question(NamedTuple):
    """What is asked: paired rows or not, the sequences as FASTA, words of the mode."""

    paired: bool
    text: str
    mode: str

    @property
    def ticket(self) -> str:
        """Its id: the digest of question and mode, as the server of ColabFold has it."""
        return (
            base64.urlsafe_b64encode(sha224((self.text + self.mode).encode()).digest()).decode().rstrip("=")
        )


class Tickets:
    """Searches by their tickets, one at a time."""

    def __init__(self, database: mmseqs.Database) -> None:
        self._database = database
        self._states: dict[str, str] = {}
        self._answers: dict[str, bytes] = {}
        self._asking = Lock()
        self._line = ThreadPoolExecutor(1, thread_name_prefix="search")

    def ask(self, question: Question) -> str:
        """Begin a search, unless it was begun; return its state. One that failed is tried again."""
        with self._asking:
            if self.state(question.ticket) in {UNKNOWN, ERROR}:
                self._states[question.ticket] = PENDING
                self._line.submit(self._search, question)
            return self.state(question.ticket)

    def state(self, ticket: str) -> str:
        """Return a ticket's state."""
        return self._states.get(ticket, UNKNOWN)

    def answer(self, ticket: str) -> bytes | None:
        """Return the archive of a search that is complete."""
        return self._answers.get(ticket)

    @property
    def queued(self) -> int:
        """How many searches are not begun."""
        return list(self._states.values()).count(PENDING)

    def _search(self, question: Question) -> None:
        self._states[question.ticket], started = RUNNING, time.monotonic()
        try:
            self._answers[question.ticket] = searched(self._database, question)
            self._states[question.ticket] = COMPLETE
        except (mmseqs.SearchError, OSError) as error:
            self._states[question.ticket] = ERROR
            print(json.dumps({"failed": str(error)}), file=sys.stderr, flush=True)
        about = {"sequences": question.text.count(">"), "mode": question.mode, "ticket": question.ticket}
        taken = {"seconds": round(time.monotonic() - started, 2), "state": self.state(question.ticket)}
        print(json.dumps({"searched": "pair" if question.paired else "msa"} | about | taken), flush=True)


def searched(database: mmseqs.Database, question: Question) -> bytes:
    """Search, and return the files of the answer as a tar archive, compressed. Raises mmseqs.SearchError."""
    with tempfile.TemporaryDirectory(prefix="msa-") as name, io.BytesIO() as content:
        with tarfile.open(fileobj=content, mode="w:gz") as archive:
            for file, text in _files(database, question, Path(name)):
                member = tarfile.TarInfo(file)
                member.size = len(text)
                archive.addfile(member, io.BytesIO(text))
        return content.getvalue()


def _files(database: mmseqs.Database, question: Question, folder: Path) -> Iterator[tuple[str, bytes]]:
    fasta, words = folder / "question.fasta", question.mode.split("-")
    fasta.write_text(question.text)
    if question.paired:
        yield "pair.a3m", database.paired(fasta, folder, complete="paircomplete" in words).read_bytes()
        return
    yield "uniref.a3m", database.unpaired(fasta, folder).read_bytes()
    if "env" in words:
        yield ENVIRONMENTAL, mmseqs.alone(question.text).encode()


def create(tickets: Tickets) -> flask.Flask:
    """Make the application."""
    app = flask.Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = MAX_QUESTION_BYTES

    @app.post("/ticket/<any(msa, pair):kind>")
    def ask(kind: str) -> flask.typing.ResponseReturnValue:
        text, mode = flask.request.form.get("q", ""), flask.request.form.get("mode", "")
        if not QUESTION.fullmatch(text) or not MODES.issuperset(mode.split("-")):
            return "no sequences, or a mode that is not known", 400
        question = Question(kind == "pair", text, mode)
        return {"id": question.ticket, "status": tickets.ask(question)}

    @app.get("/ticket/<ticket>")
    def state(ticket: str) -> flask.typing.ResponseReturnValue:
        return {"id": ticket, "status": tickets.state(ticket)}

    @app.get("/result/download/<ticket>")
    def download(ticket: str) -> flask.typing.ResponseReturnValue:
        answer = tickets.answer(ticket)
        return (
            flask.Response(answer, mimetype="application/octet-stream") if answer else ("not complete", 400)
        )

    @app.get("/queue")
    def queue() -> flask.typing.ResponseReturnValue:
        return {"queued": tickets.queued}

    return app


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m local.msa_server", description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True, help="port to listen on, on 127.0.0.1")
    parser.add_argument(
        "--cache", type=Path, required=True, help="folder of the database, which is made once"
    )
    options = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # else each look at a ticket is a line
    app = create(Tickets(proteins.database(options.cache)))
    make_server("127.0.0.1", options.port, app, threaded=True).serve_forever()


if __name__ == "__main__":
    main()
