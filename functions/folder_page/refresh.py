"""Keep a page per folder: index.html and summary.csv beside the receipts. Decision 008 says why so.

A completion event says that a folder's page is stale, and names the receipt to read. Events gather until the
next pass, so a page is made once for all of them; an event is acknowledged when its receipt is on the page.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from functions.folder_page.page import FullFolderError, Page, Results
from jobs.ledger import Ledger
from schemas.messages import PredictionCompleted, UndecodableMessageError
from schemas.storage import ContentDiffersError, ObjectGoneError

MOST_EVENTS = 1000
"""Events that are held at once: as many as can be given back by one call."""

LEVELS = 2
"""Folders above a receipt at least: its input's own and its job's."""

logger = logging.getLogger(__name__)


class Delivery(Protocol):
    """A message that carries a completion event."""

    data: bytes
    attributes: Mapping[str, str]

    def ack(self) -> None:
        """Acknowledge the message."""

    def nack(self) -> None:
        """Give the message back for redelivery."""


class Subscription(Protocol):
    """The subscription that tells of ends."""

    def pulling(self, hold: int, look_seconds: float) -> AbstractContextManager[Iterator[Delivery | None]]:
        """Open it for a block: messages, at most ``hold`` unanswered; None if no message came in time."""


@dataclass(frozen=True)
class StaleReceipt:
    """A receipt that its folder's page may lack, the bucket of its input, and the message that told of it."""

    name: str
    inputs: str
    delivery: Delivery

    @property
    def folder(self) -> str:
        """Return the folder of the page, with its slash: above the input's own folder and its job's."""
        *above, _, _, _ = self.name.split("/")
        return "".join(f"{part}/" for part in above)


@dataclass(frozen=True)
class Pages:
    """The refreshing of pages, and its collaborators.

    A pass has all events when none came for ``look_seconds``. After so many ``seconds`` it begins no page and
    reads no receipt.
    """

    completions: Subscription
    results: Results
    ledger: Ledger
    look_seconds: float
    seconds: float

    def refresh(self) -> None:
        """Do one pass. What cannot be done is logged, and comes again."""
        ends = time.monotonic() + self.seconds
        while self._refresh_some(lambda: time.monotonic() < ends) == MOST_EVENTS:
            if time.monotonic() >= ends:
                return

    def _refresh_some(self, in_time: Callable[[], bool]) -> int:
        """Take messages and answer them; return how many came."""
        with self.completions.pulling(MOST_EVENTS, self.look_seconds) as arriving:
            came = list(_until_none(islice(arriving, MOST_EVENTS)))
            for folder, stale in _by_folder(came).items():
                self._answer(folder, stale, in_time)
        return len(came)

    def _answer(self, folder: str, stale: Sequence[StaleReceipt], in_time: Callable[[], bool]) -> None:
        """Refresh a folder's page; acknowledge what is on it."""
        done: set[str] = set()
        try:
            if in_time():
                done = self._refresh(folder, stale, in_time)
        except FullFolderError:
            logger.exception(
                "page as it was, the folder is too large",
                extra={"action": "page.too_large", "folder": folder},
            )
            done = {receipt.name for receipt in stale}  # to come again would be in vain
        except (ContentDiffersError, ObjectGoneError):
            logger.info(
                "page made by somebody else meanwhile", extra={"action": "page.outrun", "folder": folder}
            )
        except Exception:
            logger.exception("page left for the next pass", extra={"action": "page.left", "folder": folder})
        for receipt in stale:
            if receipt.name in done:
                receipt.delivery.ack()
            else:
                receipt.delivery.nack()

    def _refresh(self, folder: str, stale: Sequence[StaleReceipt], in_time: Callable[[], bool]) -> set[str]:
        """Make the page; return the names of the receipts that need not be told of again."""
        names = [receipt.name for receipt in stale]
        left = Page(folder, self.results, self.ledger).make(names, stale[-1].inputs, in_time)
        if left:
            left.add(names[0])  # one message has to bring the next pass
        return set(names) - left


def _until_none(arriving: Iterator[Delivery | None]) -> Iterator[Delivery]:
    for delivery in arriving:
        if delivery is None:
            return
        yield delivery


def _by_folder(came: Iterable[Delivery]) -> Mapping[str, Sequence[StaleReceipt]]:
    """Sort messages by the folder whose page is stale; acknowledge those that name no folder."""
    folders: dict[str, list[StaleReceipt]] = defaultdict(list)
    for delivery in came:
        receipt = _decoded(delivery)
        if receipt is None:
            delivery.ack()  # it would say no more when it came again
        else:
            folders[receipt.folder].append(receipt)
    return folders


def _decoded(delivery: Delivery) -> StaleReceipt | None:
    """Read a message; None, and a line in the log, where it names no receipt of a folder."""
    try:
        data = PredictionCompleted.decode(delivery.data, delivery.attributes).data
    except UndecodableMessageError:
        logger.exception("not a completion event", extra={"action": "message.undecodable"})
        return None
    _, _, name = data.receipt.removeprefix("gs://").partition("/")
    if name.count("/") < LEVELS:
        logger.error(
            "a receipt of nobody's: %s",
            data.receipt,
            extra={"action": "page.receipt_unknown", "job_id": data.job_id},
        )
        return None
    return StaleReceipt(name, data.source.bucket, delivery)
