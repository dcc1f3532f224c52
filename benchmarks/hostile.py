"""Measure the wait of a good file beside those that cost intake most: ``python -m benchmarks.hostile``.

Files of 0.9 MB, each of 2,200 chains of one residue beside one of 800,000, which all name one alignment, are
dropped into the local stack, and then a good one. Measured is from the end of its upload until the ledger has
its job.

Exit status 1 if that takes more than five seconds, or if one of the others is not rejected.
"""

import argparse
import sys
import time

from google.cloud import firestore, storage
from rich.console import Console

from benchmarks.pipeline import Pipeline, pipeline
from gcp.ledger import FirestoreLedger
from schemas.job import State, job_id

CHAINS = 2_200
RESIDUES = 800_000
CLAIMED_SECONDS = 5
POLL_SECONDS = 0.05
GOOD = "sequences:\n- protein: {id: A, sequence: MKTAYIAK, msa: empty}\n"


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return 1 if a claim does not hold."""
    files = _parser().parse_args(arguments).files
    with pipeline() as stack:
        bucket = storage.Client().bucket(stack.stack.env["INPUT_BUCKET"])
        for number in range(files):
            bucket.blob(f"hostile/{number}.yaml").upload_from_string(document(number))
        seconds = _taken_in(bucket.blob("hostile/good.yaml"))
        rejected = _rejected(stack, files)
    Console().print(f"taken in {seconds:.1f} s after its upload, beside {files} files; {rejected} rejected")
    return 0 if seconds <= CLAIMED_SECONDS and rejected == files else 1


def document(number: int) -> str:
    """Return the text of a file whose check costs much; no two are alike."""
    chains = "".join(f"- protein: {{id: C{at}, sequence: M, msa: a.a3m}}\n" for at in range(CHAINS))
    return f"# {number}\nsequences:\n- protein: {{id: A, sequence: {'M' * RESIDUES}, msa: a.a3m}}\n{chains}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.hostile",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--files", type=int, default=10, help="how many such files (default 10)")
    return parser


def _taken_in(blob: storage.Blob) -> float:
    """Upload the good file; return the seconds until it is a job."""
    blob.upload_from_string(GOOD)
    start, ledger = time.monotonic(), FirestoreLedger(firestore.Client())
    while not ledger.get(job_id(blob.bucket.name, blob.name, blob.generation)):
        time.sleep(POLL_SECONDS)
    return time.monotonic() - start


def _rejected(stack: Pipeline, files: int) -> int:
    """Count the files that are rejected, once all have ended."""
    return sum(event.data.state is State.REJECTED for event in stack.ended(files + 1))


if __name__ == "__main__":
    sys.exit(main())
