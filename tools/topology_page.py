"""Draw the connections of the parts: ``python -m tools.topology_page > docs/topology.md``."""

import sys
from collections.abc import Iterator

from local import topology
from local.topology import Topology

HEAD = """# How the parts are connected

Drawn by `make schemas` from `eventarc/topology.yaml`, which the local stack and the Terraform plan both read;
a test compares the two. Boxes are functions and workers, rounded ones topics; on an arrow stands the
subscription, trigger or schedule. Dotted: what nobody took after so many deliveries.
"""
PULLED_BY = {"work": "worker", "pages": "on_sweep"}
"""Subscribers that pull; the topology names only functions that are pushed to."""


def page() -> str:
    """Return the page: a Mermaid flowchart."""
    return "\n".join([HEAD, "```mermaid", "flowchart LR", *_lines(topology.load()), "```", ""])


def _lines(known: Topology) -> Iterator[str]:
    yield from (f"    {name}([{name}])" for name in known.topics)
    for name, trigger in known.triggers.items():
        yield f"    {trigger.bucket}[({trigger.bucket} bucket)] -->|{name}| {trigger.push}"
        yield f"    {trigger.push} -.->|{name}, {trigger.max_delivery_attempts}| {trigger.dead_letter_topic}"
    for name, schedule in known.schedules.items():
        yield f"    clock((clock)) -->|{name}, {schedule.every} s| {schedule.push}"
    for name, subscription in known.subscriptions.items():
        taker = subscription.push or PULLED_BY[name]
        yield f"    {subscription.topic} -->|{name}| {taker}"
        if subscription.dead_letter_topic:
            attempts = subscription.max_delivery_attempts
            yield f"    {taker} -.->|{name}, {attempts}| {subscription.dead_letter_topic}"
    yield "    on_request -->|starts| worker"
    yield "    predictions-completed -->|yours| you"


if __name__ == "__main__":
    sys.stdout.write(page())
