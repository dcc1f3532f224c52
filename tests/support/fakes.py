"""In-memory implementations of our own Protocols: real ones, through the same codecs, without a network."""

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import Any

from inputs.examine import Rules
from jobs.document import decode, decode_or_log, encode, state_of
from jobs.ledger import NEWEST, AlreadyRecordedError, ConflictError
from jobs.settle import Settler
from schemas.job import UNFINISHED, Effect, Job, Output, Revision, Source, State
from schemas.messages import Message
from schemas.storage import ContentDiffersError, ObjectGoneError, ObjectHead, ObjectTooLargeError
from support.checksum import crc32c

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def a_source(name: str = "run42/foo.yaml", **changes: object) -> Source:
    return Source(bucket="in", name=name, generation=7, size=10, time=NOW).model_copy(update=changes)


def a_job(state: State = State.QUEUED, **changes: object) -> Job:
    job = Job(
        job_id="0123456789abcdef",
        source=a_source(),
        batch="run42",
        state=state,
        created_at=NOW,
        updated_at=NOW,
        trace="4bf92f3577b34da6a3ce929d0e0e4736",
        output_prefix="run42/foo/0123456789abcdef/",
    )
    return job.evolve(**changes)


Document = dict[str, Any]


@dataclass
class MemoryLedger:
    """Implements jobs.ledger.Ledger with documents like Firestore's; counts revisions. Threads may share it.

    ``page`` is the most that a search brings.
    """

    documents: dict[str, tuple[int, Document]] = field(default_factory=dict)
    writes: int = 0
    page: int = 200
    _revisions: "itertools.count[int]" = field(default_factory=itertools.count)
    _writing: Lock = field(default_factory=Lock, repr=False)

    def create(self, job: Job) -> Job:
        with self._writing:
            if job.job_id in self.documents:
                raise AlreadyRecordedError(job.job_id)
            return self._write(job, {})

    def get(self, job_id: str) -> Job | None:
        if job_id not in self.documents:
            return None
        revision, document = self.documents[job_id]
        return decode(job_id, document, revision)

    def replace(self, job: Job) -> Job:
        with self._writing:
            revision, document = self.documents.get(job.job_id, (None, {}))
            if revision is None or revision != job.revision.mark:
                raise ConflictError(job.job_id)
            return self._write(job, document)

    def put(self, document: Document) -> None:
        """Store a document as another release, or a person, may have written it."""
        self.documents[document["job_id"]] = (next(self._revisions), document)

    def count(self, state: State, most: int) -> int:
        return min(most, len(self._matching(lambda stored: stored["state"] == state)))

    def succeeded_as(self, fingerprint: str) -> Job | None:
        return next(iter(self._find(lambda stored: stored["fingerprint"] == fingerprint)), None)

    def count_as(self, fingerprint: str, most: int) -> int:
        return min(most, len(self._matching(lambda stored: stored["fingerprint"] == fingerprint)))

    def waits(self, name: str) -> bool:
        return bool(self._behind("", _waits_for(name)))

    def waiting_for(self, name: str, after: str = "") -> Iterator[Job]:
        return self._paged(after, _waits_for(name))

    def aligning(self) -> Iterator[Job]:
        yield from sorted(
            self._find(lambda stored: stored["state"] == State.ALIGNING), key=lambda job: job.updated_at
        )

    def aligning_for(self, name: str) -> Iterator[Job]:
        return self._paged("", lambda stored: name in stored["aligns"])

    def generations(self, bucket: str, name: str) -> Sequence[Job]:
        found = self._find(
            lambda stored: (stored["source"]["bucket"], stored["source"]["name"]) == (bucket, name)
        )
        return sorted(found, key=lambda job: -job.source.generation)[:NEWEST]

    def unfinished(self, bucket: str, prefix: str) -> Sequence[Job]:
        return self.under(bucket, prefix, UNFINISHED, len(self.documents))

    def under(self, bucket: str, prefix: str, states: Iterable[State], most: int) -> Sequence[Job]:
        found = self._find(_under(bucket, prefix, states))
        return sorted(found, key=lambda job: job.source.name)[:most]

    def count_under(self, bucket: str, prefix: str, states: Iterable[State]) -> int:
        return len(self._matching(_under(bucket, prefix, states)))

    def states(self, job_ids: Sequence[str]) -> Mapping[str, State | None]:
        return {each: state_of(self.documents[each][1]) for each in job_ids if each in self.documents}

    def verdicts(self, job_ids: Sequence[str]) -> Mapping[str, str]:
        found = {each: self.documents[each][1].get("checks") for each in job_ids if each in self.documents}
        return {each: checks["verdict"] for each, checks in found.items() if checks}

    def count_unfinished(self, bucket: str, prefix: str, most: int) -> int:
        return min(most, self.count_under(bucket, prefix, UNFINISHED))

    def unknown(self, job_ids: Sequence[str]) -> set[str]:
        return {job_id for job_id in job_ids if job_id not in self.documents}

    def waiting(self) -> Iterator[Job]:
        return self._paged("", lambda stored: stored["state"] == State.WAITING)

    def unsettled(self, before: datetime) -> Sequence[Job]:
        return self._in_turn(
            lambda stored: Effect.EVENT in stored["pending"] and stored["updated_at"] < before
        )

    def unserved(self, before: datetime) -> Sequence[Job]:
        return self._in_turn(lambda stored: stored["state"] == State.QUEUED and stored["updated_at"] < before)

    def newest_running(self) -> Job | None:
        running = self._find(lambda stored: stored["state"] == State.RUNNING)
        return max(running, key=lambda job: job.created_at, default=None)

    def last_ended(self, since: datetime) -> Job | None:
        ended = [state for state in State if state.terminal]
        return next(iter(self._last(ended, since)), None)

    def longest_queued(self) -> Job | None:
        return next(iter(self._in_turn(lambda stored: stored["state"] == State.QUEUED)), None)

    def predicted(self, since: datetime, most: int) -> Sequence[Job]:
        return self._last([State.SUCCEEDED, State.FAILED], since)[:most]

    def lapsed(self, now: datetime) -> Sequence[Job]:
        return self._find(lambda stored: stored["lease"]["expires_at"] < now)

    def all(self) -> list[Job]:
        return self._find(lambda _stored: True)

    def only(self) -> Job:
        [job] = self.all()
        return job

    def _paged(self, after: str, where: "Where") -> Iterator[Job]:
        """Read page by page, each as it is when it is asked for."""
        while page := self._behind(after, where):
            yield from page
            after = page[-1].job_id

    def _behind(self, job_id: str, where: "Where") -> list[Job]:
        found = self._matching(lambda stored: stored["job_id"] > job_id and where(stored))
        return list(itertools.islice(self._read(sorted(found)), self.page))

    def _in_turn(self, where: "Where") -> list[Job]:
        return sorted(self._find(where), key=lambda job: job.updated_at)[: self.page]

    def _last(self, states: Collection[State], since: datetime) -> list[Job]:
        found = self._find(lambda stored: stored["state"] in states and stored["updated_at"] > since)
        return sorted(found, key=lambda job: job.updated_at, reverse=True)

    def _find(self, where: "Where") -> list[Job]:
        return list(self._read(self._matching(where)))

    def _read(self, job_ids: Iterable[str]) -> Iterator[Job]:
        """Read documents as a search does, one after the other."""
        stored = ((job_id, *self.documents[job_id]) for job_id in job_ids)
        read = (decode_or_log(job_id, document, mark) for job_id, mark, document in stored)
        return (job for job in read if job)

    def _matching(self, where: "Where") -> dict[str, tuple[int, Document]]:
        return {name: each for name, each in list(self.documents.items()) if _holds(where, each[1])}

    def _write(self, job: Job, over: Document) -> Job:
        revision, document = next(self._revisions), {**over, **as_stored(encode(job))}
        self.documents[job.job_id] = (revision, document)
        self.writes += 1
        return job.evolve(revision=Revision(revision, document))


@dataclass
class BusyLedger(MemoryLedger):
    """Somebody else writes a job right before it is first replaced by what is in a state."""

    into: State = State.RUNNING
    meanwhile: Callable[[Job], Job] = lambda job: job
    busy: bool = True

    def replace(self, job: Job) -> Job:
        known = self.get(job.job_id)
        if self.busy and known and job.state is self.into:
            self.busy = False
            super().replace(self.meanwhile(known))
        return super().replace(job)


Where = Callable[[Document], bool]


def _holds(where: Where, stored: Document) -> bool:
    """Tell whether a document has the fields, and they the values, that a search asks for."""
    try:
        return where(stored)
    except (KeyError, TypeError):
        return False


def _waits_for(name: str) -> Where:
    return lambda stored: name in stored["waits_for"]


def _under(bucket: str, prefix: str, states: Iterable[State]) -> Where:
    wanted = list(states)
    return lambda stored: (
        stored["source"]["bucket"] == bucket
        and stored["source"]["name"].startswith(prefix)
        and stored["state"] in wanted
    )


def as_stored(value: Any) -> Any:  # noqa: ANN401  whatever a document holds
    """Return a value as Firestore gives it back."""
    match value:
        case Mapping():
            return {name: as_stored(inner) for name, inner in value.items()}
        case list() | tuple():
            return [as_stored(inner) for inner in value]
        case str():
            return str(value)
    return value


@dataclass
class MemoryBucket:
    """Implements what the stages ask of a bucket; one generation per name is kept, all of one age."""

    name: str = "bucket"
    uploaded_at: datetime = field(default_factory=lambda: datetime.now(UTC), kw_only=True)
    objects: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    metadata: dict[str, Mapping[str, str]] = field(default_factory=dict)
    _writing: Lock = field(default_factory=Lock, repr=False)

    def put(self, name: str, body: bytes, generation: int = 7) -> None:
        self.objects[name] = (generation, body)

    def read(self, name: str, generation: int | None, limit: int) -> bytes:
        there = self.objects.get(name)
        if there is None or generation not in {there[0], None}:
            raise ObjectGoneError(name)
        if len(there[1]) > limit:
            raise ObjectTooLargeError(name)
        return there[1]

    def head(self, name: str, most: int) -> ObjectHead | None:
        if name not in self.objects:
            return None
        body = self.objects[name][1]
        return ObjectHead(len(body), body[:most], whole=len(body) <= most)

    def generation(self, name: str) -> int | None:
        return self.objects[name][0] if name in self.objects else None

    def source(self, name: str) -> Source | None:
        if name not in self.objects:
            return None
        generation, body = self.objects[name]
        return Source(
            bucket=self.name,
            name=name,
            generation=generation,
            size=len(body),
            crc32c=self._output(name).crc32c,
            time=self.uploaded_at,
            metadata=self.metadata.get(name, {}),
        )

    def listed(self, prefix: str = "") -> Iterator[Source]:
        for name in sorted(self.objects):
            if name.startswith(prefix) and (source := self.source(name)):
                yield source

    def listed_from(self, name: str) -> Iterator[Source]:
        listed = list(self.listed())
        yield from (source for source in listed if source.name >= name)
        yield from (source for source in listed if source.name < name)

    def drop(
        self, path: Path, name: str, metadata: Mapping[str, str], if_generation: int = 0
    ) -> Source | None:
        with self._writing:
            if (self.generation(name) or 0) != if_generation:
                return None
            self.put(name, path.read_bytes(), if_generation + 1)
            self.metadata[name] = dict(metadata)
            return self.source(name)

    def download(self, name: str, to: Path, limit: int) -> int:
        if name not in self.objects:
            raise ObjectGoneError(name)
        generation, body = self.objects[name]
        if len(body) > limit:
            raise ObjectTooLargeError(name)
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(body)
        return generation

    def create(self, name: str, body: bytes, content_type: str) -> None:
        assert content_type
        self.objects.setdefault(name, (1, body))

    def named(self, prefix: str, ending: str) -> Iterator[str]:
        yield from sorted(name for name in self.objects if name.startswith(prefix) and name.endswith(ending))

    def replace(self, name: str, body: bytes, content_type: str, if_generation: int) -> None:
        assert content_type
        if (self.generation(name) or 0) != if_generation:
            raise ContentDiffersError(name)
        self.put(name, body, if_generation + 1)

    def upload(self, path: Path, name: str, content_type: str, if_generation: int = 0) -> Output:
        assert content_type
        if (self.generation(name) or 0) == if_generation:
            self.put(name, path.read_bytes(), if_generation + 1)
        elif self.objects[name][1] != path.read_bytes():
            raise ContentDiffersError(name)
        return self._output(name)

    def copy(self, output: Output, name: str) -> Output:
        if output.name not in self.objects:
            raise ObjectGoneError(output.name)
        self.objects.setdefault(name, self.objects[output.name])
        made = self._output(name)
        if made.crc32c != output.crc32c:
            raise ContentDiffersError(name)
        return made

    def _output(self, name: str) -> Output:
        body = self.objects[name][1]
        return Output(name=name, size=len(body), crc32c=crc32c(body))


@dataclass
class CountingBucket(MemoryBucket):
    """Counts how often somebody looked whether an object is there, and at how much of it at most."""

    looks: int = 0
    most: int = 0

    def head(self, name: str, most: int) -> ObjectHead | None:
        self.looks, self.most = self.looks + 1, max(self.most, most)
        return super().head(name, most)


@dataclass
class TroubledBucket(MemoryBucket):
    """Has objects that cannot be read, each with what is raised instead."""

    unreadable: Mapping[str, Exception] = field(default_factory=dict)

    def read(self, name: str, generation: int | None, limit: int) -> bytes:
        if name in self.unreadable:
            raise self.unreadable[name]
        return super().read(name, generation, limit)


@dataclass
class MemoryTopic:
    """Implements jobs.settle.Topic."""

    messages: list[Message] = field(default_factory=list)

    def publish(self, message: Message) -> None:
        self.messages.append(message)


@dataclass
class RefusingOnce(MemoryTopic):
    """Refuses the first message, as an outage does."""

    refused: bool = False

    def publish(self, message: Message) -> None:
        if not self.refused:
            self.refused = True
            raise ConnectionError(message.attributes["ce-id"])
        super().publish(message)


@dataclass
class MemoryDelivery:
    """Implements worker.drain.Delivery."""

    data: bytes
    attributes: Mapping[str, str]
    answers: list[str] = field(default_factory=list)
    attempt: int = 1

    def ack(self) -> None:
        self.answers.append("ack")

    def nack(self) -> None:
        self.answers.append("nack")


@dataclass
class Outside:
    """Everything a settler reaches, in memory."""

    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    results: MemoryBucket = field(default_factory=lambda: MemoryBucket("out"))
    requests: MemoryTopic = field(default_factory=MemoryTopic)
    completions: MemoryTopic = field(default_factory=MemoryTopic)

    @property
    def settler(self) -> Settler:
        return Settler(self.ledger, self.results, self.requests, self.completions)


@dataclass
class MemoryCloud(Outside):
    """A project as the command sees it, in memory; ``alive`` is how many workers are."""

    inputs: MemoryBucket = field(default_factory=lambda: MemoryBucket("in"))
    rules: Rules = field(default_factory=Rules)
    alive: int | None = None
    settings: SimpleNamespace = field(
        default_factory=lambda: SimpleNamespace(input_bucket="in", output_bucket="out", msa_server=None)
    )
    alignments: MemoryBucket = field(default_factory=lambda: MemoryBucket("alignments"))

    @property
    def outputs(self) -> MemoryBucket:
        return self.results

    def workers(self) -> int | None:
        return self.alive

    @contextmanager
    def following(self, pattern: str) -> Iterator[Iterator[MemoryDelivery | None]]:
        self.patterns = [pattern]
        yield (MemoryDelivery(message.data, message.attributes) for message in self.completions.messages)
