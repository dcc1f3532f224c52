"""The parts of the product, connected as eventarc/topology.yaml says."""

import json
from functools import cache, partial
from pathlib import Path

from support.fakes import MemoryBucket

from local import topology
from schemas.job import Job, State
from schemas.messages import CapacityWanted, Message
from simulation.cloud import DELETED, FINALIZED, Inputs, WorkerJob
from simulation.functions import Function
from simulation.ledger import NotedLedger
from simulation.parts import Parts
from simulation.pubsub import Pull, Push, Subscription, Topic
from simulation.stand_ins import at
from simulation.world import World

CAPACITY = CapacityWanted.model_fields["type"].default

connections = cache(topology.load)


class Product:
    """All of it, as people see it: buckets, a command, and what happens by itself."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.ledger = world, NotedLedger(world)
        self.requests, self.completions, self._dead, arrivals, wanted = (Topic(self._about) for _ in range(5))
        finalized, deleted = Topic(self._about), Topic(self._about)
        self.inputs = Inputs(world, {FINALIZED: finalized, DELETED: deleted})
        self.outputs = MemoryBucket("out", uploaded_at=at(0))
        self._alignments = MemoryBucket("alignments", uploaded_at=at(0))
        self._parts = parts = Parts(
            world=world,
            ledger=self.ledger,
            inputs=self.inputs,
            outputs=self.outputs,
            alignments=self._alignments,
            requests=self.requests,
            completions=self.completions,
            arrivals=arrivals,
            wanted=wanted,
            folder=folder,
        )
        self._queue = self._pulled("work", self.requests)
        self.workers = WorkerJob(world, partial(parts.work, self._queue))
        self._subscriptions = [
            self._pushed("upload", finalized, Function(world, "on_upload", parts.on_upload)),
            self._pushed("delete", deleted, Function(world, "on_delete", parts.on_delete)),
            self._pushed("wake", arrivals, Function(world, "on_wake", parts.on_wake)),
            self._pushed("dead", self._dead, Function(world, "on_dead", parts.on_dead)),
            self._pushed("align", wanted, Function(world, "on_align", parts.on_align, single=True)),
            self._pushed("launch", self.requests, self._launch()),
            self._queue,
        ]
        self.sweep = Function(world, "on_sweep", parts.on_sweep)
        self.compare = Function(world, "on_compare", parts.on_compare)
        self.command = Function(world, "dropfold", parts.command)

    @property
    def settled(self) -> bool:
        """Tell whether nothing is left to happen."""
        return self._quiet and all(map(_is_settled, self.ledger.all()))

    @property
    def rests(self) -> bool:
        """Tell whether nothing happens before somebody uploads a file, or a job has waited for too long."""
        jobs = self.ledger.all()
        return self._quiet and all(job.state is State.WAITING or _is_settled(job) for job in jobs)

    @property
    def _quiet(self) -> bool:
        return self.workers.idle and not any(each.busy for each in self._subscriptions)

    def forget(self) -> None:
        """Delete all alignments, as their bucket's rule does in time."""
        self._alignments.objects.clear()
        self.world.facts.forgotten += 1

    def _launch(self) -> Function:
        """Return on_request, of which eventarc/functions.tf allows one instance."""
        build = partial(self._parts.on_request, self.workers)
        return Function(self.world, "on_request", build, single=True)

    def _pushed(self, name: str, topic: Topic, function: Function) -> Subscription:
        made = connections()
        how = made.triggers[name] if name in made.triggers else made.subscriptions[name]
        topic.subscriptions.append(Push(self.world, name, how, self._dead, function))
        return topic.subscriptions[-1]

    def _pulled(self, name: str, topic: Topic) -> Pull:
        queue = Pull(self.world, name, connections().subscriptions[name], self._dead, _asks_for_a_job)
        topic.subscriptions.append(queue)
        return queue

    def _about(self, message: Message) -> str:
        """Name a message in a story by the upload that it is about."""
        data = json.loads(message.data)
        if "generation" in data:
            return f"{data['name']}#{data['generation']}"
        if "after" in data:
            return f"{data['name']} is there"
        return self.world.facts.label(data["job_id"]) if "job_id" in data else "bell"


def _is_settled(job: Job) -> bool:
    return job.state.terminal and not job.pending


def _asks_for_a_job(message: Message) -> bool:
    """Tell whether a message passes the filter of the workers' subscription."""
    return bool(message.attributes["ce-type"] != CAPACITY)
