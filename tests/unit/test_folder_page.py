import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from support.fakes import MemoryBucket, MemoryDelivery, MemoryLedger, a_job, a_source
from support.later import CODE, MORE
from support.receipts import an_end, written

from functions.folder_page import refresh, rows
from functions.folder_page.refresh import Pages
from schemas.failure import Code, Failure
from schemas.job import Job, State
from schemas.messages import PredictionCompleted
from schemas.storage import ContentDiffersError, ObjectGoneError


@dataclass
class CountingBucket(MemoryBucket):
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
class House:
    """Pages and everything that they reach, in memory."""

    results: CountingBucket = field(default_factory=lambda: CountingBucket("out"))
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
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
    house = House()
    house.ended(an_end("run42/a.yaml"), an_end("run42/b.yaml", State.FAILED), an_end("c.yaml"))
    assert house.refresh() == ["ack"] * 3
    assert names(house.rows("run42/")) == ["run42/b.yaml", "run42/a.yaml"]
    assert names(house.rows("")) == ["c.yaml"]
    assert "It does not fit." in house.page("run42/")


def test_a_quiet_pass_reads_and_writes_nothing() -> None:
    house = House()
    assert house.refresh() == []
    assert (house.results.objects, house.results.touched) == ({}, [])


def test_a_folder_s_page_is_of_this_folder_alone() -> None:
    house = House()
    house.ended(an_end("run42/a.yaml"), an_end("run42/below/b.yaml"), an_end("run421/c.yaml"))
    house.refresh()
    assert names(house.rows("run42/")) == ["run42/a.yaml"]
    assert names(house.rows("run42/below/")) == ["run42/below/b.yaml"]


def test_receipts_from_before_the_first_page_are_on_it() -> None:
    house = House()
    house.ended(an_end("run42/old.yaml"), an_end("run42/below/other.yaml"))
    house.waiting.clear()
    house.ended(an_end("run42/new.yaml"))
    house.refresh()
    assert names(house.rows("run42/")) == ["run42/new.yaml", "run42/old.yaml"]


def test_each_receipt_is_read_once_and_the_folder_listed_once() -> None:
    house = House()
    house.ended(*(an_end(f"run42/{number}.yaml") for number in range(3)))
    house.refresh()
    house.ended(an_end("run42/new.yaml"))
    house.refresh()
    new, _ = written(an_end("run42/new.yaml"))
    assert house.results.touched == ["run42/summary.csv", new]
    assert len(house.rows("run42/")) == 4


def test_an_event_that_comes_again_changes_nothing_but_the_time() -> None:
    house = House()
    house.ended(an_end("run42/a.yaml"))
    house.refresh()
    before = house.rows("run42/")
    house.ended(an_end("run42/a.yaml"))
    assert house.refresh() == ["ack"]
    assert house.rows("run42/") == before


def test_what_is_still_to_come_is_counted_below_the_folder_too() -> None:
    house = House()
    for number, name in enumerate(("run42/x.yaml", "run42/below/y.yaml", "other/z.yaml")):
        house.ledger.create(a_job(State.QUEUED, job_id=f"{number:016x}", source=a_source(name)))
    house.ended(an_end("run42/a.yaml"))
    house.refresh()
    assert "<b>2</b> to come" in house.page("run42/")
    assert 'max="3" value="1"' in house.page("run42/")


def test_a_page_that_another_pass_has_made_meanwhile_is_left_to_the_next() -> None:
    house = House()
    house.ended(an_end("run42/a.yaml"))

    class Overtaken(CountingBucket):
        def replace(self, name: str, body: bytes, content_type: str, over: int) -> None:
            self.put(name, b"another's", over + 1)
            super().replace(name, body, content_type, over)

    inner, house.results = house.results, Overtaken("out", objects=house.results.objects)
    assert house.refresh() == ["nack"]
    assert inner.objects["run42/summary.csv"][1] == b"another's"
    house.results = inner
    assert house.refresh() == ["ack"]
    assert names(house.rows("run42/")) == ["run42/a.yaml"]


def test_an_event_with_a_receipt_of_nobody_s_keeps_no_page_from_being_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = House()
    monkeypatch.setattr("schemas.messages.receipt_name", lambda _job: "receipt.json")
    house.ended(an_end("run42/a.yaml"))
    monkeypatch.undo()
    house.ended(an_end("run42/b.yaml"))
    assert house.refresh() == ["ack", "ack"]
    assert "run42/b.yaml" in names(house.rows("run42/"))


def test_a_folder_that_has_trouble_does_not_keep_the_others() -> None:
    house = House()
    house.ended(an_end("bad/a.yaml"), an_end("good/b.yaml"))
    house.results.refused = "bad/"
    assert house.refresh() == ["nack", "ack"]
    house.results.refused = "nothing"
    assert house.refresh() == ["ack"]
    assert names(house.rows("bad/")) == ["bad/a.yaml"]


def test_a_folder_with_more_than_a_table_may_have_keeps_its_page_and_asks_for_no_more_passes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    house = House()
    house.ended(an_end("full/a.yaml"))
    house.refresh()
    before = house.page("full/")
    monkeypatch.setattr(refresh, "MOST_CSV_BYTES", len(house.results.objects["full/summary.csv"][1]) + 50)
    house.ended(an_end("full/b.yaml"), an_end("small.yaml"))
    assert house.refresh() == ["ack", "ack"]
    assert (house.page("full/"), names(house.rows("full/"))) == (before, ["full/a.yaml"])
    assert names(house.rows("")) == ["small.yaml"]
    monkeypatch.setattr(refresh, "MOST_CSV_BYTES", 1)  # of a release whose tables were larger
    house.ended(an_end("full/c.yaml"))
    assert house.refresh() == ["ack"]
    assert house.page("full/") == before
    assert caplog.text.count("the folder is too large") == 2


def test_a_row_has_the_beginning_of_a_long_reason() -> None:
    failure = Failure(code=Code.INVALID_INPUT, message="m" * 2000, remedy="r" * rows.LONGEST_SENTENCE)
    house = House()
    house.ended(an_end("a.yaml", State.FAILED).evolve(errors=(failure,)))
    house.refresh()
    [row] = house.rows("")
    assert (row.message, row.remedy) == ("m" * (rows.LONGEST_SENTENCE - 1) + "…", failure.remedy)


def test_without_time_nothing_is_begun_and_nothing_lost() -> None:
    house = House(seconds=0)
    house.ended(an_end("run42/a.yaml"))
    assert house.refresh() == ["nack"]
    house.seconds = 60
    assert house.refresh() == ["ack"]


def test_what_there_was_no_time_to_read_is_read_by_the_next_pass_without_a_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refresh, "READ_AT_ONCE", 2)
    house = House()
    house.ended(*(an_end(f"run42/{number}.yaml") for number in range(5)))
    house.waiting = house.waiting[-1:]  # the others' events are gone: only the list knows them
    clock = iter([True, True, False])  # time for the page, then for two receipts
    found = Pages(house, house.results, house.ledger, 1, 60)
    assert found._refresh("run42/", _told(house), lambda: next(clock)) == set()
    assert sum(row.state is None for row in house.rows("run42/")) > 0
    house.refresh()
    assert "list run42/" not in house.results.touched
    assert [row.state for row in house.rows("run42/")] == [State.SUCCEEDED] * 5


def _told(house: House) -> list[refresh.Told]:
    return [told for event in house.waiting if (told := refresh._told(event))]


@pytest.mark.parametrize("body", [b"{}", None])
def test_a_receipt_that_is_gone_or_none_is_left_out_for_good(body: bytes | None) -> None:
    house = House()
    house.ended(an_end("run42/a.yaml"), an_end("run42/b.yaml"))
    name, _ = written(an_end("run42/a.yaml"))
    if body is None:
        del house.results.objects[name]
    else:
        house.results.put(name, body)
    assert house.refresh() == ["ack", "ack"]
    assert names(house.rows("run42/")) == ["run42/b.yaml"]


@pytest.mark.parametrize("content", [b"", b"name,mine\r\na,1\r\n", b"\xff\xfe"])
def test_a_table_that_is_not_ours_is_made_anew(content: bytes) -> None:
    house = House()
    house.ended(an_end("run42/a.yaml"))
    house.results.put("run42/summary.csv", content)
    assert house.refresh() == ["ack"]
    assert names(house.rows("run42/")) == ["run42/a.yaml"]


def test_more_than_are_held_at_once_are_taken_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh, "MOST_EVENTS", 2)
    house = House()
    house.ended(*(an_end(f"run42/{number}.yaml") for number in range(5)))
    assert house.refresh() == ["ack"] * 5
    assert len(house.rows("run42/")) == 5


def test_an_event_that_nobody_can_read_is_dropped() -> None:
    house = House()
    house.waiting.append(MemoryDelivery(b"what", {}))
    house.ended(an_end("run42/a.yaml"))
    assert house.refresh() == ["ack", "ack"]


def test_a_page_lies_where_the_receipts_of_a_cut_name_lie() -> None:
    job = an_end("f/" + "x" * 950 + ".yaml").evolve(output_prefix="f/" + "x" * 898 + "/0123456789abcdef/")
    house = House()
    house.ended(job)
    house.refresh()
    [row] = house.rows("f/")
    assert row.receipt == "x" * 898 + "/0123456789abcdef/receipt.json"


def test_fakes_refuse_as_the_bucket_does() -> None:
    bucket = MemoryBucket("out")
    with pytest.raises(ObjectGoneError):
        bucket.read("a", None, 10)
    bucket.replace("a", b"1", "text/plain", 0)
    with pytest.raises(ContentDiffersError):
        bucket.replace("a", b"2", "text/plain", 0)


def test_receipts_and_a_table_of_the_next_release_make_a_page() -> None:
    house = House()
    house.ended(an_end("run42/a.yaml", State.FAILED))
    name, body = written(an_end("run42/a.yaml", State.FAILED))
    receipt = json.loads(body)
    receipt["more"] = receipt["options"]["more"] = receipt["error"]["more"] = MORE
    receipt["error"]["code"] = CODE
    house.results.put(name, json.dumps(receipt).encode())
    house.results.put("run42/summary.csv", f"{','.join(rows.COLUMNS)},more\r\n".encode())
    assert house.refresh() == ["ack"]
    [row] = house.rows("run42/")
    assert (row.name, row.code) == ("run42/a.yaml", CODE)
    assert CODE in house.page("run42/")
