"""The files that a result was computed from, laid down to be computed once more."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from dropfold import download
from dropfold.files import LocalFile
from dropfold.metadata import metadata
from dropfold.replay import made_alignments
from inputs.read import MAX_INPUT_BYTES, BoltzInput, InvalidInputError, read_input, references
from inputs.sidecars import beside
from inputs.suffixes import kind
from schemas.checksum import sha256
from schemas.outputs import INPUTS
from schemas.receipt import Receipt
from schemas.storage import ObjectGoneError, ObjectTooLargeError, ObjectUnreadableError

FOLDER = "replay"
"""Folder of the input bucket for what is computed again."""


class UnrepeatableError(Exception):
    """A result cannot be computed from the same files again; the message says why, for a person."""


class Inputs(Protocol):
    """The input bucket."""

    name: str

    def download(self, name: str, to: Path, limit: int) -> int:
        """Fetch an object's current generation; return which it was.

        Raises ObjectGoneError, ObjectTooLargeError, ObjectUnreadableError.
        """

    def read(self, name: str, generation: int | None, limit: int) -> bytes:
        """Return a generation of an object. Raises as ``download``."""


class Project(Protocol):
    """The buckets of a project."""

    @property
    def inputs(self) -> Inputs:
        """The input bucket."""

    @property
    def outputs(self) -> download.Objects:
        """The output bucket."""

    @property
    def alignments(self) -> made_alignments.Objects:
        """The bucket of alignments. Raises click.UsageError where none is named."""


@dataclass(frozen=True)
class Repetition:
    """An input as an object of its own, the files that it names beside it, and its options as metadata."""

    input: LocalFile
    references: tuple[LocalFile, ...]
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class Repeater:
    """Lays repetitions into a folder of this machine, each in one of its own, for a folder of the bucket."""

    project: Project
    here: Path
    there: str
    max_tokens: int

    def lay(self, receipt: Receipt) -> Repetition:
        """Lay down an input and its files, the same that the result was computed from.

        Raises UnrepeatableError.
        """
        path = self._input(receipt)
        document = self._document(path)
        files = tuple(self._file(receipt, each) for each in self._references(receipt, document, path.parent))
        asked = receipt.options.model_dump() | {"fresh": True, "batch": self.there}
        return Repetition(self._file(receipt, path), files, metadata(asked))

    def _file(self, receipt: Receipt, path: Path) -> LocalFile:
        folder = self.here / receipt.job_id
        return LocalFile(path, f"{self.there}/{receipt.job_id}/{path.relative_to(folder).as_posix()}")

    def _input(self, receipt: Receipt) -> Path:
        """Fetch the copy of the input that lies beside the result, or else the upload itself."""
        name = PurePosixPath(receipt.source.name)
        copies = (each for each in receipt.outputs if PurePosixPath(each.name).name in INPUTS)
        copy = next(copies, None)
        suffix = PurePosixPath(copy.name).suffix if copy else name.suffix
        path = self.here / receipt.job_id / f"{name.name.removesuffix(name.suffix)}{suffix}"
        path.parent.mkdir(parents=True)
        if copy is None:
            path.write_bytes(self._upload(receipt))
        else:
            fetch = download.Fetch(copy, self.here / "outputs")
            if trouble := download.fetched(self.project.outputs, fetch):
                raise UnrepeatableError(trouble)
            fetch.path.replace(path)
        return path

    def _upload(self, receipt: Receipt) -> bytes:
        source = receipt.source
        try:
            return self.project.inputs.read(source.name, source.generation, MAX_INPUT_BYTES)
        except (ObjectGoneError, ObjectTooLargeError, ObjectUnreadableError) as error:
            what = f"{source.uri}#{source.generation} is gone, and no copy of it lies beside the result."
            raise UnrepeatableError(what) from error

    def _document(self, path: Path) -> BoltzInput:
        try:
            return read_input(path.name, path.read_bytes(), msa_service=True, max_tokens=self.max_tokens)
        except InvalidInputError as error:
            raise UnrepeatableError(f"Its input is refused now: {error.failures[0].message}") from error

    def _references(self, receipt: Receipt, document: BoltzInput, folder: Path) -> Iterator[Path]:
        """Fetch the files that an input names; those that were made for it are made of the same again."""
        try:
            made = made_alignments.lay(lambda: self.project.alignments, receipt.alignments, document, folder)
        except made_alignments.OtherAlignmentError as error:
            raise UnrepeatableError(str(error)) from error
        for name in references(document):
            if name not in made:
                self._fetch(receipt, beside(receipt.source.name, name), folder / name)
            yield folder / name

    def _fetch(self, receipt: Receipt, name: str, path: Path) -> None:
        """Fetch a file of the input bucket. Raises UnrepeatableError unless it is the one that was read."""
        where = f"gs://{self.project.inputs.name}/{name}"
        read = next((file for file in receipt.files if file.name == name), None)
        try:
            generation = self.project.inputs.download(name, path, kind(name).most_bytes)
        except ObjectGoneError as error:
            raise UnrepeatableError(f"{where} is gone.") from error
        except (ObjectTooLargeError, ObjectUnreadableError) as error:
            raise UnrepeatableError(f"{where} is another file now: {error}") from error
        if read and sha256(path) != read.sha256:
            which = f"generation {read.generation} was read, {generation} is there"
            raise UnrepeatableError(f"{where} is another file now: {which}.")
