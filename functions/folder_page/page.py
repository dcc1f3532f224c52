"""The page of one folder: index.html and summary.csv, made from what the last one has and new receipts."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from pydantic import ValidationError

from functions.folder_page import render, rows
from functions.folder_page.rows import Row
from jobs.ledger import Ledger
from schemas.receipt import MAX_RECEIPT_BYTES, RECEIPT, Receipt
from schemas.storage import ObjectGoneError, ObjectTooLargeError

MOST_UNFINISHED = 10_000
"""Up to which unfinished jobs are counted: a read of the ledger per thousand."""

DEPTH = 2
"""Slashes in the path from a page to a receipt: NAME/JOB_ID/receipt.json."""

READERS = 16
READ_AT_ONCE = 160
MOST_CSV_BYTES = 16 * 1024 * 1024
"""30,000 to 45,000 rows of usual names, by what the checks said, for which a function has memory.

A larger folder keeps its last page.
"""

logger = logging.getLogger(__name__)


class FullFolderError(Exception):
    """A folder has more rows than a table may have; it keeps the page that it has."""


class Results(Protocol):
    """The output bucket."""

    def named(self, prefix: str, ending: str) -> Iterator[str]:
        """List the names that begin and end so."""

    def generation(self, name: str) -> int | None:
        """Return the generation of the object of this name, or None if it is missing."""

    def read(self, name: str, generation: int | None, limit: int) -> bytes:
        """Read a generation, or whichever is there. Raises ObjectGoneError, ObjectTooLargeError."""

    def replace(self, name: str, body: bytes, content_type: str, if_generation: int) -> None:
        """Write over this generation, 0 for none. Raises ContentDiffersError if it has another."""


@dataclass(frozen=True)
class Page:
    """The page of a folder, whose name has its slash. Rows are known by the path from it to their receipt."""

    folder: str
    results: Results
    ledger: Ledger

    def make(self, receipts: Sequence[str], inputs: str, in_time: Callable[[], bool]) -> set[str]:
        """Make it anew with these receipts; return the names of all that there was no time to read.

        ``inputs`` is the bucket whose unfinished jobs it counts. Raises what storage and ledger raise,
        FullFolderError, ContentDiffersError where another was faster.
        """
        over_table, over_html = (self.results.generation(name) or 0 for name in (self._table, self._html))
        remembered = self._remembered(over_table)
        known = _unread(self._paths(receipts)) | remembered
        read = self._read([path for path, row in known.items() if row.state is None], in_time)
        in_order = rows.in_order(_shown(known, read))
        self.results.replace(self._table, _encoded(in_order), "text/csv; charset=utf-8", over_table)
        self.results.replace(self._html, self._drawn(in_order, inputs), "text/html; charset=utf-8", over_html)
        left = {self.folder + row.receipt for row in in_order if row.state is None}
        about = {"folder": self.folder, "rows": len(in_order), "unread": len(left)}
        logger.info("page made", extra=about | {"action": "page.made"})
        return left

    @property
    def _table(self) -> str:
        return f"{self.folder}summary.csv"

    @property
    def _html(self) -> str:
        return f"{self.folder}index.html"

    def _remembered(self, generation: int) -> dict[str, Row]:
        """Return the last page's rows; without one, room for all receipts of the folder."""
        found = self._decoded(generation) if generation else None
        if found is not None:
            return {row.receipt: row for row in found}
        paths = self._paths(self.results.named(self.folder, f"/{RECEIPT}"))
        return _unread(path for path in paths if path.count("/") == DEPTH)

    def _decoded(self, generation: int) -> Sequence[Row] | None:
        """Read the last page's table, or None where it is not ours. Raises FullFolderError."""
        try:
            return rows.decode(self.results.read(self._table, generation, MOST_CSV_BYTES))
        except ObjectTooLargeError as error:
            raise FullFolderError(str(error)) from error
        except ValueError:
            logger.warning(
                "not a table of ours, made anew",
                extra={"action": "page.table_unreadable", "object": self._table},
                exc_info=True,
            )
            return None

    def _paths(self, receipts: Iterable[str]) -> Iterator[str]:
        return (name.removeprefix(self.folder) for name in receipts)

    def _read(self, paths: Sequence[str], in_time: Callable[[], bool]) -> dict[str, Row | None]:
        """Read as many receipts as there is time for; None is what cannot be shown."""
        read: dict[str, Row | None] = {}
        with ThreadPoolExecutor(READERS) as pool:
            for start in range(0, len(paths), READ_AT_ONCE):
                if not in_time():
                    break
                some = paths[start : start + READ_AT_ONCE]
                read |= zip(some, pool.map(self._row, some), strict=True)
        return read

    def _row(self, path: str) -> Row | None:
        try:
            body = self.results.read(self.folder + path, None, MAX_RECEIPT_BYTES)
            return Row.of(path, Receipt.decode(body))
        except (ObjectGoneError, ObjectTooLargeError, ValidationError):
            logger.exception(
                "no receipt that can be shown",
                extra={"action": "page.receipt_unreadable", "object": self.folder + path},
            )
            return None

    def _drawn(self, in_order: Sequence[Row], inputs: str) -> bytes:
        count = self.ledger.count_unfinished(inputs, self.folder, MOST_UNFINISHED)
        said = f"{count:,}" if count < MOST_UNFINISHED else f"{count:,} or more"
        return render.render(self.folder, in_order, said, count, datetime.now(UTC)).encode()


def _unread(paths: Iterable[str]) -> dict[str, Row]:
    """Return empty rows for receipts that are not read yet."""
    return {path: Row.unread(path) for path in paths}


def _shown(known: Mapping[str, Row], read: Mapping[str, Row | None]) -> Iterator[Row]:
    """Yield the rows as they are known now, without those whose receipt cannot be shown."""
    for path, row in known.items():
        now = read.get(path, row)
        if now is not None:
            yield now


def _encoded(in_order: Sequence[Row]) -> bytes:
    """Write the table. Raises FullFolderError where the next pass could not read it."""
    content = rows.encode(in_order)
    if len(content) > MOST_CSV_BYTES:
        raise FullFolderError(f"{len(in_order)} rows take {len(content)} bytes, more than {MOST_CSV_BYTES}")
    return content
