"""Inputs of the model: figures and prices with their sources, and the product's own settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from functions.settings import LaunchSettings
from worker.settings import WorkerSettings

HERE = Path(__file__).parent
TOPOLOGY = HERE.parents[1] / "eventarc" / "topology.yaml"


class Strict(BaseModel):
    """Base of the data files' models: a mistyped name is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Figure(Strict):
    """A number, its source and its reliability."""

    value: float
    unit: str
    kind: Literal["measured", "documented", "reported", "claimed", "assumed"]
    source: str


class Price(Strict):
    """A list price in USD."""

    usd: float
    unit: str
    source: str
    checked: str


class PriceTable(Strict):
    """Prices, and the date when they were read."""

    read: date
    prices: Mapping[str, Price]


@dataclass(frozen=True)
class Times:
    """Times in seconds, except where a name says otherwise."""

    schedule_seconds: float
    platform_seconds: float
    process_seconds: float
    stock_process_seconds: float
    first_use_seconds: float
    runtime_install_seconds: float
    install_seconds: float
    download_gigabytes: float
    download_gigabytes_per_second: float
    prepare_seconds: float
    write_seconds: float
    device_seconds: float
    device_seconds_at_512: float
    losses_per_hour: float
    request_seconds: float
    pending_seconds: float
    service_idle_seconds: float
    task_seconds: float

    @property
    def start_seconds(self) -> float:
        """Billed seconds from a container of the pre-baked image to a warm model."""
        return self.platform_seconds + self.process_seconds + self.first_use_seconds

    def turn(self, tokens: int) -> float:
        """Seconds that the device needs for an input."""
        return self.device_seconds + self.device_seconds_at_512 * (tokens / 512) ** 2


@dataclass(frozen=True)
class Limits:
    """Limits, as numbers of things."""

    gpus: float
    concurrency: float
    vcpus: float
    memory_gib: float


@dataclass(frozen=True)
class Habits:
    """Habits of people who drop files; "per day" is per user and working day."""

    singles_per_day: float
    batches_per_day: float
    smallest_batch: float
    largest_batch: float
    before_lunch: float
    opens_hour: float
    closes_hour: float
    between_files_seconds: float
    median_tokens: float
    sigma_tokens: float
    most_tokens: float


@dataclass(frozen=True)
class Footprint:
    """Resources of a file beside its GPU, per file unless a name says otherwise."""

    pubsub_requests: float
    firestore_writes: float
    firestore_reads: float
    class_a_operations: float
    class_b_operations: float
    output_gigabytes: float
    kept_months: float
    function_calls: float
    sweeps_per_month: float
    reads_per_sweep: float
    function_seconds: float
    image_gigabytes: float


@dataclass(frozen=True)
class Warm:
    """Settings of the product's workers and of launch, as their code has them."""

    max_workers: int = LaunchSettings.model_fields["max_workers"].default
    jobs_per_worker: int = LaunchSettings.model_fields["jobs_per_worker"].default
    decision_seconds: float = LaunchSettings.model_fields["decision_seconds"].default
    idle_seconds: float = WorkerSettings.model_fields["idle_seconds"].default
    prediction_seconds: float = WorkerSettings.model_fields["prediction_seconds"].default
    read_seconds: float = WorkerSettings.model_fields["read_seconds"].default
    task_seconds: float = WorkerSettings.model_fields["task_seconds"].default

    @property
    def take_seconds(self) -> float:
        """Time after its start during which a worker takes new work, as in worker/__main__.py."""
        return self.task_seconds - self.prediction_seconds - self.read_seconds


@dataclass(frozen=True)
class Redelivery:
    """Policy of redelivery in Pub/Sub, and the interval of the sweep: eventarc/topology.yaml."""

    minimum_backoff: float
    maximum_backoff: float
    max_delivery_attempts: int
    sweep_seconds: float


def figures() -> dict[str, dict[str, Figure]]:
    """Return figures.yaml by section and name. Raises pydantic.ValidationError."""
    sections = yaml.safe_load((HERE / "figures.yaml").read_text())
    return {
        section: {name: Figure.model_validate(figure) for name, figure in named.items()}
        for section, named in sections.items()
    }


def _values(section: str) -> dict[str, float]:
    return {name: figure.value for name, figure in figures()[section].items()}


def times() -> Times:
    """Return the times."""
    return Times(**_values("times"))


def limits() -> Limits:
    """Return the limits."""
    return Limits(**_values("limits"))


def habits() -> Habits:
    """Return the habits."""
    return Habits(**_values("load"))


def footprint() -> Footprint:
    """Return the footprint of a file."""
    return Footprint(**_values("footprint"))


def prices() -> PriceTable:
    """Return prices.yaml. Raises pydantic.ValidationError."""
    return PriceTable.model_validate(yaml.safe_load((HERE / "prices.yaml").read_text()))


def redelivery() -> Redelivery:
    """Return the settings of the product's own subscription."""
    topology = yaml.safe_load(TOPOLOGY.read_text())
    work = topology["subscriptions"]["work"]
    return Redelivery(
        minimum_backoff=work["minimum_backoff"],
        maximum_backoff=work["maximum_backoff"],
        max_delivery_attempts=work["max_delivery_attempts"],
        sweep_seconds=topology["schedules"]["sweep"]["every"],
    )
