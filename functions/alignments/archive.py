"""The archive that an MSA server answers with: read member by member, within limits, nothing put on disk."""

import io
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import IO

from functions.alignments.server import SearchFailedError
from inputs.alignments import AnswerError, blocks, joined
from inputs.tree import shorten
from schemas.reason import reason

MAX_UNPACKED_BYTES = 1024 * 1024 * 1024
MAX_MEMBERS = 100
MAX_LINE_BYTES = 256 * 1024


def read_archive(archive: IO[bytes], files: Sequence[str], sequences: Sequence[str]) -> list[str]:
    """Return each sequence's a3m from an answer, of which only these files are read.

    Raises SearchFailedError for what is no archive, too large, or an answer to another question.
    """
    try:
        found = dict(_blocks(archive, files, sequences))
        return joined([found[name] for name in files])
    except KeyError as error:
        raise SearchFailedError(f"an archive without {error.args[0]}") from error
    except AnswerError as error:
        raise SearchFailedError(str(error)) from error
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise SearchFailedError(f"a broken archive ({words(reason(error).encode())})") from error


def _blocks(
    archive: IO[bytes], files: Sequence[str], sequences: Sequence[str]
) -> Iterator[tuple[str, list[str]]]:
    with tarfile.open(fileobj=archive, mode="r:gz") as members:
        left = MAX_UNPACKED_BYTES
        for member in islice(members, MAX_MEMBERS):
            left -= member.size
            if left < 0:
                raise AnswerError(f"files of more than {MAX_UNPACKED_BYTES:,} bytes")
            if member.isreg() and member.name in files and (content := members.extractfile(member)):
                yield member.name, blocks(_lines(content), sequences)


def _lines(content: IO[bytes]) -> Iterator[str]:
    text = io.TextIOWrapper(content, encoding="ascii", errors="replace")
    while line := text.readline(MAX_LINE_BYTES):
        if len(line) == MAX_LINE_BYTES:
            raise AnswerError(f"a line of more than {MAX_LINE_BYTES:,} bytes")
        yield line


def words(content: bytes) -> str:
    """Return the beginning of what a server said, in one line of printable characters."""
    text = content[:2000].decode("ascii", errors="replace")
    return shorten(" ".join("".join(c if c.isprintable() else " " for c in text).split()), 200) or "nothing"
