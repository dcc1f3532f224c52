"""How a scenario brings a process to the step at which it is to be killed."""

from collections.abc import Callable, Mapping
from http import HTTPStatus

import requests
from google.cloud import pubsub_v1
from support.answering import Reply
from support.patience import HANG

from chaos.faults import Fault
from chaos.harness import BAD, MSA, WITH_MSA, Scenario
from chaos.msa import UNWELL
from chaos.steps import CLAIM, READ, REPLACE, UPLOAD, Situation
from functions.dead_letters import GIVEN_UP_BY
from local import parts
from schemas.job import State
from schemas.messages import PredictionRequested

Break = Callable[[], object]
"""Arms the fault that the scenario is about: from then on it may happen."""


def upload(scenario: Scenario, arm: Break) -> None:
    """Upload an input."""
    arm()
    scenario.upload()


def equal(scenario: Scenario, arm: Break) -> None:
    """Upload what was predicted before: its outputs are copied."""
    first = scenario.upload(seed=7)
    scenario.until_state(first, State.SUCCEEDED)
    arm()
    scenario.upload("b.yaml", seed=7)


def failing(scenario: Scenario, arm: Break) -> None:
    """Have an attempt fail, so that the worker gives the job back."""
    scenario.arm(Fault(UPLOAD, "before", "worker", f"{scenario.folder}/", nth=2, action="fail"))
    upload(scenario, arm)


def rejected(scenario: Scenario, arm: Break) -> None:
    """Upload an input that is refused."""
    arm()
    scenario.upload(text=BAD, ends={State.REJECTED})


def arrival(scenario: Scenario, arm: Break) -> None:
    """Upload an input, then the alignment that it waits for."""
    scenario.until_answered(scenario.upload(text=WITH_MSA))  # which looks once more at its end
    arm()
    scenario.beside("late.a3m", MSA)


def deleted(scenario: Scenario, arm: Break) -> None:
    """Delete an input that waits for a file."""
    waiting = scenario.upload(text=WITH_MSA, ends={State.CANCELLED})
    scenario.until_state(waiting, State.WAITING)
    arm()
    scenario.delete(waiting)


def overwritten(scenario: Scenario, arm: Break) -> None:
    """Overwrite an input that waits for a file."""
    waiting = scenario.upload(text=WITH_MSA, ends={State.SUPERSEDED})
    scenario.until_state(waiting, State.WAITING)
    arm()
    scenario.upload()


def freed(scenario: Scenario, arm: Break) -> None:
    """Have the worker die that runs the job; its lease runs out."""
    killed = scenario.arm(Fault(CLAIM, "after", "worker", f"{scenario.folder}/"))
    scenario.upload()
    scenario.until_met(killed)
    arm()


def unsettled(scenario: Scenario, arm: Break) -> None:
    """Have the worker die between the job's end and its receipt."""
    about = f"{scenario.folder}/.* SUCCEEDED pending=RECEIPT,EVENT;"
    killed = scenario.arm(Fault(REPLACE, "after", "worker", about))
    scenario.upload()
    scenario.until_met(killed)
    arm()


def request_lost(scenario: Scenario, arm: Break) -> None:
    """Have the worker that got the request do nothing about it, until the sweep asks again."""
    _unserved(scenario)
    arm()


def given_up(scenario: Scenario, arm: Break) -> None:
    """Have Pub/Sub give up on the request for a job."""
    _unserved(scenario)
    arm()
    give_up(scenario)


def upload_given_up(scenario: Scenario, arm: Break) -> None:
    """Have Pub/Sub give up on the event of an upload that intake is slow with."""
    slow = scenario.arm(Fault(READ, "before", "on_upload", f"{scenario.folder}/", action="pause"))
    arm()
    given = scenario.upload()
    scenario.until_met(slow)
    resource = f"{scenario.chaos.stack.env['STORAGE_EMULATOR_HOST']}/storage/v1/b/{given.bucket}/o/"
    answer = requests.get(resource + given.name.replace("/", "%2F"), timeout=HANG)
    answer.raise_for_status()
    _publish_dead(answer.content, {"eventType": "OBJECT_FINALIZE"})


def reference_gone(scenario: Scenario, arm: Break) -> None:
    """Delete the alignment of an input before its worker has fetched it."""
    scenario.beside("late.a3m", MSA)
    begun = scenario.arm(Fault(READ, "before", "worker", f"{scenario.folder}/", action="pause"))
    arm()
    scenario.upload(text=WITH_MSA, ends={State.FAILED})
    scenario.until_met(begun)
    scenario.chaos.inputs.blob(f"{scenario.folder}/late.a3m").delete()
    scenario.resume()


def expired(scenario: Scenario, arm: Break) -> None:
    """Let a day pass for an input that waits for a file."""
    waiting = scenario.upload(text=WITH_MSA, ends={State.REJECTED})
    scenario.until_state(waiting, State.WAITING)
    arm()
    job = scenario.job(waiting)
    assert job is not None
    scenario.chaos.ledger.replace(job.evolve(wait_until=job.created_at))
    scenario.comparing = True


def unaligned(scenario: Scenario, arm: Break) -> None:
    """Upload an input of two proteins that name no MSA."""
    arm()
    scenario.upload(text=scenario.unaligned)


def alignment_wanted(scenario: Scenario, arm: Break) -> None:
    """Have the MSA server down while an input lacks alignments."""
    scenario.chaos.msa.says(UNWELL)
    waiting = scenario.upload(text=scenario.unaligned)
    scenario.until_state(waiting, State.ALIGNING)
    arm()
    scenario.pass_time(lambda: scenario.all_met)
    scenario.chaos.msa.be_well()


def alignment_refused(scenario: Scenario, arm: Break) -> None:
    """Have the MSA server refuse the proteins of an input."""
    scenario.chaos.msa.says(Reply(b"not these", HTTPStatus.BAD_REQUEST))
    arm()
    scenario.upload(text=scenario.unaligned, ends={State.FAILED})


def alignment_late(scenario: Scenario, arm: Break) -> None:
    """Let a day pass for an input whose MSA server is down."""
    scenario.chaos.msa.says(UNWELL)
    waiting = scenario.upload(text=scenario.unaligned, ends={State.FAILED})
    scenario.until_state(waiting, State.ALIGNING)
    arm()
    job = scenario.job(waiting)
    assert job is not None
    scenario.chaos.ledger.replace(job.evolve(wait_until=job.created_at))
    scenario.comparing = True


def alignment_gone(scenario: Scenario, arm: Break) -> None:
    """Delete the alignments of an input before its worker has fetched them."""
    scenario.until_state(scenario.upload(text=scenario.unaligned), State.SUCCEEDED)
    begun = scenario.arm(Fault(READ, "before", "worker", f"{scenario.folder}/", action="pause"))
    arm()
    scenario.upload("b.yaml", scenario.unaligned)
    scenario.until_met(begun)
    for blob in scenario.chaos.alignments.list_blobs():
        blob.delete()
    scenario.resume()


def no_worker(scenario: Scenario, arm: Break) -> None:
    """Upload an input when no worker is alive."""
    scenario.chaos.end_workers()
    arm()
    scenario.upload()


def give_up(scenario: Scenario) -> None:
    """Have Pub/Sub give up on the request for the last upload's job."""
    job = scenario.job(scenario.uploads[-1])
    assert job is not None
    request = PredictionRequested.of(job).encode()
    _publish_dead(request.data, {**request.attributes, GIVEN_UP_BY: "work"})


def _unserved(scenario: Scenario) -> None:
    stopped = scenario.arm(Fault(READ, "before", "worker", f"{scenario.folder}/", action="pause"))
    scenario.upload()
    scenario.until_met(stopped)


def _publish_dead(data: bytes, attributes: Mapping[str, str]) -> None:
    with pubsub_v1.PublisherClient() as publisher:
        publisher.publish(publisher.topic_path(parts.PROJECT, "dropfold-dead"), data, **attributes).result(
            HANG
        )


SITUATIONS: Mapping[Situation, Callable[[Scenario, Break], None]] = {
    "upload": upload,
    "equal": equal,
    "failing": failing,
    "rejected": rejected,
    "arrival": arrival,
    "deleted": deleted,
    "overwritten": overwritten,
    "freed": freed,
    "unsettled": unsettled,
    "request lost": request_lost,
    "given up": given_up,
    "upload given up": upload_given_up,
    "no worker": no_worker,
    "reference gone": reference_gone,
    "expired": expired,
    "unaligned": unaligned,
    "alignment wanted": alignment_wanted,
    "alignment refused": alignment_refused,
    "alignment late": alignment_late,
    "alignment gone": alignment_gone,
}
