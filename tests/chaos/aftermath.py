"""What has to be found whatever was broken: per upload one receipt, one end, one event id, all whole."""

import tempfile
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import gemmi
from google.cloud import storage
from support.checksum import crc32c

from jobs.ledger import Ledger
from schemas.job import Job, Output, State, job_id
from schemas.receipt import Receipt, receipt_name

STRUCTURES = {".cif", ".pdb"}


@dataclass(frozen=True)
class Upload:
    """One generation of an input, and how it may end."""

    bucket: str
    name: str
    generation: int
    ends: Collection[State] = (State.SUCCEEDED,)

    @property
    def job_id(self) -> str:
        """Return the id of its job."""
        return job_id(self.bucket, self.name, self.generation)


@dataclass(frozen=True)
class Told:
    """One delivery of a completion event."""

    job_id: str
    event_id: str
    data: bytes


@dataclass(frozen=True)
class Aftermath:
    """What was found: figures for a person, ``problems`` for the test, empty where all is well."""

    uploads: int
    receipts: int
    events: int
    deliveries: int
    problems: tuple[str, ...]

    def __str__(self) -> str:
        """Say it in a few words."""
        found = f"receipts {self.receipts}/{self.uploads}, event ids {self.events}/{self.uploads}"
        repeated = self.deliveries - self.events
        return found + (f" ({repeated} repeated)" if repeated > 0 else "")


def settled(job: Job | None) -> bool:
    """Tell whether nothing is left to do for a job."""
    return job is not None and job.state.terminal and not job.pending


def examine(
    uploads: Sequence[Upload], ledger: Ledger, outputs: storage.Bucket, told: Iterable[Told]
) -> Aftermath:
    """Look at ledger, output bucket and events of some uploads, and say all that is not as it has to be."""
    by_job: dict[str, list[Told]] = defaultdict(list)
    for each in told:
        by_job[each.job_id].append(each)
    problems: list[str] = []
    receipts = 0
    for upload in uploads:
        job = ledger.get(upload.job_id)
        if job is None:
            problems.append(f"{upload.name}#{upload.generation}: no job")
            continue
        found = [*_of_job(upload, job), *_of_events(job, by_job[upload.job_id])]
        body = _read(outputs, receipt_name(job))
        receipts += body is not None
        found += _of_receipt(job, body, outputs)
        problems += [f"{upload.name} ({job.job_id}, {job.state}): {problem}" for problem in found]
    ours = [by_job[upload.job_id] for upload in uploads]
    return Aftermath(
        uploads=len(uploads),
        receipts=receipts,
        events=sum(len({each.event_id for each in events}) for events in ours),
        deliveries=sum(map(len, ours)),
        problems=tuple(problems),
    )


def strays(names: Iterable[str], uploads: Sequence[Upload]) -> list[str]:
    """Return the receipts among objects of the output bucket that belong to no upload."""
    known = {upload.job_id for upload in uploads}
    receipts = [PurePosixPath(name) for name in names if name.endswith("/receipt.json")]
    return [str(path) for path in receipts if path.parent.name not in known]


def _of_job(upload: Upload, job: Job) -> Iterator[str]:
    if job.state not in upload.ends:
        yield f"ended as none of {', '.join(upload.ends)}: {[*map(str, job.history)]}"
    if job.pending:
        yield f"pending in the ledger: {', '.join(job.pending)}"
    if sum(State(change.state).terminal for change in job.history) != 1:
        yield f"not one end: {[*map(str, job.history)]}"


def _of_events(job: Job, told: Sequence[Told]) -> Iterator[str]:
    ids, contents = {each.event_id for each in told}, {each.data for each in told}
    if ids != {f"{job.job_id}-{job.state.lower()}"}:
        yield f"event ids {sorted(ids)}"
    if len(contents) > 1:
        yield f"one event with {len(contents)} contents"


def _of_receipt(job: Job, body: bytes | None, outputs: storage.Bucket) -> Iterator[str]:
    if body is None:
        yield "no receipt"
        return
    receipt = Receipt.model_validate_json(body)
    if job.state.terminal and receipt != Receipt.of(job):
        yield "the receipt does not say what the ledger says"
    if (receipt.state is State.SUCCEEDED) != bool(receipt.outputs):
        yield f"{len(receipt.outputs)} outputs listed"
    for output in receipt.outputs:
        yield from _of_output(output, _read(outputs, output.name))


def _of_output(output: Output, body: bytes | None) -> Iterator[str]:
    if body is None:
        yield f"{output.name} is listed and not there"
    elif (len(body), crc32c(body)) != (output.size, output.crc32c):
        yield f"{output.name} is not the one that is listed"
    elif (suffix := PurePosixPath(output.name).suffix) in STRUCTURES and not _atoms(body, suffix):
        yield f"{output.name} is no structure"


def _atoms(structure: bytes, suffix: str) -> int:
    with tempfile.NamedTemporaryFile(suffix=suffix) as file:
        Path(file.name).write_bytes(structure)
        try:
            return sum(model.count_atom_sites() for model in gemmi.read_structure(file.name))
        except (ValueError, RuntimeError):  # gemmi's word for what it cannot read
            return 0


def _read(bucket: storage.Bucket, name: str) -> bytes | None:
    blob = bucket.get_blob(name)
    return blob.download_as_bytes(checksum="crc32c") if blob else None
