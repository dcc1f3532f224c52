"""What Pub/Sub does with what is told of files: each message calls the function that lets jobs go on."""

from functions.intake import Intake
from functions.wake import Wake
from support.fakes import MemoryTopic


def deliver(arrivals: MemoryTopic, intake: Intake, seconds: float = 60, **batch: int) -> int:
    """Deliver all that has been told, and what is told meanwhile; return how many calls that were."""
    calls = 0
    while arrivals.messages:
        message = arrivals.messages.pop(0)
        Wake(intake.waiting, arrivals, seconds, **batch).take_up(message.data, message.attributes)
        calls += 1
    return calls
