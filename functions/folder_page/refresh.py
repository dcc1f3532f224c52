"""Keep a page per folder: index.html and summary.csv beside the receipts. Decision 008 says why so.

A completion event says that a folder's page is stale, and names the receipt to read. Events gather until the
next pass, so a page is made once for all of them; an event is acknowledged when its receipt is on the page.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Protocol

from pydantic import ValidationError

from functions.folder_page import render, rows
from functions.folder_page.rows import Row
from jobs.ledger import Ledger
from schemas.messages import PredictionCompleted, UndecodableMessageError
from schemas.receipt import MAX_RECEIPT_BYTES, RECEIPT, Receipt
from schemas.storage import ContentDiffersError, ObjectGoneError, ObjectTooLargeError

MOST_EVENTS = 1000
"""Events that are held at once: as many as can be given back by one call."""

MOST_UNFINISHED = 10_000
"""Up to which unfinished jobs are counted: a read of the ledger per thousand."""

LEVELS = 2
"""Folders above a receipt at least: its input's own and its job's."""

READERS = 16
READ_AT_ONCE = 160
MOST_CSV_BYTES = 16 * 1024 * 1024
"""Some 45,000 rows of usual names, for which a function has memory. A larger folder keeps its last page."""

logger = logging.getLogger(__name__)


class FullFolderError(Exception):
    """A folder has more rows than a table may have; it keeps the page that it has."""


class Event(Protocol):
    """A delivery of a completion event."""

    data: bytes
    attributes: Mapping[str, str]

    def ack(self) -> None:
        """Say that it is dealt with."""

    def nack(self) -> None:
        """Ask for it to come again."""


class Events(Protocol):
    """The subscription that tells of ends."""

    def pulling(self, hold: int, look_seconds: float) -> AbstractContextManager[Iterator[Event | None]]:
        """Open it for a block: events, at most ``hold`` unanswered; None where none came for so long."""


class Results(Protocol):
    """The output bucket."""

    def named(self, prefix: str, ending: str) -> Iterator[str]:
        """List the names that begin and end so."""

    def generation(self, name: str) -> int | None:
        """Return the generation of the object that has this name now, or None where there is none."""

    def read(self, name: str, generation: int | None, limit: int) -> bytes:
        """Read a generation, or whichever is there. Raises ObjectGoneError, ObjectTooLargeError."""

    def replace(self, name: str, body: bytes, content_type: str, over: int) -> None:
        """Write over this generation, 0 for none. Raises ContentDiffersError where another is there."""


@dataclass(frozen=True)
class Told:
    """What one event says, and its delivery: the receipt's name, and the bucket of the input."""

    receipt: str
    inputs: str
    event: Event

    @property
    def folder(self) -> str:
        """Return the folder of the page, with its slash: above the input's own folder and its job's."""
        *above, _, _, _ = self.receipt.split("/")
        return "".join(f"{part}/" for part in above)


@dataclass(frozen=True)
class Pages:
    """What pages are made from.

    A pass has all events when none came for ``look_seconds``. After so many ``seconds`` it begins no page and
    reads no receipt.
    """

    events: Events
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
        """Take events and answer them; return how many came."""
        with self.events.pulling(MOST_EVENTS, self.look_seconds) as arriving:
            came = list(_until_none(islice(arriving, MOST_EVENTS)))
            folders: dict[str, list[Told]] = defaultdict(list)
            for told in filter(None, map(_told, came)):
                folders[told.folder].append(told)
            for folder, stale in folders.items():
                self._answer(folder, stale, in_time)
        return len(came)

    def _answer(self, folder: str, stale: Sequence[Told], in_time: Callable[[], bool]) -> None:
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
            done = {told.receipt for told in stale}  # to come again would be in vain
        except (ContentDiffersError, ObjectGoneError):
            logger.info(
                "page made by somebody else meanwhile", extra={"action": "page.outrun", "folder": folder}
            )
        except Exception:
            logger.exception("page left for the next pass", extra={"action": "page.left", "folder": folder})
        for told in stale:
            if told.receipt in done:
                told.event.ack()
            else:
                told.event.nack()

    def _refresh(self, folder: str, stale: Sequence[Told], in_time: Callable[[], bool]) -> set[str]:
        """Make the page; return the names of the receipts that need not be told of again.

        Raises what storage and ledger raise, FullFolderError, ContentDiffersError where another was faster.
        """
        table, html = f"{folder}summary.csv", f"{folder}index.html"
        over_table, over_html = (self.results.generation(name) or 0 for name in (table, html))
        known = self._remembered(folder, table, over_table)
        paths = [told.receipt.removeprefix(folder) for told in stale]
        known = {path: Row.unread(path) for path in paths} | known
        read = self._read(folder, [path for path, row in known.items() if row.state is None], in_time)
        known = {path: row for path in known if (row := read.get(path, known[path]))}
        in_order = rows.in_order(known.values())
        self.results.replace(table, _encoded(in_order), "text/csv; charset=utf-8", over_table)
        content = self._page(folder, stale[-1].inputs, in_order)
        self.results.replace(html, content, "text/html; charset=utf-8", over_html)
        left = {folder + path for path, row in known.items() if row.state is None}
        logger.info(
            "page made",
            extra={"action": "page.made", "folder": folder, "rows": len(known), "unread": len(left)},
        )
        on_page = {told.receipt for told in stale} - left
        return on_page - {stale[0].receipt} if left else on_page  # one has to bring the next pass

    def _remembered(self, folder: str, table: str, generation: int) -> dict[str, Row]:
        """Return the last page's rows by their receipts; without one, room for all receipts."""
        if generation:
            try:
                found = rows.decode(self.results.read(table, generation, MOST_CSV_BYTES))
            except ObjectTooLargeError as error:
                raise FullFolderError(str(error)) from error
            except ValueError:
                logger.warning(
                    "not a table of ours, made anew",
                    extra={"action": "page.table_unreadable", "object": table},
                    exc_info=True,
                )
            else:
                return {row.receipt: row for row in found}
        names = (name.removeprefix(folder) for name in self.results.named(folder, f"/{RECEIPT}"))
        return {path: Row.unread(path) for path in names if path.count("/") == _DEPTH}

    def _read(self, folder: str, paths: Sequence[str], in_time: Callable[[], bool]) -> dict[str, Row | None]:
        """Read as many receipts as there is time for; None is what cannot be shown."""
        read: dict[str, Row | None] = {}
        with ThreadPoolExecutor(READERS) as pool:
            for start in range(0, len(paths), READ_AT_ONCE):
                if not in_time():
                    break
                some = paths[start : start + READ_AT_ONCE]
                read |= zip(some, pool.map(partial(self._row, folder), some), strict=True)
        return read

    def _row(self, folder: str, path: str) -> Row | None:
        try:
            body = self.results.read(folder + path, None, MAX_RECEIPT_BYTES)
            return Row.of(path, Receipt.decode(body))
        except (ObjectGoneError, ObjectTooLargeError, ValidationError):
            logger.exception(
                "no receipt that can be shown",
                extra={"action": "page.receipt_unreadable", "object": folder + path},
            )
            return None

    def _page(self, folder: str, inputs: str, in_order: Sequence[Row]) -> bytes:
        count = self.ledger.count_unfinished(inputs, folder, MOST_UNFINISHED)
        said = f"{count:,}" if count < MOST_UNFINISHED else f"{count:,} or more"
        return render.render(folder, in_order, said, count, datetime.now(UTC)).encode()


_DEPTH = 2  # NAME/JOB_ID/receipt.json


def _encoded(in_order: Sequence[Row]) -> bytes:
    """Write the table. Raises FullFolderError where the next pass could not read it."""
    content = rows.encode(in_order)
    if len(content) > MOST_CSV_BYTES:
        raise FullFolderError(f"{len(in_order)} rows take {len(content)} bytes, more than {MOST_CSV_BYTES}")
    return content


def _until_none(arriving: Iterator[Event | None]) -> Iterator[Event]:
    for event in arriving:
        if event is None:
            return
        yield event


def _told(event: Event) -> Told | None:
    """Read an event; one that nobody can read is dropped."""
    try:
        data = PredictionCompleted.decode(event.data, event.attributes).data
    except UndecodableMessageError:
        logger.exception("not a completion event", extra={"action": "message.undecodable"})
        event.ack()
        return None
    _, _, receipt = data.receipt.removeprefix("gs://").partition("/")
    if receipt.count("/") < LEVELS:
        logger.error(
            "a receipt of nobody's: %s",
            data.receipt,
            extra={"action": "page.receipt_unknown", "job_id": data.job_id},
        )
        event.ack()
        return None
    return Told(receipt, data.source.bucket, event)
