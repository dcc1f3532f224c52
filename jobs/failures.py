"""Why a job ended, where it is the state machine that ends it: reason and remedy in words."""

from datetime import timedelta

from schemas.failure import Code, Failure
from schemas.job import Job


def never_taken(limit: timedelta) -> Failure:
    """Say that no worker took a queued job."""
    return Failure(
        code=Code.WORKER_LOST,
        message=f"No worker took it within {_hours(limit)}.",
        remedy="See in the logs what keeps the workers from work. Then upload the file again.",
    )


def missing(job: Job, limit: timedelta) -> Failure:
    """Say that files which the input names did not come."""
    return Failure(
        code=Code.MISSING_REFERENCE,
        message=f"Waited {_hours(limit)} for {', '.join(job.waits_for)}",
        remedy="Upload the missing file, then upload the input again.",
    )


def not_aligned(job: Job, limit: timedelta, last_answer: str) -> Failure:
    """Say that the MSA server made no alignment; its last answer may be empty."""
    last = f" Its last answer: {last_answer}." if last_answer else ""
    return Failure(
        code=Code.MSA_UNAVAILABLE,
        message=f"{job.msa_server} made no alignment in {_hours(limit)}.{last}",
        remedy="Upload it again once `dropfold doctor` finds the server, name an MSA file, or write "
        "`msa: empty`.",
    )


def never_found(times: int) -> Failure:
    """Say that alignments were made again and again, and were gone when the worker came."""
    return Failure(
        code=Code.MSA_UNAVAILABLE,
        message=f"Alignments were made {times} times, and each time the worker did not find them.",
        remedy="Give functions and worker the same MSA_SERVER_… and ALIGNMENTS_BUCKET; upload it again.",
    )


def overwritten(job: Job) -> Failure:
    """Say that a newer generation of the input came."""
    source = job.source
    return Failure(
        code=Code.SUPERSEDED,
        message=f"Generation {source.generation} of {source.name} was overwritten before its job ended.",
        remedy="Nothing to do: the newer upload has a job and a receipt of its own.",
    )


def unwanted(why: str) -> Failure:
    """Say that somebody does not want the job any more; ``why`` is the sentence that gives the reason."""
    remedy = "Upload the file again if the prediction is wanted after all."
    return Failure(code=Code.CANCELLED, message=why, remedy=remedy)


def _hours(limit: timedelta) -> str:
    return f"{limit.total_seconds() / 3600:.0f} h"
