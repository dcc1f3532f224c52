"""The ledger in Firestore: collection ``jobs``, document id = job id, precondition = last update time."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from google.api_core.exceptions import AlreadyExists, FailedPrecondition, NotFound
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter

from jobs.ledger import AlreadyRecordedError, ConflictError
from schemas.job import Effect, Job, State

COLLECTION = "jobs"
GENERATIONS = 10
"""Most generations of an object that are looked at: it gets one a second at most; each looks as it comes."""

BATCH = 300
"""Documents that one call looks up."""

LAST = "\U0010ffff"
"""Sorts behind every character, so that a range of names with a prefix can end with it."""

PAGE = 200
"""Most documents that one search brings; the next sweep brings the rest."""


class FirestoreLedger:
    """Implements jobs.ledger.Ledger with one document write per call and no transactions."""

    def __init__(self, client: firestore.Client) -> None:
        self._client = client
        self._jobs = client.collection(COLLECTION)

    def create(self, job: Job) -> Job:
        """Record a new job. Raises AlreadyRecordedError."""
        try:
            written = self._jobs.document(job.job_id).create(_encode(job))
        except AlreadyExists as error:
            raise AlreadyRecordedError(job.job_id) from error
        return job.evolve(revision=written.update_time)

    def get(self, job_id: str) -> Job | None:
        """Read a job, or None."""
        snapshot = self._jobs.document(job_id).get()
        return _decode(snapshot) if snapshot.exists else None

    def replace(self, job: Job) -> Job:
        """Write the job if nobody did since it was read. Raises ConflictError."""
        unchanged = self._client.write_option(last_update_time=job.revision)
        try:
            written = self._jobs.document(job.job_id).update(_encode(job), option=unchanged)
        except (FailedPrecondition, NotFound) as error:
            raise ConflictError(job.job_id) from error
        return job.evolve(revision=written.update_time)

    def count(self, state: State, most: int) -> int:
        """Count the jobs in a state, and stop at so many; one read per thousand."""
        return _counted(self._where("state", "==", state.value), most)

    def succeeded_as(self, fingerprint: str) -> Job | None:
        """Find a job that succeeded with this fingerprint; no other has one."""
        found = self._where("fingerprint", "==", fingerprint).limit(1).stream()
        return next((_decode(snapshot) for snapshot in found), None)

    def waiting_for(self, name: str) -> Iterator[Job]:
        """Find all jobs that wait for an object of this name, a page per call."""
        waiting = self._where("waits_for", "array_contains", name).order_by("__name__").limit(PAGE)
        page = list(waiting.stream())
        while page:
            yield from map(_decode, page)
            page = list(waiting.start_after(page[-1]).stream())

    def generations(self, bucket: str, name: str) -> Sequence[Job]:
        """Find the jobs of the newest generations of an object, the newest first; the ten newest at most."""
        named = self._where("source.bucket", "==", bucket).where(
            filter=FieldFilter("source.name", "==", name)
        )
        newest = named.order_by("source.generation", direction=firestore.Query.DESCENDING)
        return self._find(newest.limit(GENERATIONS))

    def unfinished(self, bucket: str, prefix: str) -> Sequence[Job]:
        """Find the jobs that have not ended, of objects whose names begin with a prefix, by name."""
        return self._find(self._unfinished(bucket, prefix))

    def count_unfinished(self, bucket: str, prefix: str, most: int) -> int:
        """Count the same, and stop at so many; one read per thousand."""
        return _counted(self._unfinished(bucket, prefix), most)

    def unknown(self, job_ids: Sequence[str]) -> set[str]:
        """Return those of these ids that no job has; a read per id, of an id's existence only."""
        missing: set[str] = set()
        for start in range(0, len(job_ids), BATCH):
            asked = [self._jobs.document(job_id) for job_id in job_ids[start : start + BATCH]]
            found = self._client.get_all(asked, field_paths=["state"])
            missing |= {snapshot.id for snapshot in found if not snapshot.exists}
        return missing

    def waiting(self) -> Sequence[Job]:
        """Find jobs that wait for a file, the longest unchanged first; a page of them."""
        return self._find(self._where("state", "==", State.WAITING.value).order_by("updated_at").limit(PAGE))

    def unsettled(self, before: datetime) -> Sequence[Job]:
        """Find ended jobs whose receipt or event is pending, the longest unchanged first."""
        pending = self._where("pending", "array_contains", Effect.EVENT.value)
        return self._find(
            pending.where(filter=FieldFilter("updated_at", "<", before)).order_by("updated_at").limit(PAGE)
        )

    def unserved(self, before: datetime) -> Sequence[Job]:
        """Find queued jobs last changed before a time, the longest unchanged first; a page of them."""
        queued = self._where("state", "==", State.QUEUED.value)
        since = FieldFilter("updated_at", "<", before)
        return self._find(queued.where(filter=since).order_by("updated_at").limit(PAGE))

    def newest_running(self) -> Job | None:
        """Find the running job that was taken in last."""
        running = self._where("state", "==", State.RUNNING.value)
        newest = running.order_by("created_at", direction=firestore.Query.DESCENDING).limit(1)
        return next(iter(self._find(newest)), None)

    def last_ended(self, since: datetime) -> Job | None:
        """Find the job that ended last, if after a time."""
        states = [state.value for state in State if state.terminal]
        ended = self._where("state", "in", states).where(filter=FieldFilter("updated_at", ">", since))
        last = ended.order_by("updated_at", direction=firestore.Query.DESCENDING).limit(1)
        return next(iter(self._find(last)), None)

    def lapsed(self, now: datetime) -> Sequence[Job]:
        """Find running jobs whose lease has expired, and waiting ones whose time is up."""
        expired = self._find(self._where("lease.expires_at", "<", now).limit(PAGE))
        return [*expired, *self._find(self._where("wait_until", "<", now).limit(PAGE))]

    def _unfinished(self, bucket: str, prefix: str) -> firestore.Query:
        states = [state.value for state in State if not state.terminal]
        query = self._where("source.bucket", "==", bucket).where(filter=FieldFilter("state", "in", states))
        query = query.order_by("source.name").start_at({"source.name": prefix})
        return query.end_at({"source.name": prefix + LAST})

    def _where(self, field: str, operator: str, value: object) -> firestore.Query:
        return self._jobs.where(filter=FieldFilter(field, operator, value))

    def _find(self, query: firestore.Query) -> list[Job]:
        snapshots: Iterable[firestore.DocumentSnapshot] = query.stream()
        return [_decode(snapshot) for snapshot in snapshots]


def _counted(query: firestore.Query, most: int) -> int:
    return int(query.limit(most).count().get()[0][0].value)


def _encode(job: Job) -> dict[str, object]:
    return job.model_dump(mode="python")


def _decode(snapshot: firestore.DocumentSnapshot) -> Job:
    return Job.model_validate(snapshot.to_dict()).evolve(revision=snapshot.update_time)
