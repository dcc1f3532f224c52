"""Receipts of jobs that ended in every way, made up for what reads receipts."""

from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256

from schemas.failure import Code, Failure
from schemas.job import Job, Output, State
from schemas.receipt import Receipt, receipt_name
from support.fakes import NOW, a_job, a_source
from support.predictions import MODEL

FILES = ("model_0.cif", "confidence_model_0.json", "report.html", "summary.png")
SCORES = {"confidence_score": 0.8, "ptm": 0.7, "iptm": 0.6, "complex_plddt": 0.9}
FAILURES: Mapping[State, Failure] = {
    State.FAILED: Failure(code=Code.OUT_OF_MEMORY, message="It does not fit.", remedy="Make it smaller."),
    State.REJECTED: Failure(code=Code.INVALID_INPUT, message="No chain.", remedy="Name a chain."),
    State.CANCELLED: Failure(code=Code.CANCELLED, message="Cancelled.", remedy="Upload it again."),
    State.SUPERSEDED: Failure(code=Code.SUPERSEDED, message="Overwritten.", remedy="See the newer one."),
}


def an_end(
    name: str = "run42/foo.yaml", state: State = State.SUCCEEDED, *, after: float = 5, **changes: object
) -> Job:
    """Return an ended job of an object of this name, with what its state brings."""
    identity = sha256(name.encode()).hexdigest()[:16]
    prefix = f"{name.rpartition('.')[0]}/{identity}/"
    job = a_job(
        state,
        job_id=identity,
        source=a_source(name),
        output_prefix=prefix,
        updated_at=NOW + timedelta(seconds=after),
    )
    if state is State.SUCCEEDED:
        outputs = tuple(Output(name=prefix + file, size=1, crc32c="AAAAAA==") for file in FILES)
        job = job.evolve(outputs=outputs, scores=SCORES, model=MODEL, tokens=20)
    else:
        job = job.evolve(errors=(FAILURES[state],))
    return job.evolve(**changes)


def written(job: Job) -> tuple[str, bytes]:
    """Return the name and the content of a job's receipt."""
    return receipt_name(job), Receipt.of(job).encode()
