"""A stack under load: files go in by Google's clients; messages of the topics are noted with their time."""

import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from google.cloud import firestore, pubsub_v1, storage
from google.cloud.pubsub_v1.subscriber.message import Message

from benchmarks.load import meter
from benchmarks.load.duplicates import Duplicates
from benchmarks.load.worker import GATE_VARIABLE, RESIDUES, Gate
from local.parts import EVENTS_TOPIC
from local.stack import Stack, running
from schemas.job import job_id
from schemas.messages import PredictionCompleted, PredictionRequested

FUNCTIONS = Path(__file__).with_name("metered_functions.py")
WORKER = ("-m", "benchmarks.load.worker")
TICK_SECONDS = 60.0
"""Interval of the sweep, as in the cloud."""
UPLOADERS = 4
BATCH = 100
OUTSTANDING = 200
"""Most uploads without a request before the next batch."""
SILENCE_SECONDS = 300
QUIET_SECONDS = 2.0
NO_GATE = 10**9
EMULATORS = {"_JAVA_OPTIONS": "-Xmx1g -XX:TieredStopAtLevel=4"}
"""Flags with room for so many documents, and the better compiler: the stack's own are for short runs."""
LETTERS = "ACDEFGHIKLMNPQRSTVWY"


@dataclass
class Heard:
    """Messages of the topics. Callbacks write, the benchmark reads; each write to a dict is atomic."""

    requested_at: dict[str, float] = field(default_factory=dict)
    ended: dict[str, set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))
    deliveries: Counter[str] = field(default_factory=Counter)
    requests: int = 0

    def request(self, message: Message) -> None:
        """Note the first request for a job."""
        at = time.time()
        if message.attributes.get("ce-type") == PredictionRequested.model_fields["type"].default:
            job = PredictionRequested.decode(message.data, message.attributes).data.job_id
            self.requested_at.setdefault(job, at)
            self.requests += 1
        message.ack()

    def end(self, message: Message) -> None:
        """Note a completion event: its id and the job's state."""
        event = PredictionCompleted.decode(message.data, message.attributes)
        self.ended[event.data.job_id].add((event.id, str(event.state)))
        self.deliveries[event.id] += 1
        message.ack()


@dataclass
class Product:
    """A running stack, and the time of each upload's completion by its job."""

    stack: Stack
    operations: Path
    gate: Gate
    heard: Heard
    uploads: storage.Bucket
    results: storage.Bucket
    ledger: firestore.Client
    duplicates: Duplicates
    uploaded_at: dict[str, float] = field(default_factory=dict)

    def upload(self, number: int) -> None:
        """Upload one more file; no two are alike."""
        blob = self.uploads.blob(f"load/{number:06}.yaml")
        blob.upload_from_string(document(number), "application/yaml")
        self.uploaded_at[job_id(self.uploads.name, blob.name, blob.generation)] = time.time()

    def fill(self, numbers: Sequence[int], advance: Callable[[int], object]) -> None:
        """Upload files in batches, a few at a time, as fast as they are taken in."""
        with ThreadPoolExecutor(UPLOADERS) as pool:
            for start in range(0, len(numbers), BATCH):
                batch = numbers[start : start + BATCH]
                list(pool.map(self.upload, batch))
                self.wait(lambda: len(self.uploaded_at) - len(self.heard.requested_at), OUTSTANDING)
                advance(len(batch))
        self.requested()

    def arrive(self, numbers: Sequence[int], per_second: float) -> list[float]:
        """Upload files at a steady rate; return the seconds from each upload's completion to its request."""
        known, start = set(self.uploaded_at), time.monotonic()
        for position, number in enumerate(numbers):
            time.sleep(max(0.0, start + position / per_second - time.monotonic()))
            self.upload(number)
        self.requested()
        new = self.uploaded_at.keys() - known
        return [self.heard.requested_at[job] - self.uploaded_at[job] for job in new]

    def requested(self) -> None:
        """Wait until every upload has its request."""
        self.wait(lambda: len(self.uploaded_at) - len(self.heard.requested_at))

    def settled(self) -> None:
        """Wait until no process counts operations any more: the effects of the last event are done."""
        sizes, before = self._written(), -1
        while sizes != before:
            time.sleep(QUIET_SECONDS)
            sizes, before = self._written(), sizes

    def _written(self) -> int:
        return sum(path.stat().st_size for path in self.operations.glob("*.jsonl"))

    def wait(self, left: Callable[[], int], enough: int = 0) -> None:
        """Wait until ``enough`` are left. Raises TimeoutError when their number stays the same for long."""
        seen, since = left(), time.monotonic()
        while (now := left()) > enough:
            self.stack.check()
            if now != seen:
                seen, since = now, time.monotonic()
            if time.monotonic() - since > SILENCE_SECONDS:
                raise TimeoutError(f"{now} are left, and nothing was heard for {SILENCE_SECONDS} s.")
            time.sleep(0.02)


def document(number: int) -> str:
    """Return an input of one chain that encodes its number, so that the result cache has no equal one."""
    digits = f"{number:06}"
    sequence = "".join(LETTERS[int(digit)] for digit in digits) * (RESIDUES // len(digits))
    return f"sequences:\n- protein: {{id: A, sequence: {sequence}, msa: empty}}\n"


@contextmanager
def product(folder: Path, seed: int, most_copies: int, **settings: str) -> Iterator[Product]:
    """Run a stack whose processes count their operations, with the gate shut."""
    counted, gate = folder / "operations", Gate(folder / "gate")
    counted.mkdir(parents=True)
    gate.open_to(0)
    own = {meter.FOLDER_VARIABLE: str(counted), GATE_VARIABLE: str(folder / "gate"), "IDLE_SECONDS": "30"}
    os.environ.update(own | EMULATORS | settings)
    with (
        running(folder, source=FUNCTIONS, worker=WORKER, tick_seconds=TICK_SECONDS) as stack,
        ExitStack() as open_,
    ):
        os.environ.update(stack.env)
        heard, names = Heard(), stack.env
        duplicates = open_.enter_context(
            Duplicates(names["ON_UPLOAD_URL"], names["INPUT_BUCKET"], seed, most_copies)
        )
        for topic, take in (
            (names["REQUESTED_TOPIC"], heard.request),
            (names["COMPLETED_TOPIC"], heard.end),
            (EVENTS_TOPIC.rpartition("/")[2], duplicates.copy),
        ):
            open_.enter_context(_listening(names["GOOGLE_CLOUD_PROJECT"], topic, take))
        buckets = storage.Client()
        yield Product(
            stack=stack,
            operations=counted,
            gate=gate,
            heard=heard,
            uploads=buckets.bucket(names["INPUT_BUCKET"]),
            results=buckets.bucket(names["OUTPUT_BUCKET"]),
            ledger=firestore.Client(),
            duplicates=duplicates,
        )


@contextmanager
def _listening(project: str, topic: str, take: Callable[[Message], None]) -> Iterator[None]:
    with pubsub_v1.SubscriberClient() as client:
        name = client.subscription_path(project, f"benchmark-{topic}")
        client.create_subscription(name=name, topic=client.topic_path(project, topic))
        stream = client.subscribe(name, take)
        try:
            yield
        finally:
            stream.cancel()
            stream.result()
