"""Measure a screening of a target that names no MSA: ``python -m benchmarks.screening [--files 200]``.

A file for each ligand is dropped into the local stack, which has an MSA server. Then as many again, with
other ligands, whose alignment is there by now; and as many that ask for none (``msa: empty``). What predicts
is the worker of ``benchmarks.load``, without a model.

Exit status 1 if one of these does not hold: every file has a receipt, SUCCEEDED; the MSA server made one
search; no worker started before the first job was queued; a job whose alignment is there takes at most two
more operations of Firestore than one that needs none.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from benchmarks.load import meter
from benchmarks.load.checks import ends
from benchmarks.load.operations import per_job
from benchmarks.load.product import LETTERS, NO_GATE, UPLOADERS, Product, product
from benchmarks.load.worker import LIGAND, RESIDUES
from benchmarks.pipeline import progress
from gcp.ledger import COLLECTION
from local.parts import MSA_SERVER, ROOT
from schemas.job import State, job_id

SEED = 2026
MOST_ADDED = 2.0
"""Firestore operations that an alignment which is there may add to a job."""

TARGET = LETTERS[:RESIDUES]
FIRST_ATOM = {"alone": "C", "aligned": "N", "empty": "O"}
"""First atom of the ligands by the part of the benchmark: no two inputs are alike."""


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return 1 if a claim does not hold."""
    files, runs = _parser().parse_args(arguments).files, ROOT / ".local" / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="screening-", dir=runs) as scratch,
        product(Path(scratch), SEED, 0, MAX_WORKERS="1") as stack,
        progress() as bar,
    ):
        stack.gate.open_to(NO_GATE)
        used = {part: _operations(stack, part, files, bar) for part in FIRST_ATOM}
        searches, early = _searches(stack), _first_worker(stack) < _first_queued(stack)
        became = ends(stack)
    added = used["aligned"] - used["empty"]
    Console().print(
        f"{became.uploads} files, {became.succeeded} SUCCEEDED, {became.receipts} receipts, "
        f"{searches} search; {'a' if early else 'no'} worker before the first was queued; "
        f"Firestore operations a job: {used['empty']:.2f} without alignment, "
        f"{used['aligned']:.2f} with one that is there"
    )
    held = became.receipts == became.succeeded == became.uploads == len(FIRST_ATOM) * files
    return 0 if held and searches == 1 and not early and added <= MOST_ADDED else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.screening",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--files", type=int, default=200, help="how many ligands (default 200)")
    return parser


def _operations(stack: Product, part: str, files: int, bar: Progress) -> float:
    """Drop a part's files, wait for their ends; return the Firestore operations a job."""
    task, before, start = bar.add_task(part, total=files), len(stack.heard.ended), time.time()

    def left() -> int:
        done = len(stack.heard.ended) - before
        bar.update(task, completed=done)
        return files - done

    with ThreadPoolExecutor(UPLOADERS) as pool:
        list(pool.map(_uploading(stack, part), range(files)))
    stack.wait(left)
    stack.settled()
    counted = [each for each in meter.operations(stack.operations) if each.at > start]
    return per_job(counted, files, (time.time() - start) / 60).firestore_work


def _uploading(stack: Product, part: str) -> Callable[[int], None]:
    msa = ", msa: empty" if part == "empty" else ""

    def upload(number: int) -> None:
        blob = stack.uploads.blob(f"{part}/{number:04}.yaml")
        smiles = FIRST_ATOM[part] + "C" * (number // 20 + 1) + "O" + "C" * (number % 20 + 1)
        blob.upload_from_string(
            f"sequences:\n- protein: {{id: A, sequence: {TARGET}{msa}}}\n"
            f"- ligand: {{id: {LIGAND}, smiles: {smiles}}}\n"
        )
        stack.uploaded_at[job_id(stack.uploads.name, blob.name, blob.generation)] = time.time()

    return upload


def _searches(stack: Product) -> int:
    log = (stack.stack.run_dir / "logs" / f"{MSA_SERVER}.log").read_text()
    return sum("searched" in json.loads(line) for line in log.splitlines() if line.startswith("{"))


def _first_worker(stack: Product) -> float:
    return min(each.at for each in meter.operations(stack.operations) if each.role == "worker")


def _first_queued(stack: Product) -> float:
    histories = (job.get("history") for job in stack.ledger.collection(COLLECTION).stream())
    queued = (_at(change["at"]) for each in histories for change in each if change["state"] == State.QUEUED)
    return min(queued)


def _at(time: datetime | str) -> float:
    return (datetime.fromisoformat(time) if isinstance(time, str) else time).timestamp()


if __name__ == "__main__":
    sys.exit(main())
