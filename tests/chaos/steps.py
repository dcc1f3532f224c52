"""The steps of an upload's way, each with the function of the product that takes it: what is broken by name.

When the drift test fails, a function was renamed or a step goes another way: name the new one in this table.
"""

import re
from dataclasses import dataclass
from typing import Literal

from chaos.faults import Action, Fault, Moment

UPLOADED = 5
"""Files of one prediction, each uploaded by a call of its own."""

RECORD, REPLACE = "gcp.ledger:FirestoreLedger.create", "gcp.ledger:FirestoreLedger.replace"
GENERATIONS, TWIN = "gcp.ledger:FirestoreLedger.generations", "gcp.ledger:FirestoreLedger.succeeded_as"
READ, CREATE = "gcp.storage:Bucket.read", "gcp.storage:Bucket.create"
UPLOAD, COPY = "gcp.storage:Bucket.upload", "gcp.storage:Bucket.copy"
REPLACE_OBJECT = "gcp.storage:Bucket.replace"
PUBLISH, ACK = "gcp.pubsub:Topic.publish", "google.cloud.pubsub_v1.subscriber.message:Message.ack"
CLAIM, RENEW = "worker.lease:LeasedJob._claimed", "worker.lease:LeasedJob.renew"
CHILD, TURN = "worker.child_pool:ChildPool.run", "worker.device:Device._timed"
READ_MODEL, SAMPLE = "worker.boltz2.featurise:featurise", "worker.boltz2.sample:sample_structure"
START, SEARCH = "gcp.cloud_run:WorkerJob.start", "functions.alignments.colabfold:ColabFold._looked_at"
FUNCTIONS = (
    *(RECORD, REPLACE, GENERATIONS, TWIN, READ, CREATE, UPLOAD, COPY, REPLACE_OBJECT, PUBLISH, ACK),
    *(CLAIM, RENEW, CHILD, TURN, READ_MODEL, SAMPLE, START, SEARCH),
)

Situation = Literal[
    "upload", "equal", "failing", "rejected", "arrival", "deleted", "overwritten", "freed", "unsettled",
    "request lost", "given up", "upload given up", "no worker", "reference gone", "expired",
    "unaligned", "alignment wanted", "alignment refused", "alignment late", "alignment gone",
]  # fmt: skip
"""How a scenario brings a process to a step; chaos/situations.py does it."""


@dataclass(frozen=True)
class Step:
    """One step. ``about`` is what its call must tell of, and the scenario's folder if it ``names`` that."""

    process: str
    name: str
    function: str
    about: str = ""
    situation: Situation = "upload"
    nth: int = 1
    names: bool = True

    def fault(self, moment: Moment, folder: str, action: Action = "kill", seconds: float = 0) -> Fault:
        """Describe a fault at this step for a scenario whose files lie in a folder."""
        said = [re.escape(f"{folder}/")] if self.names else []
        about = "".join(f"(?=.*{each})" for each in (*said, self.about))
        return Fault(self.function, moment, self.process, f"(?s)^{about}", self.nth, action, seconds)


def _ending(process: str, state: str, situation: Situation, event: str | None = None) -> tuple[Step, ...]:
    """Name the steps of a job's end: state, receipt, event, clearing of the outbox."""
    entered = f"{event or state} {state} pending="
    return (
        Step(process, f"write {state}", REPLACE, f"{entered}RECEIPT,EVENT;", situation),
        *_settling(process, state, situation),
    )


def _settling(process: str, state: str, situation: Situation) -> tuple[Step, ...]:
    return (
        Step(process, f"{state} receipt", CREATE, "receipt.json", situation),
        Step(process, f"{state} event", PUBLISH, f"prediction.{state.lower()}.v1", situation),
        Step(process, f"{state} outbox", REPLACE, f" {state} pending=;", situation),
    )


WORKER = (
    Step("worker", "download", READ),
    Step("worker", "read", CHILD, names=False),
    Step("worker", "claim", CLAIM),
    Step("worker", "predict", TURN, names=False),
    Step("worker", "check lease", RENEW),
    *(Step("worker", f"upload {number}", UPLOAD, nth=number) for number in range(1, UPLOADED + 1)),
    *_ending("worker", "SUCCEEDED", "upload"),
    Step("worker", "ack", ACK),
    *_ending("worker", "FAILED", "reference gone"),
    Step("worker", "copy", COPY, situation="equal"),
    Step("worker", "give back", REPLACE, "RELEASED QUEUED pending=REQUEST;", "failing"),
    Step("worker", "ask again", PUBLISH, "prediction.requested.v1", "failing"),
)
INTAKE = (
    Step("on_upload", "read", READ),
    Step("on_upload", "record", RECORD),
    Step("on_upload", "look for generations", GENERATIONS, names=False),
    Step("on_upload", "request", PUBLISH, "prediction.requested.v1"),
    Step("on_upload", "record REJECTED", RECORD, "TAKEN_IN REJECTED", "rejected"),
    *_settling("on_upload", "REJECTED", "rejected"),
    Step("on_upload", "tell of a file", PUBLISH, "reference.arrived.v1", "arrival"),
    Step("on_wake", "go on", REPLACE, "ARRIVED QUEUED pending=REQUEST;", "arrival"),
    Step("on_wake", "request what waited", PUBLISH, "prediction.requested.v1", "arrival"),
    *_ending("on_upload|on_delete", "SUPERSEDED", "overwritten"),
    *_ending("on_delete", "CANCELLED", "deleted"),
)
REPAIR = (
    Step("on_sweep", "free", REPLACE, "LEASE_EXPIRED QUEUED pending=REQUEST;", "freed"),
    Step("on_sweep", "request what was freed", PUBLISH, "prediction.requested.v1", "freed"),
    *_settling("on_sweep", "SUCCEEDED", "unsettled"),
    *_ending("on_compare", "REJECTED", "expired", "EXPIRED"),
    Step("on_sweep", "ask again", REPLACE, "TAKEN_IN QUEUED pending=REQUEST;", "request lost"),
    Step("on_sweep", "ask for capacity", PUBLISH, "capacity.wanted.v1", "request lost", names=False),
    Step("on_dead", "note that it was given up", REPLACE, "UNDELIVERED QUEUED pending=REQUEST;", "given up"),
    Step("on_dead", "request what was given up", PUBLISH, "prediction.requested.v1", "given up"),
    Step("on_dead", "take in", RECORD, "", "upload given up"),
    Step("on_request", "start a worker", START, situation="no worker", names=False),
)
ALIGNING = (
    Step("on_upload", "record ALIGNING", RECORD, "TAKEN_IN ALIGNING pending=ALIGN;", "unaligned"),
    Step("on_upload", "want alignments", PUBLISH, "alignments.wanted.v1", "unaligned", names=False),
    Step("on_align", "read", READ, situation="unaligned"),
    Step("on_align", "keep the first", CREATE, "/unpaired/", "unaligned", names=False),
    Step("on_align", "keep the second", CREATE, "/unpaired/", "unaligned", nth=2, names=False),
    Step("on_align", "keep the pairs", CREATE, "/paired/", "unaligned", names=False),
    Step("on_align", "let go on", REPLACE, "ALIGNED QUEUED pending=REQUEST;", "unaligned"),
    Step("on_align", "request what is aligned", PUBLISH, "prediction.requested.v1", "unaligned"),
    *_ending("on_align", "FAILED", "alignment refused"),
    *_ending("on_align|on_compare", "FAILED", "alignment late", "EXPIRED"),
    Step("on_sweep", "want alignments", PUBLISH, "alignments.wanted.v1", "alignment wanted", names=False),
    Step("worker", "send back", REPLACE, "UNALIGNED ALIGNING pending=ALIGN;", "alignment gone"),
    Step("worker", "want alignments", PUBLISH, "alignments.wanted.v1", "alignment gone", names=False),
)
STEPS = (*WORKER, *INTAKE, *ALIGNING, *REPAIR)
