import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from support.fakes import MemoryBucket, MemoryDelivery, Outside, a_job, a_source
from support.later import CODE, MORE
from support.receipts import SCORES, an_end, written
from support.verdicts import CIS, FLAT, a_sample, a_summary

from functions.folder_page import page, refresh, rows
from functions.folder_page.refresh import Pages
from schemas.checks import Outlier, Verdict
from schemas.failure import Code, Failure
from schemas.job import Job, State
from schemas.messages import PredictionCompleted
from schemas.receipt import Receipt
from schemas.storage import ContentDiffersError, ObjectGoneError

INTERFACE = {"ipsae": 0.866, "pdockq2": 0.712, "lis": 0.656, "interface_pae": 4.2}


@dataclass
class NotedBucket(MemoryBucket):
    """Notes which objects were read and listed, and refuses what it is told to."""

    touched: list[str] = field(default_factory=list)
    refused: str = "nothing"

    def read(self, name: str, generation: int | None, limit: int) -> bytes:
        self.touched.append(name)
        if self.refused in name:
            raise TimeoutError(f"{name} does not answer")
        return super().read(name, generation, limit)

    def named(self, prefix: str, ending: str) -> Iterator[str]:
        self.touched.append(f"list {prefix}")
        return super().named(prefix, ending)


@dataclass
class FolderPages(Outside):
    """Pages and everything that they reach, in memory."""

    results: NotedBucket = field(default_factory=lambda: NotedBucket("out"))
    waiting: list[MemoryDelivery] = field(default_factory=list)
    seconds: float = 60

    def ended(self, *jobs: Job) -> None:
        """Write receipts and tell of them, as settling does."""
        for job in jobs:
            self.results.put(*written(job))
            message = PredictionCompleted.of(job, self.results.name).encode()
            self.waiting.append(MemoryDelivery(message.data, message.attributes))

    @contextmanager
    def pulling(self, hold: int, look_seconds: float) -> Iterator[Iterator[MemoryDelivery | None]]:
        assert look_seconds
        unanswered = [event for event in self.waiting if not event.answers]
        yield iter([*unanswered[:hold], None, None])

    def refresh(self) -> list[str]:
        """Do one pass; return how the events were answered. What was nacked comes again."""
        self.results.touched.clear()
        Pages(self, self.results, self.ledger, look_seconds=1, seconds=self.seconds).refresh()
        answers = ["".join(event.answers) for event in self.waiting]
        self.waiting = [event for event in self.waiting if event.answers == ["nack"]]
        for event in self.waiting:
            event.answers.clear()
        return answers

    def rows(self, folder: str) -> list[rows.Row]:
        return rows.decode(self.results.objects[f"{folder}summary.csv"][1])

    def page(self, folder: str) -> str:
        return self.results.objects[f"{folder}index.html"][1].decode()


def names(found: Sequence[rows.Row]) -> list[str]:
    return [row.name for row in found]


def test_all_that_ended_in_a_folder_is_on_one_page_and_acknowledged() -> None:
    pages = FolderPages()
    pages.ended(an_end("run42/a.yaml"), an_end("run42/b.yaml", State.FAILED), an_end("c.yaml"))
    assert pages.refresh() == ["ack"] * 3
    assert names(pages.rows("run42/")) == ["run42/b.yaml", "run42/a.yaml"]
    assert names(pages.rows("")) == ["c.yaml"]
    assert "It does not fit." in pages.page("run42/")


def test_a_quiet_pass_reads_and_writes_nothing() -> None:
    pages = FolderPages()
    assert pages.refresh() == []
    assert (pages.results.objects, pages.results.touched) == ({}, [])


def test_a_folder_s_page_is_of_this_folder_alone() -> None:
    pages = FolderPages()
    pages.ended(an_end("run42/a.yaml"), an_end("run42/below/b.yaml"), an_end("run421/c.yaml"))
    pages.refresh()
    assert names(pages.rows("run42/")) == ["run42/a.yaml"]
    assert names(pages.rows("run42/below/")) == ["run42/below/b.yaml"]


def test_receipts_from_before_the_first_page_are_on_it() -> None:
    pages = FolderPages()
    pages.ended(an_end("run42/old.yaml"), an_end("run42/below/other.yaml"))
    pages.waiting.clear()
    pages.ended(an_end("run42/new.yaml"))
    pages.refresh()
    assert names(pages.rows("run42/")) == ["run42/new.yaml", "run42/old.yaml"]


def test_each_receipt_is_read_once_and_the_folder_listed_once() -> None:
    pages = FolderPages()
    pages.ended(*(an_end(f"run42/{number}.yaml") for number in range(3)))
    pages.refresh()
    pages.ended(an_end("run42/new.yaml"))
    pages.refresh()
    new, _ = written(an_end("run42/new.yaml"))
    assert pages.results.touched == ["run42/summary.csv", new]
    assert len(pages.rows("run42/")) == 4


def test_an_event_that_comes_again_changes_nothing_but_the_time() -> None:
    pages = FolderPages()
    pages.ended(an_end("run42/a.yaml"))
    pages.refresh()
    before = pages.rows("run42/")
    pages.ended(an_end("run42/a.yaml"))
    assert pages.refresh() == ["ack"]
    assert pages.rows("run42/") == before


def test_what_is_still_to_come_is_counted_below_the_folder_too() -> None:
    pages = FolderPages()
    for number, name in enumerate(("run42/x.yaml", "run42/below/y.yaml", "other/z.yaml")):
        pages.ledger.create(a_job(State.QUEUED, job_id=f"{number:016x}", source=a_source(name)))
    pages.ended(an_end("run42/a.yaml"))
    pages.refresh()
    assert "<b>2</b> to come" in pages.page("run42/")
    assert 'max="3" value="1"' in pages.page("run42/")


def test_a_page_that_another_pass_has_made_meanwhile_is_left_to_the_next() -> None:
    pages = FolderPages()
    pages.ended(an_end("run42/a.yaml"))

    class Overtaken(NotedBucket):
        def replace(self, name: str, body: bytes, content_type: str, if_generation: int) -> None:
            self.put(name, b"another's", if_generation + 1)
            super().replace(name, body, content_type, if_generation)

    inner, pages.results = pages.results, Overtaken("out", objects=pages.results.objects)
    assert pages.refresh() == ["nack"]
    assert inner.objects["run42/summary.csv"][1] == b"another's"
    pages.results = inner
    assert pages.refresh() == ["ack"]
    assert names(pages.rows("run42/")) == ["run42/a.yaml"]


def test_an_event_with_a_receipt_of_nobody_s_keeps_no_page_from_being_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pages = FolderPages()
    monkeypatch.setattr("schemas.messages.receipt_name", lambda _job: "receipt.json")
    pages.ended(an_end("run42/a.yaml"))
    monkeypatch.undo()
    pages.ended(an_end("run42/b.yaml"))
    assert pages.refresh() == ["ack", "ack"]
    assert "run42/b.yaml" in names(pages.rows("run42/"))


def test_a_folder_that_has_trouble_does_not_keep_the_others() -> None:
    pages = FolderPages()
    pages.ended(an_end("bad/a.yaml"), an_end("good/b.yaml"))
    pages.results.refused = "bad/"
    assert pages.refresh() == ["nack", "ack"]
    pages.results.refused = "nothing"
    assert pages.refresh() == ["ack"]
    assert names(pages.rows("bad/")) == ["bad/a.yaml"]


def test_a_folder_with_more_than_a_table_may_have_keeps_its_page_and_asks_for_no_more_passes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pages = FolderPages()
    pages.ended(an_end("full/a.yaml"))
    pages.refresh()
    before = pages.page("full/")
    monkeypatch.setattr(page, "MOST_CSV_BYTES", len(pages.results.objects["full/summary.csv"][1]) + 50)
    pages.ended(an_end("full/b.yaml"), an_end("small.yaml"))
    assert pages.refresh() == ["ack", "ack"]
    assert (pages.page("full/"), names(pages.rows("full/"))) == (before, ["full/a.yaml"])
    assert names(pages.rows("")) == ["small.yaml"]
    monkeypatch.setattr(page, "MOST_CSV_BYTES", 1)  # of a release whose tables were larger
    pages.ended(an_end("full/c.yaml"))
    assert pages.refresh() == ["ack"]
    assert pages.page("full/") == before
    assert caplog.text.count("the folder is too large") == 2


def test_a_row_has_the_beginning_of_a_long_reason() -> None:
    failure = Failure(code=Code.INVALID_INPUT, message="m" * 2000, remedy="r" * rows.LONGEST_SENTENCE)
    pages = FolderPages()
    pages.ended(an_end("a.yaml", State.FAILED).evolve(errors=(failure,)))
    pages.refresh()
    [row] = pages.rows("")
    assert (row.message, row.remedy) == ("m" * (rows.LONGEST_SENTENCE - 1) + "…", failure.remedy)


def a_row(*outliers: Outlier, reasons: tuple[str, ...] = ()) -> rows.Row:
    """Return the row of a result with these outliers, as it comes back from the table."""
    checks = a_summary(a_sample(0, *outliers, boltz_rank=1), a_sample(1, FLAT, boltz_rank=0))
    checks = checks.model_copy(update={"reasons": reasons or checks.reasons})
    _, body = written(an_end("run42/a.yaml", scores=SCORES | INTERFACE, checks=checks))
    [read] = rows.decode(rows.encode([rows.Row.of("a/0/receipt.json", Receipt.decode(body))]))
    return read


def test_a_row_has_the_verdict_and_the_scores_of_the_best_interface() -> None:
    row = a_row(CIS)
    assert (row.checks, row.best_sample, row.failed_samples, row.constraints_met) == (
        *(Verdict.WARNINGS, 1, 1),
        "1 of 2",
    )
    assert (row.ipsae, row.pdockq2, row.lis, row.interface_pae) == (0.866, 0.712, 0.656, 4.2)
    failed = a_row(FLAT, CIS)
    assert (failed.checks, failed.best_sample, failed.failed_samples) == (Verdict.FAILED, None, 2)


def test_reasons_are_a_text_that_no_spreadsheet_computes() -> None:
    evil = '=HYPERLINK("http://x")'
    row = a_row(CIS, reasons=(evil, "r" * 400))
    assert row.reasons == f"{evil} {'r' * (rows.LONGEST_SENTENCE - len(evil) - 2)}…"
    assert f"\"'{evil}".replace('"http://x"', '""http://x""').encode() in rows.encode([row])


def test_a_row_of_a_result_without_checks_has_none_and_a_page_of_such_no_column() -> None:
    pages = FolderPages()
    pages.ended(an_end("run42/a.yaml"))
    pages.refresh()
    [row] = pages.rows("run42/")
    assert (row.checks, row.reasons, row.failed_samples, row.constraints_met) == (None, None, None, None)
    assert "Checks" not in pages.page("run42/")


def test_what_failed_its_checks_is_marked_though_it_succeeded_and_says_why() -> None:
    pages = FolderPages()
    for name, outliers in (("a", [FLAT]), ("b", [CIS]), ("c", [])):
        pages.ended(an_end(f"run42/{name}.yaml", checks=a_summary(a_sample(0, *outliers))))
    pages.ended(an_end("run42/d.yaml"))
    pages.refresh()
    html = pages.page("run42/")
    marks = re.findall(r'<tr data-state="SUCCEEDED"(?: data-checks="(\w+)")?', html)
    assert marks == ["failed", "warnings", "passed", ""]
    assert f"<b>Checks: failed</b> {FLAT.what}." in html
    options = re.findall(r'<option value="(\w+)">\w+ \((\d)\)', html.partition('<select id="checks">')[2])
    assert options == [("failed", "1"), ("warnings", "1"), ("passed", "1")]


def test_without_time_nothing_is_begun_and_nothing_lost() -> None:
    pages = FolderPages(seconds=0)
    pages.ended(an_end("run42/a.yaml"))
    assert pages.refresh() == ["nack"]
    pages.seconds = 60
    assert pages.refresh() == ["ack"]


def test_what_there_was_no_time_to_read_is_read_by_the_next_pass_without_a_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(page, "READ_AT_ONCE", 2)
    pages = FolderPages()
    pages.ended(*(an_end(f"run42/{number}.yaml") for number in range(5)))
    pages.waiting = pages.waiting[-1:]  # the others' events are gone: only the list knows them
    clock = iter([True, True, False])  # time for twice two receipts
    found = Pages(pages, pages.results, pages.ledger, 1, 60)
    assert found._refresh("run42/", _stale(pages), lambda: next(clock)) == set()
    assert sum(row.state is None for row in pages.rows("run42/")) > 0
    pages.refresh()
    assert "list run42/" not in pages.results.touched
    assert [row.state for row in pages.rows("run42/")] == [State.SUCCEEDED] * 5


def _stale(pages: FolderPages) -> list[refresh.StaleReceipt]:
    return [receipt for event in pages.waiting if (receipt := refresh._decoded(event))]


@pytest.mark.parametrize("body", [b"{}", None])
def test_a_receipt_that_is_gone_or_none_is_left_out_for_good(body: bytes | None) -> None:
    pages = FolderPages()
    pages.ended(an_end("run42/a.yaml"), an_end("run42/b.yaml"))
    name, _ = written(an_end("run42/a.yaml"))
    if body is None:
        del pages.results.objects[name]
    else:
        pages.results.put(name, body)
    assert pages.refresh() == ["ack", "ack"]
    assert names(pages.rows("run42/")) == ["run42/b.yaml"]


@pytest.mark.parametrize("content", [b"", b"name,mine\r\na,1\r\n", b"\xff\xfe"])
def test_a_table_that_is_not_ours_is_made_anew(content: bytes) -> None:
    pages = FolderPages()
    pages.ended(an_end("run42/a.yaml"))
    pages.results.put("run42/summary.csv", content)
    assert pages.refresh() == ["ack"]
    assert names(pages.rows("run42/")) == ["run42/a.yaml"]


def test_more_than_are_held_at_once_are_taken_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh, "MOST_EVENTS", 2)
    pages = FolderPages()
    pages.ended(*(an_end(f"run42/{number}.yaml") for number in range(5)))
    assert pages.refresh() == ["ack"] * 5
    assert len(pages.rows("run42/")) == 5


def test_an_event_that_nobody_can_read_is_dropped() -> None:
    pages = FolderPages()
    pages.waiting.append(MemoryDelivery(b"what", {}))
    pages.ended(an_end("run42/a.yaml"))
    assert pages.refresh() == ["ack", "ack"]


def test_a_page_lies_where_the_receipts_of_a_cut_name_lie() -> None:
    job = an_end("f/" + "x" * 950 + ".yaml").evolve(output_prefix="f/" + "x" * 898 + "/0123456789abcdef/")
    pages = FolderPages()
    pages.ended(job)
    pages.refresh()
    [row] = pages.rows("f/")
    assert row.receipt == "x" * 898 + "/0123456789abcdef/receipt.json"


def test_fakes_refuse_as_the_bucket_does() -> None:
    bucket = MemoryBucket("out")
    with pytest.raises(ObjectGoneError):
        bucket.read("a", None, 10)
    bucket.replace("a", b"1", "text/plain", 0)
    with pytest.raises(ContentDiffersError):
        bucket.replace("a", b"2", "text/plain", 0)


def test_receipts_and_a_table_of_the_next_release_make_a_page() -> None:
    pages = FolderPages()
    pages.ended(an_end("run42/a.yaml", State.FAILED))
    name, body = written(an_end("run42/a.yaml", State.FAILED))
    receipt = json.loads(body)
    receipt["more"] = receipt["options"]["more"] = receipt["error"]["more"] = MORE
    receipt["error"]["code"] = CODE
    pages.results.put(name, json.dumps(receipt).encode())
    pages.results.put("run42/summary.csv", f"{','.join(rows.COLUMNS)},more\r\n".encode())
    assert pages.refresh() == ["ack"]
    [row] = pages.rows("run42/")
    assert (row.name, row.code) == ("run42/a.yaml", CODE)
    assert CODE in pages.page("run42/")
