"""The connections of the parts, read from eventarc/topology.yaml, which the Terraform plan reads too."""

from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

PATH = Path(__file__).resolve().parents[1] / "eventarc" / "topology.yaml"


Signature = Literal["cloudevent", "http"]
"""Signature type of a function in functions-framework."""


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


When = Literal["msa_server"]
"""Parts that a deployment may do without."""


class Topic(_Closed):
    """A Pub/Sub topic; ``when`` names the part without which there is none."""

    when: When | None = None


class Delivery(_Closed):
    """Policy of delivery: retries, with times in seconds, and the dead-letter topic."""

    ack_deadline: int = Field(ge=10, le=600)
    retention: int = Field(ge=600, le=604800)
    minimum_backoff: int | None = Field(None, ge=0, le=600)
    maximum_backoff: int | None = Field(None, ge=0, le=600)
    max_delivery_attempts: int | None = Field(None, ge=5, le=100)
    dead_letter_topic: str | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.minimum_backoff is None) != (self.maximum_backoff is None):
            raise ValueError("minimum_backoff and maximum_backoff come together")
        if (self.max_delivery_attempts is None) != (self.dead_letter_topic is None):
            raise ValueError("max_delivery_attempts and dead_letter_topic come together")
        return self


class Subscription(Delivery):
    """A Pub/Sub subscription; with ``push`` it calls that function, else it is pulled."""

    topic: str
    push: str | None = None
    filter: str | None = Field(None, max_length=256)
    when: When | None = None
    exactly_once: bool = False

    @model_validator(mode="after")
    def _pulled(self) -> Self:
        if self.push and self.exactly_once:
            raise ValueError("exactly_once is for subscriptions that are pulled")
        return self


class Trigger(Delivery):
    """An Eventarc trigger: events of this type in this bucket call the function ``push``."""

    event: str
    bucket: Literal["input", "output"]
    push: str


class Schedule(_Closed):
    """A Cloud Scheduler job: calls the function ``push`` at an interval in seconds."""

    push: str
    every: int = Field(ge=1)


class Topology(_Closed):
    """The whole of eventarc/topology.yaml."""

    topics: dict[str, Topic]
    subscriptions: dict[str, Subscription]
    triggers: dict[str, Trigger]
    schedules: dict[str, Schedule]

    @property
    def functions(self) -> dict[str, Signature]:
        """Functions that anything calls, with the signature that the caller needs."""
        events = [*(t.push for t in self.triggers.values()), *(s.push for s in self.subscriptions.values())]
        called: dict[str, Signature] = {name: "cloudevent" for name in events if name}
        return called | {schedule.push: "http" for schedule in self.schedules.values()}


def load(path: Path = PATH, *, msa_server: bool = True) -> Topology:
    """Return the topology, checked, with or without what an MSA server needs. Raises ValidationError."""
    whole = Topology.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    if msa_server:
        return whole
    return whole.model_copy(
        update={
            "topics": {name: each for name, each in whole.topics.items() if not each.when},
            "subscriptions": {name: each for name, each in whole.subscriptions.items() if not each.when},
        }
    )
