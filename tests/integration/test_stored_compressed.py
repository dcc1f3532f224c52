"""An input and its MSA that were uploaded with `gsutil cp -z`, on their way through intake and worker."""

import gzip
from pathlib import Path

from google.cloud import storage
from support.fakes import MemoryTopic, Outside
from support.inputs import MSA, TRP_CAGE, one_protein
from support.waking import deliver

from functions.intake import Intake
from gcp.storage import Bucket
from inputs.examine import Rules
from schemas.failure import Code
from schemas.job import Source, State
from worker.prepare import prepare

INPUT = one_protein(msa="trp.a3m").encode()
A3M = MSA + f">1\n{TRP_CAGE[:-1]}-\n".encode() * 20_000


def stored(raw: storage.Bucket, name: str, content: bytes) -> Source:
    blob = raw.blob(name)
    blob.content_encoding = "gzip"
    blob.upload_from_string(gzip.compress(content))
    return Source(
        bucket=raw.name, name=name, generation=blob.generation, size=blob.size, time=blob.time_created
    )


def test_they_are_taken_in_and_prepared_as_what_they_hold(
    storage_host: str, project: str, tmp_path: Path
) -> None:
    assert storage_host
    raw = storage.Client(project=project).create_bucket(project)
    uploads, outside, arrivals = Bucket(raw.client, raw.name), Outside(), MemoryTopic()
    ledger = outside.ledger
    intake = Intake(uploads, ledger, outside.settler, arrivals, Rules())

    intake.on_upload(stored(raw, "run/a.yaml", INPUT))
    assert ledger.only().state is State.WAITING
    intake.on_upload(stored(raw, "run/trp.a3m", A3M))
    deliver(arrivals, intake)
    job = ledger.only()
    assert job.state is State.QUEUED
    prepared = prepare(job, uploads, tmp_path / "input")
    assert prepared.input_file.read_bytes() == INPUT
    assert (tmp_path / "input" / "trp.a3m").read_bytes() == A3M

    bomb = stored(raw, "run/bomb.yaml", bytes(1 << 28))
    intake.on_upload(bomb)
    [refused] = [each for each in ledger.all() if each.source == bomb]
    assert (refused.state, refused.errors[0].code) == (State.REJECTED, Code.TOO_LARGE)

    stored(raw, "run/trp.a3m", A3M.replace(b"NLYIQ", b"NLYIG"))
    other = stored(raw, "run/other.yaml", INPUT)
    intake.on_upload(other)
    [refused] = [each for each in ledger.all() if each.source == other]
    assert (refused.state, refused.errors[0].code) == (State.REJECTED, Code.INVALID_INPUT)
    assert "trp.a3m has G at position 5" in refused.errors[0].message
