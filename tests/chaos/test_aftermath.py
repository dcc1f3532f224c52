"""The look at the aftermath sees what must not be: what was well is damaged, and it has to say so."""

from collections.abc import Callable

from google.cloud import storage

from chaos.aftermath import Told, Upload
from chaos.harness import Record, Scenario
from schemas.job import Effect, Job, State
from schemas.receipt import receipt_name


def test_whatever_is_damaged_is_noticed(scenario: Scenario, record: Record) -> None:
    """A whole result is damaged in every way that a fault could, one after the other."""
    record("scenario", "a whole result damaged in each way, and noticed")
    upload = scenario.upload()
    scenario.conclude(record)
    job = scenario.job(upload)
    assert job is not None
    outputs, told = scenario.chaos.outputs, scenario.chaos.told
    structure = next(output.name for output in job.outputs if output.name.endswith(".cif"))

    def problems() -> str:
        return "\n".join(scenario.examine().problems)

    with_other_content(outputs.blob(structure), lambda: has(problems(), "is not the one that is listed"))
    told.append(Told(job.job_id, f"{job.job_id}-failed", b"{}"))
    assert "event ids" in problems()
    assert "one event with 2 contents" in problems()
    told.pop()
    pending = scenario.chaos.ledger.replace(job.evolve(pending=(Effect.EVENT,)))
    assert "pending in the ledger: EVENT" in problems()
    scenario.chaos.ledger.replace(pending.evolve(pending=()))
    scenario.uploads[0] = Upload(upload.bucket, upload.name, upload.generation, ends={State.FAILED})
    assert "ended as none of FAILED" in problems()
    scenario.uploads[0] = upload
    assert not problems()
    missing(scenario, job, problems, structure)


def missing(scenario: Scenario, job: Job, problems: Callable[[], str], structure: str) -> None:
    """Take away what has to be there, and put there what must not be."""
    outputs = scenario.chaos.outputs
    outputs.blob(structure).delete()
    assert f"{structure} is listed and not there" in problems()
    outputs.blob(f"{scenario.folder}/a/{'0' * 16}/receipt.json").upload_from_string("{}")
    assert "a receipt of no upload" in problems()
    outputs.blob(receipt_name(job)).delete()
    assert "no receipt" in problems()
    unknown = Upload(scenario.uploads[0].bucket, f"{scenario.folder}/never.yaml", 1)
    scenario.uploads.append(unknown)
    assert "never.yaml#1: no job" in problems()


def with_other_content(blob: storage.Blob, look: Callable[[], object]) -> None:
    content = blob.download_as_bytes()
    blob.upload_from_string(b"another")
    look()
    blob.upload_from_string(content)


def has(text: str, part: str) -> None:
    assert part in text
