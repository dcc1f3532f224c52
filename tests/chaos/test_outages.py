"""Firestore, Pub/Sub or Cloud Storage cannot be reached for a while; inputs arrive and are worked on."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

import pytest
from support.stack import using

from chaos.door import Door, Trouble
from chaos.harness import PAPER, Chaos, Record, breaking
from local.parts import Ports

SECONDS = 5.0
SERVICES = {"firestore": "Firestore", "pubsub": "Pub/Sub", "storage": "Cloud Storage"}


@dataclass
class Doors:
    """A door before each emulator, for the product; everybody else goes round them."""

    chaos: Chaos
    doors: dict[str, Door] = field(default_factory=dict)


@pytest.fixture
def house(house_with_doors: Doors) -> Iterator[Doors]:
    with using(house_with_doors.chaos.stack.env):
        yield house_with_doors


@pytest.fixture(scope="module")
def house_with_doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    doors: dict[str, Door] = {}

    def detour(ports: Ports) -> Ports:
        doors.update({name: Door(getattr(ports, name)) for name in SERVICES})
        pubsub, firestore, storage = (doors[name].port for name in ("pubsub", "firestore", "storage"))
        return replace(ports, pubsub=pubsub, firestore=firestore, storage=storage)

    with ExitStack() as built:
        folder: Path = tmp_path_factory.mktemp("house")
        chaos = built.enter_context(breaking(folder, PAPER, detour))
        for door in doors.values():
            built.enter_context(closing(door))
        yield Doors(chaos, doors)


@pytest.mark.whole
@pytest.mark.parametrize("kind", get_args(Trouble))
@pytest.mark.parametrize("service", SERVICES)
def test_outage(house: Doors, record: Record, service: str, kind: Trouble) -> None:
    """A service is out for five seconds, in which inputs arrive; others are being worked on as it begins."""
    record("scenario", f"{SERVICES[service]} {kind} for {SECONDS:g} s")
    scenario = house.chaos.scenario()
    scenario.upload("first.yaml")
    with house.doors[service].trouble(kind):
        for number in range(3):
            scenario.upload(f"{number}.yaml")
            time.sleep(SECONDS / 3)
    scenario.conclude(record)
