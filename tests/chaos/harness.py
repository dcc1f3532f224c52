"""A stack in which things break: arms faults, uploads as users do, lets time pass, and looks at what is left.

Nothing is scheduled here but by a scenario: the sweep runs when ``settle`` lets it.
"""

import json
import os
import signal
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TypeVar

from google.auth.credentials import AnonymousCredentials
from google.cloud import run_v2, storage
from google.cloud.pubsub_v1.subscriber.message import Message
from support.inputs import one_protein
from support.loglines import logged
from support.patience import HANG, NEVER, until
from support.processes import alive, state
from support.stack import subscribed, using

from chaos.aftermath import Aftermath, Told, Upload, examine, settled, strays
from chaos.faults import FOLDER, Fault, Faults, Moment, Victim
from chaos.msa import MsaServer, msa_server
from chaos.steps import Step
from gcp.clients import Clients
from gcp.ledger import FirestoreLedger
from gcp.settings import Project
from inputs.size import MAX_TOKENS
from jobs.ledger import ConflictError
from local import parts
from local.parts import Ports
from local.stack import Stack, running
from schemas.job import Job, Lease, State

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
PAPER = ("-m", "chaos.paper_worker")
REAL = ("-m", "worker")
TICK = 0.5
JOB = f"projects/{parts.PROJECT}/locations/{parts.REGION}/jobs/{parts.JOB}"
Client = TypeVar("Client", run_v2.JobsClient, run_v2.ExecutionsClient)
QUICK_STACK = {
    "SETTLE_AFTER_SECONDS": "1",
    "REQUEST_AGAIN_AFTER_SECONDS": "3",
    "COMPARE_AFTER_SECONDS": "0",
    "IDLE_SECONDS": "60",
    "MAX_WORKERS": "2",
    "MAX_TOKENS": str(MAX_TOKENS),
    "CHILD_MEMORY_MIB": "1024",
    "MSA_PAUSE_SECONDS": "0.2",
    "MSA_RETRY_SECONDS": "0.2",
}
"""What the cloud's minutes become; everything else is as the stack has it."""

Record = Callable[[str, object], None]
SEQUENCE = "MKTAYIAK"
INPUT, WITH_MSA = one_protein(SEQUENCE), one_protein(SEQUENCE, "late.a3m")
MSA = ">query\nMKTAYIAK\n>1\nMKTAYLAK\n"
BAD = one_protein("MKT4YIAK")
AMINO_ACIDS = str.maketrans("0123456789abcdef", "ACDEFGHIKLMNPQRS")


def unaligned(*sequences: str) -> str:
    """Return an input of proteins that name no MSA."""
    each = (f"- protein: {{id: {chr(65 + at)}, sequence: {one}}}\n" for at, one in enumerate(sequences))
    return f"sequences:\n{''.join(each)}"


@dataclass
class Chaos:
    """One stack for many scenarios, one after the other. ``dead`` are killed workers, as leases name them.

    ``workers`` are alive when a scenario begins.
    """

    stack: Stack
    faults: Faults
    ledger: FirestoreLedger
    msa: MsaServer
    told: list[Told] = field(default_factory=list)
    uploads: list[Upload] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)
    workers: int = 2

    @property
    def inputs(self) -> storage.Bucket:
        return storage.Client().bucket(self.stack.env["INPUT_BUCKET"])

    @property
    def outputs(self) -> storage.Bucket:
        return storage.Client().bucket(self.stack.env["OUTPUT_BUCKET"])

    @property
    def alignments(self) -> storage.Bucket:
        return storage.Client().bucket(self.stack.env["ALIGNMENTS_BUCKET"])

    def scenario(self) -> "Scenario":
        """Begin a scenario in a folder of its own, with workers alive: one goes on where one is killed."""
        self.faults.disarm()
        self.msa.be_well()
        self.keep_workers()
        return Scenario(self, f"s{uuid.uuid4().hex[:8]}")

    def keep_workers(self) -> None:
        """Start workers where too few are alive: launch does not, while one that sleeps counts as alive."""
        for _ in range(self.workers - len(self.executions())):
            self.run_job()

    def call(self, function: str) -> int:
        """Call a function as Cloud Scheduler does; return its status, 0 where it did not answer."""
        connection = HTTPConnection("127.0.0.1", self.stack.ports.functions[function], timeout=HANG)
        try:
            connection.request("POST", "/")
            return connection.getresponse().status
        except (OSError, HTTPException):
            return 0
        finally:
            connection.close()

    def run_job(self) -> None:
        """Start one more worker, as an operator does."""
        _client(run_v2.JobsClient, self.stack).run_job(name=JOB)

    def executions(self) -> list[str]:
        """Name the executions of the worker that are alive."""
        listed = _client(run_v2.ExecutionsClient, self.stack).list_executions(parent=JOB)
        return [execution.name for execution in listed if not execution.completion_time]

    def end_workers(self) -> None:
        """End all workers, as an operator does."""
        client = _client(run_v2.ExecutionsClient, self.stack)
        for name in self.executions():
            client.cancel_execution(name=name).result(HANG)

    def lapse(self, holders: Collection[str]) -> None:
        """Let two minutes pass for the leases of these workers."""
        past = datetime.now(UTC) - timedelta(seconds=1)
        for upload in self.uploads:
            job = self.ledger.get(upload.job_id)
            if job is not None and job.lease is not None and job.lease.holder in holders:
                try:
                    self.ledger.replace(job.evolve(lease=Lease(holder=job.lease.holder, expires_at=past)))
                except ConflictError:
                    continue


@dataclass
class Scenario:
    """One scenario's files, what it broke, and what was found after.

    ``comparing`` has the bucket compared with the ledger, too, as time passes.
    """

    chaos: Chaos
    folder: str
    started: float = field(default_factory=time.monotonic)
    uploads: list[Upload] = field(default_factory=list)
    armed: dict[str, Fault] = field(default_factory=dict)
    victims: dict[str, Victim] = field(default_factory=dict)
    comparing: bool = False

    def upload(
        self,
        name: str = "a.yaml",
        text: str = INPUT,
        ends: Collection[State] = (State.SUCCEEDED,),
        **options: object,
    ) -> Upload:
        """Upload an input, with a seed of its own unless one is given."""
        chosen = {"seed": uuid.uuid4().int % 2**32} | options
        blob = self.chaos.inputs.blob(f"{self.folder}/{name}")
        blob.metadata = {f"dropfold-{key.replace('_', '-')}": str(value) for key, value in chosen.items()}
        blob.upload_from_string(text)
        upload = Upload(blob.bucket.name, blob.name, int(blob.generation), ends)
        self.uploads.append(upload)
        self.chaos.uploads.append(upload)
        return upload

    def beside(self, name: str, text: str) -> None:
        """Upload a file that is no input."""
        self.chaos.inputs.blob(f"{self.folder}/{name}").upload_from_string(text)

    def delete(self, upload: Upload) -> None:
        """Delete an input."""
        self.chaos.inputs.blob(upload.name).delete()

    def job(self, upload: Upload) -> Job | None:
        """Read an upload's job."""
        return self.chaos.ledger.get(upload.job_id)

    @property
    def sequence(self) -> str:
        """Return a protein that no other scenario has: who aligns it finds nothing of it."""
        return SEQUENCE + self.folder[1:].translate(AMINO_ACIDS)

    @property
    def unaligned(self) -> str:
        """Return an input of it and its reverse, neither of which names an MSA."""
        return unaligned(self.sequence, self.sequence[::-1])

    def logged(self, function: str, action: str) -> int:
        """Count what a function has logged of an action."""
        log = self.chaos.stack.run_dir / "logs" / f"{function}.log"
        return sum(line.get("action") == action for line in logged(log))

    def until_state(self, upload: Upload, state: State) -> None:
        """Wait until an upload's job is in a state, and settled where that is its end."""

        def there() -> bool:
            job = self.job(upload)
            return job is not None and job.state is state and not (state.terminal and job.pending)

        until(there, f"{upload.name} {state}")

    def until_answered(self, upload: Upload) -> None:
        """Wait until the call that took an upload in has answered."""
        log = self.chaos.stack.run_dir / "logs" / "trigger-upload.log"

        def answered() -> bool:
            uri = f"gs://{upload.bucket}/{upload.name}"
            return any((line["message"], line["object"]) == ("delivered", uri) for line in logged(log))

        until(answered, f"{upload.name} taken in")

    def arm(self, fault: Fault) -> str:
        """Have a fault happen in this scenario."""
        name = self.chaos.faults.arm(fault)
        self.armed[name] = fault
        return name

    def disarm(self, name: str) -> None:
        """Take back a fault that nobody met."""
        self.chaos.faults.disarm()
        del self.armed[name]

    def break_at(self, step: Step, moment: Moment) -> str:
        """Have the process that takes a step killed at it."""
        return self.arm(step.fault(moment, self.folder))

    def met(self, name: str) -> bool:
        """Tell whether an armed fault has happened, and remember whom it killed or stopped."""
        if name in self.victims:
            return True
        victim, fault = self.chaos.faults.victim(name), self.armed[name]
        if victim is None or not suffered(fault, victim):
            return False
        self.victims[name] = victim
        if fault.action == "kill":
            self.chaos.dead.add(victim.holder)
        return True

    @property
    def all_met(self) -> bool:
        """Whether all armed faults have happened."""
        return sum(map(self.met, self.armed)) == len(self.armed)  # each is asked: it remembers

    def unmet(self) -> list[str]:
        """Say which armed faults have not happened."""
        left = [fault for name, fault in self.armed.items() if not self.met(name)]
        return [f"{fault.action} {fault.moment} {fault.function} of {fault.process}" for fault in left]

    def until_met(self, name: str) -> Victim:
        """Wait until an armed fault has happened; return to whom."""
        until(lambda: self.met(name), self.unmet)
        return self.victims[name]

    def resume(self) -> None:
        """Let everyone go on who was stopped."""
        for name, victim in self.victims.items():
            if self.armed[name].action == "pause" and alive(victim.pid):
                os.kill(victim.pid, signal.SIGCONT)

    def conclude(self, record: Record, *, sweeping: bool = True) -> None:
        """Settle, look at everything, say what was found, and fail where something is not as it has to be."""
        self.pass_time(lambda: self.all_met, sweeping=sweeping)
        self.resume()
        self.pass_time(self._over, sweeping=sweeping)
        found, seconds = self.examine(), time.monotonic() - self.started
        record("found", f"{found}, killed {len(self.killed)}, {seconds:.1f} s")
        assert not found.problems, "\n".join(found.problems)

    @property
    def killed(self) -> list[Victim]:
        """Return the processes that were killed."""
        return [self.victims[name] for name, fault in self.armed.items() if fault.action == "kill"]

    def pass_time(self, over: Callable[[], bool], *, sweeping: bool = True) -> None:
        """Let time pass until something is over: the leases of the dead run out, the sweep runs."""

        def is_over() -> bool:
            if over():
                return True
            self.chaos.stack.check()
            if sweeping:
                self.chaos.lapse(self.chaos.dead)
                self.chaos.call("on_sweep")
            if self.comparing:
                self.chaos.call("on_compare")
            return False

        until(is_over, lambda: [*self.unmet(), *self.examine().problems], pause=TICK)

    def examine(self) -> Aftermath:
        """Look at what became of this scenario's uploads."""
        chaos = self.chaos
        found = examine(self.uploads, chaos.ledger, chaos.outputs, list(chaos.told))
        names = [blob.name for blob in chaos.outputs.list_blobs(prefix=f"{self.folder}/")]
        stray = [f"a receipt of no upload: {name}" for name in strays(names, self.uploads)]
        return Aftermath(**{**vars(found), "problems": (*found.problems, *stray)})

    def _over(self) -> bool:
        told = {each.job_id for each in list(self.chaos.told)}
        return all(settled(self.job(upload)) and upload.job_id in told for upload in self.uploads)


def _client(kind: type[Client], stack: Stack) -> Client:
    return kind(
        transport="rest",
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": parts.url(stack.ports.run_jobs)},
    )


def suffered(fault: Fault, victim: Victim) -> bool:
    """Tell whether a fault has had its effect on whoever took it upon itself."""
    return {"kill": not alive(victim.pid), "pause": state(victim.pid) == "T"}.get(fault.action, True)


@contextmanager
def breaking(
    folder: Path, worker: tuple[str, ...], detour: Callable[[Ports], Ports | None] = lambda _ports: None
) -> Iterator[Chaos]:
    """Run a stack whose processes meet faults."""
    with ExitStack() as kept:
        msa = kept.enter_context(msa_server())
        chosen = _environment(folder, worker) | {"MSA_SERVER_URL": msa.url}
        with using(chosen):  # the parts keep what they were started with
            started = running(folder, worker=worker, tick_seconds=NEVER, detour=detour)
            stack = kept.enter_context(started)
        with using(stack.env):  # and so do clients
            told, jobs = kept.enter_context(_listening()), _ledger(stack)
        yield Chaos(stack, Faults(folder / "faults"), jobs, msa, told)


def _environment(folder: Path, worker: tuple[str, ...]) -> dict[str, str]:
    path = os.pathsep.join(map(str, (TESTS, TESTS / "chaos" / "injection")))
    weights = {"BOLTZ_CACHE": str(_no_weights(folder / "weights"))} if worker == PAPER else {}
    return {**QUICK_STACK, **weights, FOLDER: str(folder / "faults"), "PYTHONPATH": path}


def _no_weights(folder: Path) -> Path:
    """Make a folder that counts as one with weights, so that none are built."""
    folder.mkdir(parents=True)
    (folder / "boltz2_conf.ckpt").touch()
    return folder


def _ledger(stack: Stack) -> FirestoreLedger:
    settings = Project(
        google_cloud_project=stack.env["GOOGLE_CLOUD_PROJECT"],
        input_bucket=stack.env["INPUT_BUCKET"],
        output_bucket=stack.env["OUTPUT_BUCKET"],
    )
    return Clients(settings).ledger()


@contextmanager
def _listening() -> Iterator[list[Told]]:
    """Collect what the completion topic says while the block runs."""
    told: list[Told] = []

    def take(message: Message) -> None:
        job = json.loads(message.data)["job_id"]
        told.append(Told(job, message.attributes["ce-id"], message.data))

    with subscribed(parts.PROJECT, "predictions-completed", take):
        yield told
