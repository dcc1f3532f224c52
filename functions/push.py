"""Push of each requested job to the Service; its message is acknowledged when the job is settled.

The way of ``GPU_WORKER_MODE=sync``. Whatever keeps the Service from it fails the function, so that Pub/Sub
delivers the message again, later each time.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from schemas.messages import CapacityWanted, PredictionRequested, UndecodableMessageError

CAPACITY = CapacityWanted.model_fields["type"].default

logger = logging.getLogger(__name__)


class Service(Protocol):
    """The worker's Service."""

    def push(self, job_id: str) -> None:
        """Push a job and wait until it is settled. Raises whatever prevented it."""


@dataclass(frozen=True)
class Pusher:
    """Pushes what is asked for to the Service."""

    service: Service

    def dispatch(self, data: bytes, attributes: Mapping[str, str]) -> None:
        """Push the job that a message asks for. The sweep's asks for no job: each has its own message."""
        if attributes.get("ce-type") == CAPACITY:
            return
        try:
            job_id = PredictionRequested.decode(data, attributes).data.job_id
        except UndecodableMessageError:
            logger.exception("not a message of ours", extra={"action": "message.undecodable"})
            return
        self.service.push(job_id)
