"""The MSA server cannot be reached, dies over a search, or lies; all ends right all the same."""

import io
import tarfile
from collections.abc import Callable
from http import HTTPStatus

import pytest
from support.answering import Asked, Reply
from support.patience import until

from chaos.door import Trouble
from chaos.faults import Fault
from chaos.harness import Record, Scenario, unaligned
from chaos.msa import archive, files
from chaos.steps import REPLACE, SEARCH
from schemas.failure import Code
from schemas.job import State

SCREENED = 6


def escaping(made: tarfile.TarFile) -> None:
    """Add files that lead out of a folder that they are unpacked in."""
    for name in ("/tmp/dropfold-was-here", "../../dropfold-was-here"):  # noqa: S108  nobody makes it
        member = tarfile.TarInfo(name)
        member.size = 4
        made.addfile(member, io.BytesIO(b"here"))
    link = tarfile.TarInfo("uniref.a3m")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    made.addfile(link)


LIES: dict[str, Callable[[tuple[str, ...]], Reply]] = {
    "another query": lambda question: Reply(archive(files(question, lambda query: f"W{query[1:]}"))),
    "rows of another width": lambda question: Reply(archive(files(question, lambda query: f"{query}W"))),
    "no file that is expected": lambda _question: Reply(archive({"other.a3m": b">101\nMK\n"})),
    "an archive that is cut off": lambda question: Reply(archive(files(question))[:-40]),
    "files that lead out of the folder": lambda _question: Reply(archive({}, escaping)),
    "a page of HTML": lambda _question: Reply(b"<html>Welcome</html>"),
    "its own failure": lambda _question: Reply(b"oops", HTTPStatus.INTERNAL_SERVER_ERROR),
}
"""What is downloaded instead of the answer to a question."""


def troubles(scenario: Scenario) -> int:
    """Count how often somebody noted that the server cannot be used."""
    return scenario.logged("on_align", "msa.trouble")


def searched(scenario: Scenario) -> list[tuple[str, ...]]:
    """Return the questions about the scenario's sequence."""
    return [question for question in scenario.chaos.msa.asked if scenario.sequence in question]


@pytest.mark.parametrize(
    "kind", ["refused", pytest.param("cut", marks=pytest.mark.whole)], ids=["refused", "cut"]
)
def test_outage_of_the_msa_server(scenario: Scenario, record: Record, kind: Trouble) -> None:
    """The MSA server refuses connections, or cuts them off, until that was noticed three times."""
    record("scenario", f"MSA server {kind}")
    before = troubles(scenario)
    with scenario.chaos.msa.door.trouble(kind):
        waiting = [scenario.upload(f"{number}.yaml", scenario.unaligned) for number in range(3)]
        scenario.upload("needs none.yaml")
        scenario.pass_time(lambda: troubles(scenario) >= before + 3)
        for upload in waiting:
            scenario.until_state(upload, State.ALIGNING)
    scenario.conclude(record)


@pytest.mark.whole
def test_killed_in_the_middle_of_a_search(scenario: Scenario, record: Record) -> None:
    """The MSA server is killed in the middle of a search, of which it knows nothing when it is back."""
    record("scenario", "MSA server killed in the middle of a search")
    msa = scenario.chaos.msa
    msa.searching, before = True, troubles(scenario)
    scenario.upload(text=scenario.unaligned)
    until(lambda: searched(scenario), "a search")
    with msa.door.trouble("cut"):
        msa.forget()
        scenario.pass_time(lambda: troubles(scenario) > before)
    msa.be_well()
    scenario.conclude(record)


@pytest.mark.whole
def test_on_align_dies_in_the_middle_of_a_search(scenario: Scenario, record: Record) -> None:
    """Who asks is killed in the middle of a search; the next one finds it by the same question."""
    record("scenario", "on_align killed in the middle of a search")
    scenario.chaos.msa.searching = True
    scenario.arm(Fault(SEARCH, "after", "on_align"))
    scenario.upload(text=scenario.unaligned)
    scenario.pass_time(lambda: scenario.all_met)
    scenario.chaos.msa.be_well()
    scenario.conclude(record)
    assert len(set(searched(scenario))) == 2, "one question for both sequences, one for their pairs"


@pytest.mark.whole
@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_found_out_and_the_server_asked_again(scenario: Scenario, record: Record, lie: str) -> None:
    """The MSA server sends something else than the answer, once to each question; then the truth."""
    record("scenario", f"MSA server sends {lie}, once")
    told: set[str] = set()

    def say(asked: Asked) -> Reply | None:
        first = asked.path not in told
        told.add(asked.path)
        return LIES[lie](searched(scenario)[-1]) if first else None

    scenario.chaos.msa.answers_by(say, "/result/")
    scenario.upload(text=scenario.unaligned)
    scenario.conclude(record)
    assert told


@pytest.mark.parametrize(
    "lie",
    [pytest.param(lie, marks=() if lie == "another query" else pytest.mark.whole) for lie in LIES],
)
def test_who_lies_always_is_believed_never(scenario: Scenario, record: Record, lie: str) -> None:
    """The MSA server never sends the answer: the third time the job fails, and nothing of it is kept."""
    record("scenario", f"MSA server sends {lie}, always")
    scenario.chaos.msa.answers_by(lambda _asked: LIES[lie](searched(scenario)[-1]), "/result/")
    refused = scenario.upload(text=scenario.unaligned, ends={State.FAILED})
    scenario.upload("needs none.yaml")
    kept = {blob.name for blob in scenario.chaos.alignments.list_blobs()}
    scenario.conclude(record)
    job = scenario.job(refused)
    assert job is not None
    assert job.errors[0].code is Code.MSA_REFUSED
    assert {blob.name for blob in scenario.chaos.alignments.list_blobs()} == kept


@pytest.mark.whole
def test_a_redirect_is_not_followed(scenario: Scenario, record: Record) -> None:
    """The MSA server sends who asks elsewhere; nobody goes there, and jobs wait until it is itself again."""
    record("scenario", "MSA server redirects")
    msa, elsewhere = scenario.chaos.msa, "/elsewhere/ticket/msa"
    before, seen = troubles(scenario), list[str]()

    def say(asked: Asked) -> Reply:
        seen.append(asked.path)
        return Reply(b"", HTTPStatus.TEMPORARY_REDIRECT, (("Location", msa.url + elsewhere),))

    msa.answers_by(say)
    scenario.upload(text=scenario.unaligned)
    scenario.pass_time(lambda: troubles(scenario) >= before + 2)
    msa.be_well()
    scenario.conclude(record)
    assert elsewhere not in seen


@pytest.mark.whole
def test_withdrawn_while_it_lacks_alignments(scenario: Scenario, record: Record) -> None:
    """Inputs are deleted and overwritten while the MSA server is down."""
    record("scenario", "deleted and overwritten while the MSA server is down")
    with scenario.chaos.msa.door.trouble("refused"):
        gone = scenario.upload("gone.yaml", scenario.unaligned, ends={State.CANCELLED})
        over = scenario.upload("over.yaml", scenario.unaligned, ends={State.SUPERSEDED})
        for upload in (gone, over):
            scenario.until_state(upload, State.ALIGNING)
        scenario.delete(gone)
        scenario.upload("over.yaml")
        scenario.until_state(gone, State.CANCELLED)
        scenario.until_state(over, State.SUPERSEDED)
    scenario.conclude(record)


@pytest.mark.whole
def test_a_screening_is_one_search_although_who_queues_it_dies(scenario: Scenario, record: Record) -> None:
    """Many inputs lack one alignment; who queues them is killed after the third."""
    record("scenario", f"{SCREENED} inputs of one protein, on_align killed after the third")
    about = f"(?s)^(?=.*{scenario.folder}/)(?=.*ALIGNED QUEUED)"
    scenario.chaos.msa.searching = True
    for number in range(SCREENED):
        scenario.upload(f"{number}.yaml", unaligned(scenario.sequence))
    for upload in scenario.uploads:
        scenario.until_state(upload, State.ALIGNING)
    scenario.arm(Fault(REPLACE, "after", "on_align", about, nth=3))
    scenario.chaos.msa.be_well()
    scenario.conclude(record)
    assert set(searched(scenario)) == {("msa", scenario.sequence)}
