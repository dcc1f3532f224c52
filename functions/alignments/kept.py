"""The alignments that are kept, each an object of a bucket of their own, and the jobs that lack one."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol, Self

from inputs.alignments import MsaServer, unaligned
from inputs.grammar import BoltzInput
from schemas.job import Job
from schemas.storage import ContentDiffersError
from schemas.trouble import TROUBLE, MsaTrouble


class Objects(Protocol):
    """The bucket of alignments."""

    def generation(self, name: str) -> int | None:
        """Return the generation of the object of this name, or None if it is missing."""

    def create(self, name: str, body: bytes, content_type: str) -> None:
        """Write an object unless one of this name exists."""

    def replace(self, name: str, body: bytes, content_type: str, if_generation: int) -> None:
        """Write over this generation, 0 for a new object. Raises ContentDiffersError if it has another."""


class Remembered:
    """The bucket for the time of one pass: what was there is not looked for again."""

    def __init__(self, objects: Objects) -> None:
        self.create, self.replace = objects.create, objects.replace
        self._objects = objects
        self._there: dict[str, int] = {}

    def generation(self, name: str) -> int | None:
        """Return the generation of the object of this name, or None if it is missing."""
        if name not in self._there:
            found = self._objects.generation(name)
            if found is None:
                return None
            self._there[name] = found
        return self._there[name]


@dataclass(frozen=True)
class Kept:
    """Alignments of one server."""

    server: MsaServer
    objects: Objects

    def remembering(self) -> Self:
        """Return the same for one pass, which looks once for what is there."""
        return replace(self, objects=Remembered(self.objects))

    def lacking(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return those of these objects that are missing."""
        return tuple(name for name in names if self.objects.generation(name) is None)

    def asked_for(self, job: Job, document: BoltzInput) -> Job:
        """Return a job with the server of its alignments, and those that are missing."""
        if not (sequences := unaligned(document)):
            return job
        lacking = self.lacking(self.server.needed(sequences).names)
        return job.evolve(aligns=lacking, msa_server=self.server.host)

    def tell(self, trouble: MsaTrouble) -> None:
        """Write down the server's trouble, or, over what was written before, that there is no trouble."""
        name = f"{self.server.prefix}/{TROUBLE}"
        generation = self.objects.generation(name) or 0
        if generation or trouble.since:
            with suppress(ContentDiffersError):  # another instance tells
                body = trouble.model_dump_json().encode()
                self.objects.replace(name, body, "application/json", generation)

    def put(self, name: str, a3m: str) -> None:
        """Keep an alignment."""
        self.objects.create(name, a3m.encode(), "text/plain; charset=us-ascii")
