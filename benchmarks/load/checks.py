"""The end of each upload, by everything that keeps a record of it: ledger, bucket, topic."""

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from google.cloud import storage

from benchmarks.load.product import Product
from gcp.ledger import COLLECTION
from schemas.job import State
from schemas.receipt import Receipt

SAMPLE = 100
RECEIPT = "/receipt.json"
PAGE = 5000


@dataclass(frozen=True)
class Ends:
    """Numbers of uploads by their ends. ``wrong`` has the jobs that are not as they should be, and why."""

    uploads: int
    receipts: int
    lost: int
    double: int
    succeeded: int
    cached: int
    redelivered: int
    sampled_outputs: int
    wrong: Mapping[str, str]


def ends(product: Product) -> Ends:
    """Return the ends, by ledger, receipts' names, and a sample of receipts with the files they list."""
    uploads, records = set(product.uploaded_at), _records(product)
    receipts = Counter(_receipts(product))
    heard = {job: len(events) for job, events in product.heard.ended.items()}
    lost = {job for job in uploads if not receipts[job] or job not in records or not heard.get(job)}
    known = uploads | set(receipts) | set(records) | set(heard)
    double = {
        job
        for job in known
        if job not in uploads or receipts[job] > 1 or _ends(records.get(job)) > 1 or heard.get(job, 0) > 1
    }
    sampled, wrong = _sample(product, sorted(uploads - lost))
    return Ends(
        uploads=len(uploads),
        receipts=receipts.total(),
        lost=len(lost),
        double=len(double),
        succeeded=sum(record["state"] == State.SUCCEEDED for record in records.values()),
        cached=sum(record["cached_from"] is not None for record in records.values()),
        redelivered=sum(count - 1 for count in product.heard.deliveries.values()),
        sampled_outputs=sampled,
        wrong=dict.fromkeys(lost, "lost") | dict.fromkeys(double, "double") | wrong,
    )


Record = Mapping[str, object]


def _records(product: Product) -> dict[str, dict[str, object]]:
    jobs = product.ledger.collection(COLLECTION).select(["state", "history", "cached_from"]).stream()
    return {job.id: job.to_dict() for job in jobs}


def _ends(record: Record | None) -> int:
    """Return how often a job ended, by its own history."""
    changes = record["history"] if record else ()
    assert isinstance(changes, Iterable)  # noqa: S101  as the ledger writes it
    return sum(State(change["state"]).terminal for change in changes)


def _receipts(product: Product) -> Iterable[str]:
    """Yield the jobs of all receipts: a receipt's folder is named like its job."""
    for blob in product.results.list_blobs(page_size=PAGE, fields="items(name),nextPageToken"):
        if blob.name.endswith(RECEIPT):
            yield blob.name.removesuffix(RECEIPT).rpartition("/")[2]


def _sample(product: Product, jobs: list[str]) -> tuple[int, dict[str, str]]:
    """Compare some receipts with the files that they list; return the number of files, and what is wrong."""
    chosen = random.Random(0).sample(jobs, min(SAMPLE, len(jobs)))  # noqa: S311  no secret
    receipts = {job: _receipt(product, job) for job in chosen}
    outputs = [(job, output) for job, receipt in receipts.items() for output in receipt.outputs]
    wrong = {job: "no outputs" for job, receipt in receipts.items() if not receipt.outputs}
    for job, output in outputs:
        blob = product.results.get_blob(output.name)
        if blob is None or (blob.size, blob.crc32c) != (output.size, output.crc32c):
            wrong[job] = f"{output.name} is not as its receipt says"
    return len(outputs), wrong


def _receipt(product: Product, job: str) -> Receipt:
    record = product.ledger.collection(COLLECTION).document(job).get(["output_prefix"])
    blob: storage.Blob = product.results.blob(f"{record.get('output_prefix')}receipt.json")
    return Receipt.model_validate_json(blob.download_as_bytes())
