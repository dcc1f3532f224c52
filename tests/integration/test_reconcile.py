"""An upload whose event is lost: the comparison of the bucket with the ledger brings its receipt."""

import json
from datetime import timedelta

import pytest
from google.cloud import firestore, storage
from support.fakes import MemoryTopic

from functions.intake import Intake
from functions.reconcile import Comparison
from gcp.ledger import FirestoreLedger
from gcp.storage import Bucket
from inputs.examine import Rules
from jobs.settle import Settler


@pytest.mark.usefixtures("storage_host", "firestore_host")
def test_an_upload_without_an_event_gets_its_receipt_once(project: str) -> None:
    client = storage.Client(project=project)
    uploads, outputs = (client.create_bucket(f"{project}-{kind}") for kind in ("in", "out"))
    for name in ("run/letter.txt", "run/ü b.yaml"):
        uploads.blob(name).upload_from_string("hello")  # no trigger runs: nobody hears of it
    ledger = FirestoreLedger(firestore.Client(project=project))
    completions = MemoryTopic()
    settler = Settler(ledger, Bucket(client, outputs.name), MemoryTopic(), completions)
    inputs = Bucket(client, uploads.name)
    intake = Intake(inputs, ledger, settler, MemoryTopic(), Rules())
    for _ in range(2):
        Comparison(inputs, ledger, intake, timedelta(), timedelta(days=1), 1000).run()
    receipts = [json.loads(blob.download_as_bytes()) for blob in outputs.list_blobs()]
    assert {receipt["source"]["name"] for receipt in receipts} == {"run/letter.txt", "run/ü b.yaml"}
    assert [receipt["state"] for receipt in receipts] == ["REJECTED"] * 2
    assert all(receipt["source"]["crc32c"] for receipt in receipts)
    assert len(completions.messages) == 2
