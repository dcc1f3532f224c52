"""Files on this machine as the objects that they will be, and the check of inputs among them."""

import os
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from inputs.alignments import unaligned
from inputs.caveats import affinity_caveats
from inputs.examine import Accepted, Examiner, Rules, is_reference
from inputs.read import INPUT_SUFFIXES, references
from inputs.sidecars import beside
from schemas.failure import Code, Failure
from schemas.job import MAX_NAME_BYTES, Source
from schemas.storage import ObjectHead, ObjectTooLargeError
from schemas.upload import why_ignored


@dataclass(frozen=True)
class LocalFile:
    """A file and the name of its object; ``named`` says whether a person named it, not only its folder."""

    path: Path
    name: str
    named: bool = False

    @property
    def is_reference(self) -> bool:
        """Whether it is a file that inputs refer to."""
        return is_reference(self.name)

    @property
    def is_input(self) -> bool:
        """Whether its suffix is that of an input."""
        return self.path.suffix.lower() in INPUT_SUFFIXES

    def beside(self, reference: str) -> "LocalFile":
        """Return the file that this input refers to."""
        return LocalFile(self.path.parent / reference, beside(self.name, reference))


@dataclass(frozen=True)
class Checked:
    """A checked input: its failures, or the files that it refers to, present and missing.

    ``unaligned`` are the sequences of its proteins that name no MSA, ``caveats`` sentences on its result.
    """

    file: LocalFile
    failures: tuple[Failure, ...] = ()
    references: tuple[LocalFile, ...] = ()
    missing: tuple[str, ...] = ()
    unaligned: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()


def found(paths: Iterable[Path], to: str | None) -> list[LocalFile]:
    """Return the files under paths, by name.

    A folder's files keep their names in it, under ``to`` or else the folder's own name. Hidden files are left
    out. Raises click.UsageError for two files of one name, a name that no object can have, and for no file.
    """
    given = list(paths)
    files = [file for path in given for file in _under(path, to)]
    for file in files:
        _refuse_unnamable(file)
    names: dict[str, Path] = {}
    for file in files:
        if names.setdefault(file.name, file.path) != file.path:
            raise click.UsageError(f"{names[file.name]} and {file.path} would both be {file.name}: drop one.")
    if not files:
        raise click.UsageError(f"No file is there to take: {', '.join(map(str, given))}.")
    return sorted({file.name: file for file in files}.values(), key=lambda file: file.name)


def check(file: LocalFile, metadata: dict[str, str], rules: Rules) -> Checked:
    """Return an input, checked as the intake will check it."""
    try:
        return _check(file, metadata, rules)
    except OSError as error:
        return Checked(file, (_unreadable(file, error),))


def _check(file: LocalFile, metadata: dict[str, str], rules: Rules) -> Checked:
    if too_long := _too_long(file.name):
        return Checked(file, (too_long,))
    size, now = file.path.stat().st_size, datetime.now(UTC)
    source = Source(bucket="", name=file.name, generation=0, size=size, time=now, metadata=metadata)
    answer = Examiner(_Beside(file), rules).examine(source)
    if not isinstance(answer, Accepted):
        return Checked(file, answer)
    document = answer.document
    there = (file.beside(name) for name in references(document))
    present = tuple(other for other in there if other.name not in answer.missing)
    return Checked(
        file,
        references=present,
        missing=answer.missing,
        unaligned=unaligned(document),
        caveats=tuple(affinity_caveats(document)),
    )


def to_align(inputs: Iterable[Checked], host: str) -> str:
    """Return in words how many sequences of how many files go to an MSA server; empty for none."""
    files = [checked.unaligned for checked in inputs if checked.unaligned]
    if not files:
        return ""
    sequences = len({sequence for unaligned in files for sequence in unaligned})
    of = f"{sequences} sequence{_s(sequences)} of {len(files)} file{_s(len(files))}"
    goes = "goes" if sequences == 1 else "go"
    return f"{of} {goes} to {host} for alignment, but for what was aligned before."


def _s(count: int) -> str:
    return "" if count == 1 else "s"


@dataclass(frozen=True)
class _Beside:
    """Implements inputs.examine.Uploads with the folder that an input lies in."""

    file: LocalFile

    def read(self, name: str, generation: int, limit: int) -> bytes:
        """Return the content of an object's file. Raises ObjectTooLargeError, OSError."""
        with self._path(name).open("rb") as opened:
            content = opened.read(limit + 1)
        if len(content) > limit:
            raise ObjectTooLargeError(f"{name} (generation {generation}) has over {limit:,} bytes.")
        return content

    def head(self, name: str, most: int) -> ObjectHead | None:
        """Return a look at the file of an object's name, or None if it is missing. Raises OSError."""
        path = self._path(name)
        if not path.is_file():
            return None
        with path.open("rb") as opened:
            beginning, size = opened.read(most), os.fstat(opened.fileno()).st_size
        return ObjectHead(size, beginning, whole=len(beginning) == size)

    def _path(self, name: str) -> Path:
        folder = posixpath.dirname(self.file.name)
        own = name == self.file.name
        return self.file.path if own else self.file.path.parent / posixpath.relpath(name, folder or ".")


def _under(path: Path, to: str | None) -> Iterator[LocalFile]:
    if not path.is_dir():
        yield LocalFile(path, f"{_folder(to)}{path.name}", named=True)
        return
    top = _folder(path.resolve().name if to is None else to)
    for folder, _, names in os.walk(path):
        for name in names:
            file = Path(folder, name)
            relative = file.relative_to(path).as_posix()
            if not why_ignored(f"{top}{relative}"):
                yield LocalFile(file, f"{top}{relative}")


def _refuse_unnamable(file: LocalFile) -> None:
    try:
        file.name.encode()
    except UnicodeEncodeError as error:
        shown = file.name.encode(errors="replace").decode()
        raise click.UsageError(f"{shown} is no UTF-8, which names of objects are: rename it.") from error
    if why := why_ignored(file.name):
        raise click.UsageError(f"{file.path} is a {why}, which the intake ignores: rename it.")


def _folder(name: str | None) -> str:
    return f"{name.rstrip('/')}/" if name and name.strip("/") else ""


def _too_long(name: str) -> Failure | None:
    size = len(name.encode())
    if size <= MAX_NAME_BYTES:
        return None
    return Failure(
        code=Code.INVALID_INPUT,
        message=f"{name} would be an object name of {size} bytes; Cloud Storage takes {MAX_NAME_BYTES}.",
        remedy="Shorten the names of file and folders, or name another folder with --to.",
    )


def _unreadable(file: LocalFile, error: OSError) -> Failure:
    return Failure(
        code=Code.INVALID_INPUT,
        message=f"{error.filename or file.path} cannot be read: {error.strerror or error}.",
        remedy="Make it a file that you may read.",
    )
