"""Follow the ends of jobs as they come: ``dropfold events``."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import click

from dropfold.cloud import Cloud, Delivery, pass_cloud
from dropfold.terminal import clean, tell, write
from schemas.messages import PredictionCompleted, UndecodableMessageError
from schemas.scores import CONFIDENCE

EPILOG = """\b
Examples:
  dropfold events                                    all, from now on, until Ctrl-C
  dropfold events --filter state=FAILED --filter 'batch=run42*'
  dropfold events --filter checks=failed             results whose structures are wrong in something
  dropfold events --json | jq .data.receipt          each as a CloudEvent, one a line
  dropfold events --count 1                          until the next one

\b
It subscribes for itself, and deletes the subscription when it ends. What ended before is not told.
Exit status: 0 after --count events, 2 wrong usage, 130 after Ctrl-C.
"""
NAME = re.compile(r"[A-Za-z][\w-]*", re.ASCII)
LONGEST_FILTER = 256
"""Most bytes of a filter that Pub/Sub takes."""


@dataclass(frozen=True)
class Wanted:
    """One condition: an attribute's value, or its prefix."""

    attribute: str
    value: str
    begins: bool

    @classmethod
    def read(cls, text: str) -> "Wanted":
        """Return the condition ``KEY=VALUE`` or ``KEY=BEGINNING*``. Raises click.BadParameter."""
        attribute, equals, value = text.partition("=")
        if not (equals and NAME.fullmatch(attribute)) or '"' in value or "\\" in value:
            raise click.BadParameter(f"{text!r} is no KEY=VALUE: write state=FAILED, or batch=run42*.")
        return cls(attribute, value.removesuffix("*"), value.endswith("*"))

    def __str__(self) -> str:
        where = f"attributes.{self.attribute}"
        return f'hasPrefix({where}, "{self.value}")' if self.begins else f'{where} = "{self.value}"'

    def holds(self, attributes: Mapping[str, str]) -> bool:
        """Return whether a message is wanted; the Pub/Sub emulator delivers the others as well."""
        value = attributes.get(self.attribute)
        return value is not None and (value.startswith(self.value) if self.begins else value == self.value)


@click.command("events", epilog=EPILOG)
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="KEY=VALUE",
    help="Only events with this attribute (state, checks, batch, ce-type); * ends a start. All must hold.",
)
@click.option("--json", "as_json", is_flag=True, help="Write each event as CloudEvents' JSON, one a line.")
@click.option("--count", type=click.IntRange(1), help="End after so many.")
@pass_cloud
def command(cloud: Cloud, filters: Sequence[str], *, as_json: bool, count: int | None) -> None:
    """Follow jobs as they end, from now on.

    Hears the completion topic: a line for each job that ends.
    """
    wanted = [Wanted.read(text) for text in filters]
    pattern = " AND ".join(map(str, wanted))
    if len(pattern.encode()) > LONGEST_FILTER:
        raise click.UsageError(
            f"These filters make {len(pattern.encode())} bytes; Pub/Sub takes {LONGEST_FILTER}."
        )
    with cloud.following(pattern) as messages:
        tell("Following; Ctrl-C ends it.", "dim")
        for seen, event in enumerate(_events(messages, wanted), 1):
            write(event.model_dump_json() if as_json else _line(event))
            if seen == count:
                break


def _events(messages: Iterable[Delivery | None], wanted: Sequence[Wanted]) -> Iterator[PredictionCompleted]:
    """Yield the events that are wanted, each once, even if it is delivered twice."""
    told: set[str] = set()
    for message in messages:
        if message is None:
            continue
        message.ack()
        event = _decoded(message) if all(each.holds(message.attributes) for each in wanted) else None
        if event and event.id not in told:
            told.add(event.id)
            yield event


def _decoded(message: Delivery) -> PredictionCompleted | None:
    try:
        return PredictionCompleted.decode(message.data, message.attributes)
    except UndecodableMessageError as error:
        tell(str(error).splitlines()[0], "yellow")
        return None


def _line(event: PredictionCompleted) -> str:
    data = event.data
    shown = CONFIDENCE.shown(data.scores)
    scores = f"  {CONFIDENCE.label} {shown}" if shown else ""
    checks = f"  checks {data.checks}" if data.checks else ""
    why = f"  {data.error.code}: {data.error.message}" if data.error else ""
    return clean(
        f"{event.time:%H:%M:%S}  {data.job_id}  {event.state:<10}  {data.source.name}{checks}{scores}{why}"
    )
