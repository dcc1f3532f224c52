"""The ledger in Firestore: collection ``jobs``, document id = job id, precondition = last update time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice

from google.api_core.exceptions import AlreadyExists, FailedPrecondition, NotFound
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter

from jobs.document import decode, decode_or_log, encode, state_of
from jobs.ledger import NEWEST, AlreadyRecordedError, ConflictError
from schemas.job import UNFINISHED, Effect, Job, Revision, State

COLLECTION = "jobs"

BATCH = 300
"""Documents that one call looks up."""

LAST = "\U0010ffff"
"""Sorts behind every character, so that a range of names with a prefix can end with it."""

PAGE = 200
"""Most jobs that one search brings; the next sweep brings the rest."""


class FirestoreLedger:
    """Implements jobs.ledger.Ledger with one document write per call and no transactions."""

    def __init__(self, client: firestore.Client) -> None:
        self._client = client
        self._jobs = client.collection(COLLECTION)

    def create(self, job: Job) -> Job:
        """Record a new job. Raises AlreadyRecordedError."""
        document = encode(job)
        try:
            written = self._jobs.document(job.job_id).create(document)
        except AlreadyExists as error:
            raise AlreadyRecordedError(job.job_id) from error
        return job.evolve(revision=Revision(written.update_time, document))

    def get(self, job_id: str) -> Job | None:
        """Read a job, or None. Raises UnreadableJobError."""
        snapshot = self._jobs.document(job_id).get()
        return decode(job_id, snapshot.to_dict(), snapshot.update_time) if snapshot.exists else None

    def replace(self, job: Job) -> Job:
        """Write the job if it has not changed since it was read. Raises ConflictError."""
        unchanged = self._client.write_option(last_update_time=job.revision.mark)
        fields = encode(job)
        try:
            written = self._jobs.document(job.job_id).update(fields, option=unchanged)
        except (FailedPrecondition, NotFound) as error:
            raise ConflictError(job.job_id) from error
        return job.evolve(revision=Revision(written.update_time, {**job.revision.document, **fields}))

    def count(self, state: State, most: int) -> int:
        """Count the jobs in a state, and stop at so many; one read per thousand."""
        return self._count(self._where("state", "==", state.value).limit(most))

    def succeeded_as(self, fingerprint: str) -> Job | None:
        """Return a job that succeeded with this fingerprint, or None."""
        return self._first(self._where("fingerprint", "==", fingerprint))

    def count_as(self, fingerprint: str, most: int) -> int:
        """Count the jobs that succeeded with this fingerprint, and stop at so many; one read per thousand."""
        return self._count(self._where("fingerprint", "==", fingerprint).limit(most))

    def waits(self, name: str) -> bool:
        """Return whether any job waits for an object of this name."""
        return self._first(self._waiting_for(name)) is not None

    def waiting_for(self, name: str, after: str = "") -> Iterator[Job]:
        """Yield the jobs that wait for an object of this name, by their ids, after one; a page per call."""
        query = self._waiting_for(name)
        behind = query.start_after({"__name__": self._jobs.document(after)}) if after else query
        yield from self._read(behind, PAGE)

    def aligning(self) -> Iterator[Job]:
        """Yield the jobs that lack alignments, the longest unchanged first, a page per call."""
        yield from self._read(self._where("state", "==", State.ALIGNING.value).order_by("updated_at"), PAGE)

    def aligning_for(self, name: str) -> Iterator[Job]:
        """Yield the jobs that lack the alignment of this name, by their ids, a page per call."""
        yield from self._read(self._where("aligns", "array_contains", name).order_by("__name__"), PAGE)

    def generations(self, bucket: str, name: str) -> Sequence[Job]:
        """Return the jobs of the newest generations of an object, the newest first; NEWEST at most."""
        named = self._where("source.bucket", "==", bucket).where(
            filter=FieldFilter("source.name", "==", name)
        )
        newest = named.order_by("source.generation", direction=firestore.Query.DESCENDING)
        return self._find(newest, NEWEST)

    def unfinished(self, bucket: str, prefix: str) -> Sequence[Job]:
        """Return the jobs that have not ended, of objects whose names begin with a prefix, by name."""
        return list(self._read(self._under(bucket, prefix, UNFINISHED), PAGE))

    def count_unfinished(self, bucket: str, prefix: str, most: int) -> int:
        """Count the same, and stop at so many; one read per thousand."""
        return self._count(self._under(bucket, prefix, UNFINISHED).limit(most))

    def under(self, bucket: str, prefix: str, states: Iterable[State], most: int) -> Sequence[Job]:
        """Return at most ``most`` jobs in these states, of objects whose names have a prefix, by name."""
        return self._find(self._under(bucket, prefix, states), most)

    def count_under(self, bucket: str, prefix: str, states: Iterable[State]) -> int:
        """Count the jobs in these states, of objects whose names begin with a prefix, all at one moment.

        One read per thousand.
        """
        return self._count(self._under(bucket, prefix, states))

    def states(self, job_ids: Sequence[str]) -> Mapping[str, State | None]:
        """Return the states of those of these ids that a job has, None for an unknown one; a read per id."""
        states: dict[str, State | None] = {}
        for start in range(0, len(job_ids), BATCH):
            asked = [self._jobs.document(job_id) for job_id in job_ids[start : start + BATCH]]
            found = self._client.get_all(asked, field_paths=["state"])
            states |= {snapshot.id: state_of(snapshot.to_dict()) for snapshot in found if snapshot.exists}
        return states

    def verdicts(self, job_ids: Sequence[str]) -> Mapping[str, str]:
        """Return the verdicts on the structures of those of these ids that have one; a read per id."""
        verdicts: dict[str, str] = {}
        for start in range(0, len(job_ids), BATCH):
            asked = [self._jobs.document(job_id) for job_id in job_ids[start : start + BATCH]]
            for snapshot in self._client.get_all(asked, field_paths=["checks.verdict"]):
                if checks := (snapshot.to_dict() or {}).get("checks"):
                    verdicts[snapshot.id] = checks["verdict"]
        return verdicts

    def unknown(self, job_ids: Sequence[str]) -> set[str]:
        """Return those of these ids that no job has; a read per id."""
        return set(job_ids) - self.states(job_ids).keys()

    def waiting(self) -> Iterator[Job]:
        """Yield all jobs that wait for files, by their ids, a page per call."""
        yield from self._read(self._where("state", "==", State.WAITING.value).order_by("__name__"), PAGE)

    def unsettled(self, before: datetime) -> Sequence[Job]:
        """Return ended jobs whose receipt or event is pending, the longest unchanged first."""
        pending = self._where("pending", "array_contains", Effect.EVENT.value)
        since = FieldFilter("updated_at", "<", before)
        return self._find(pending.where(filter=since).order_by("updated_at"), PAGE)

    def unserved(self, before: datetime) -> Sequence[Job]:
        """Return queued jobs last changed before a time, the longest unchanged first; a page of them."""
        queued = self._where("state", "==", State.QUEUED.value)
        since = FieldFilter("updated_at", "<", before)
        return self._find(queued.where(filter=since).order_by("updated_at"), PAGE)

    def newest_running(self) -> Job | None:
        """Return the running job that was taken in last, or None."""
        running = self._where("state", "==", State.RUNNING.value)
        return self._first(running.order_by("created_at", direction=firestore.Query.DESCENDING))

    def last_ended(self, since: datetime) -> Job | None:
        """Return the job that ended last if that was after a time, else None."""
        states = [state.value for state in State if state.terminal]
        ended = self._where("state", "in", states).where(filter=FieldFilter("updated_at", ">", since))
        return self._first(ended.order_by("updated_at", direction=firestore.Query.DESCENDING))

    def longest_queued(self) -> Job | None:
        """Return the queued job that has not changed for longest, or None."""
        return self._first(self._where("state", "==", State.QUEUED.value).order_by("updated_at"))

    def predicted(self, since: datetime, most: int) -> Sequence[Job]:
        """Return jobs that succeeded or failed after a time, the last first; at most ``most``."""
        states = [State.SUCCEEDED.value, State.FAILED.value]
        ended = self._where("state", "in", states).where(filter=FieldFilter("updated_at", ">", since))
        return self._find(ended.order_by("updated_at", direction=firestore.Query.DESCENDING), most)

    def lapsed(self, now: datetime) -> Sequence[Job]:
        """Return running jobs whose lease has expired, a page of them."""
        return self._find(self._where("lease.expires_at", "<", now), PAGE)

    def _waiting_for(self, name: str) -> firestore.Query:
        return self._where("waits_for", "array_contains", name).order_by("__name__")

    def _where(self, field: str, operator: str, value: object) -> firestore.Query:
        return self._jobs.where(filter=FieldFilter(field, operator, value))

    def _under(self, bucket: str, prefix: str, states: Iterable[State]) -> firestore.Query:
        named = [state.value for state in states]
        query = self._where("source.bucket", "==", bucket).where(filter=FieldFilter("state", "in", named))
        query = query.order_by("source.name").start_at({"source.name": prefix})
        return query.end_at({"source.name": prefix + LAST})

    def _count(self, query: firestore.Query) -> int:
        return int(query.count().get()[0][0].value)

    def _first(self, query: firestore.Query) -> Job | None:
        return next(self._read(query, 1), None)

    def _find(self, query: firestore.Query, most: int) -> list[Job]:
        return list(islice(self._read(query, most), most))

    def _read(self, query: firestore.Query, size: int) -> Iterator[Job]:
        """Read page by page, each when it is asked for: what cannot be read takes nobody's place."""
        page: list[firestore.DocumentSnapshot] = list(query.limit(size).stream())
        while page:
            yield from filter(None, map(_decoded, page))
            full = len(page) == size
            page = list(query.limit(size).start_after(page[-1]).stream()) if full else []


def _decoded(snapshot: firestore.DocumentSnapshot) -> Job | None:
    return decode_or_log(snapshot.id, snapshot.to_dict(), snapshot.update_time)
