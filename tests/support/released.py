"""Keeps what the last release read and wrote, for the next one to be held to.

PYTHONPATH=.:tests .venv/bin/python -m support.released

It writes tests/contract/released/ anew. Run it when a release is deployed everywhere, never to make a test
pass: what lies there is what the workers and commands of that release, which live on, can read.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json

from jobs import lifecycle
from jobs.document import encode
from schemas.failure import Code, Failure
from schemas.job import Job, State
from schemas.messages import CapacityWanted, Event, PredictionCompleted, PredictionRequested
from schemas.options import Options
from schemas.receipt import Receipt
from schemas.vocabulary import Vocabulary
from support.fakes import NOW, a_job
from support.receipts import FAILURES, an_end

FOLDER = Path(__file__).parents[1] / "contract" / "released"
KINDS: Mapping[str, type[BaseModel]] = {
    "job": Job,
    "receipt": Receipt,
    "prediction-requested": PredictionRequested,
    "prediction-completed": PredictionCompleted,
    "capacity-wanted": CapacityWanted,
}
"""What one release writes and another reads."""

LOST = Failure(code=Code.WORKER_LOST, message="gone", field="f", value="v", remedy="again")


def demanded(kind: str) -> dict[str, Any]:
    """Return as JSON Schema what a reader demands: less than it writes.

    It leaves out fields that it does not know, but no options of a job; takes any word of a vocabulary; cuts
    texts.
    """
    schema = KINDS[kind].model_json_schema()
    definitions = schema.get("$defs", {})
    for each in (schema, *definitions.values()):
        if (kind, each["title"]) != ("job", Options.__name__):
            each.pop("additionalProperties", None)
    for word in {each.__name__ for each in Vocabulary.__subclasses__()} & definitions.keys():
        definitions[word] = {"type": "string"}
    for field in definitions.get(Failure.__name__, {}).get("properties", {}).values():
        for text in (field, *field.get("anyOf", ())):
            text.pop("maxLength", None)
    return schema


def jobs() -> Iterator[Job]:
    """Make a job in each state, with what a job has there."""
    waiting = lifecycle.take_in(a_job(waits_for=("run42/ä b.a3m",), tokens=20), NOW)
    first = lifecycle.advance(waiting, lifecycle.Trigger.ARRIVED, NOW + timedelta(seconds=1))
    lost = lifecycle.claim(first, "worker-1", NOW + timedelta(seconds=2))
    queued = lifecycle.release(lost, lifecycle.Trigger.LEASE_EXPIRED, LOST, NOW + timedelta(seconds=3))
    running = lifecycle.claim(queued, "worker-2", NOW + timedelta(seconds=4))
    yield from (waiting, queued, running)
    for state in (State.SUCCEEDED, *FAILURES):
        ended = an_end(state=state, history=running.history, worker="worker-2", attempt=2)
        yield lifecycle.enter(ended, state, state, ended.updated_at).evolve(
            fingerprint="f1", timings={"predict": 1.5}
        )


def as_json(job: Job) -> dict[str, Any]:
    """Return a job's record as JSON has it."""
    record: dict[str, Any] = json.loads(to_json(encode(job)))
    return record


def sent(event: Event) -> dict[str, Any]:
    """Return what is sent of an event."""
    message = event.encode()
    return {"attributes": message.attributes, "data": json.loads(message.data)}


def written(kind: str) -> Iterator[Any]:
    """Write all of a kind, as JSON has it; of a message, its attributes and its data."""
    match kind:
        case "job":
            yield from map(as_json, jobs())
        case "receipt":
            yield from (json.loads(Receipt.of(job).encode()) for job in jobs() if job.state.terminal)
        case "prediction-requested":
            yield from (sent(PredictionRequested.of(job)) for job in jobs() if job.state is State.QUEUED)
        case "prediction-completed":
            yield from (sent(PredictionCompleted.of(job, "out")) for job in jobs() if job.state.terminal)
        case "capacity-wanted":
            yield sent(CapacityWanted.at(NOW))


def main() -> None:
    """Write a file for each kind."""
    for kind in KINDS:
        kept = {"demanded": demanded(kind), "written": list(written(kind))}
        text = json.dumps(kept, indent=1, ensure_ascii=False)
        (FOLDER / f"{kind}.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
