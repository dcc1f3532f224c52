"""Jobs that lack alignments: taken in, aligned by one search for all, ended where nobody helps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import pytest
from support.answering import Reply, answering
from support.clock import Clock
from support.fakes import MemoryBucket, MemoryTopic
from support.inbox import Inbox

from functions.alignments import align, search
from functions.alignments.align import Aligner
from functions.alignments.colabfold import ColabFold
from functions.alignments.kept import Kept
from functions.alignments.search import ENDLESS, LONGEST_SEARCH_SECONDS, Search
from functions.alignments.server import AlignmentError, InTime, RefusedError, SearchFailedError, TroubleError
from functions.intake import Intake
from functions.reconcile import Comparison
from functions.sweep import Sweep
from inputs.alignments import MsaServer
from inputs.examine import Rules
from jobs import lifecycle
from jobs.settle import Settler
from schemas.failure import Code
from schemas.job import Effect, Job, State
from schemas.messages import AlignmentsWanted
from schemas.trouble import TROUBLE, MsaTrouble

ALPHA, BETA = "VLSPADKTNVK", "VHLTPEEKSAV"
MSA = MsaServer("http://msa.example/api", "tiny")


def protein(*sequences: str, more: str = "") -> bytes:
    """Return an input of proteins that name no MSA."""
    chains = "".join(
        f"- protein: {{id: {chr(65 + at)}, sequence: {each}}}\n" for at, each in enumerate(sequences)
    )
    return f"sequences:\n{chains}{more}".encode()


@dataclass
class PaperServer:
    """Implements functions.alignments.server.Server: each sequence alone, or what a test says instead."""

    asked: list[tuple[str, ...]] = field(default_factory=list)
    fails: Callable[[Sequence[str]], AlignmentError | None] = lambda _sequences: None
    slow: Callable[[Sequence[str]], bool] = lambda _sequences: False
    waited: list[bool] = field(default_factory=list)

    def unpaired(self, sequences: Sequence[str], in_time: InTime) -> list[str] | None:
        return self._answer("msa", sequences, in_time)

    def paired(self, sequences: Sequence[str], in_time: InTime) -> list[str] | None:
        return self._answer("pair", sequences, in_time)

    def _answer(self, kind: str, sequences: Sequence[str], in_time: InTime) -> list[str] | None:
        self.asked.append((kind, *sequences))
        if error := self.fails(sequences):
            raise error
        if self.slow(sequences):
            self.waited.append(in_time())
            return None
        return [f">{number}\n{each}\n" for number, each in enumerate(sequences, 101)]


@dataclass
class AligningInbox(Inbox):
    """An intake whose proteins need not name an MSA, and who makes the alignments."""

    kept: MemoryBucket = field(default_factory=lambda: MemoryBucket("alignments"))
    wanted: MemoryTopic = field(default_factory=MemoryTopic)
    server: PaperServer = field(default_factory=PaperServer)
    seconds: float = 480
    msa: MsaServer = MSA

    def __post_init__(self) -> None:
        self.aligner = self.another_aligner()

    @property
    def settler(self) -> Settler:
        return replace(super().settler, alignments=self.wanted)

    def another_intake(self) -> Intake:
        rules = Rules(msa_service=True)
        kept = Kept(self.msa, self.kept)
        return Intake(self.uploads, self.ledger, self.settler, self.arrivals, rules, kept)

    def another_aligner(self) -> Aligner:
        """Return that of another instance, which remembers nothing."""
        return Aligner(
            uploads=self.uploads,
            ledger=self.ledger,
            settler=self.settler,
            rules=Rules(msa_service=True),
            search=Search(Kept(self.msa, self.kept), self.server),
            wanted=self.wanted,
            seconds=self.seconds,
        )

    def aligning(self, name: str = "run42/a.yaml", content: bytes = protein(ALPHA)) -> Job:
        """Drop an input that has to be aligned."""
        job = self.drop(name, content)
        assert job
        assert job.state is State.ALIGNING
        return job

    def now(self, job: Job) -> Job:
        found = self.ledger.get(job.job_id)
        assert found
        return found


@pytest.fixture
def inbox() -> AligningInbox:
    return AligningInbox()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Have pauses pass when the test says so."""
    made = Clock()
    monkeypatch.setattr(search, "time", made)
    return made


def test_an_input_without_alignments_waits_for_them_and_no_worker_is_asked_for(inbox: AligningInbox) -> None:
    job = inbox.aligning()
    assert (job.msa_server, len(job.aligns), job.pending) == ("msa.example", 1, (Effect.ALIGN,))
    assert job.aligns[0].startswith(f"{MSA.prefix}/unpaired/")
    assert inbox.asked_for(job) == 0
    assert [AlignmentsWanted.decode(each.data, each.attributes).type for each in inbox.wanted.messages] == [
        "dev.dropfold.alignments.wanted.v1"
    ]


def test_what_names_its_msa_or_needs_none_is_queued_at_once(inbox: AligningInbox) -> None:
    job = inbox.drop("a.yaml", b"sequences:\n- protein: {id: A, sequence: GSGS, msa: empty}\n")
    assert job
    assert (job.state, job.msa_server, inbox.asked_for(job)) == (State.QUEUED, None, 1)
    assert inbox.wanted.messages == []


def test_an_alignment_is_made_and_the_job_is_queued(inbox: AligningInbox) -> None:
    job = inbox.aligning()
    inbox.aligner.dispatch(b"", {})
    done = inbox.now(job)
    assert (done.state, done.aligns, inbox.asked_for(job)) == (State.QUEUED, (), 1)
    assert inbox.kept.objects[job.aligns[0]][1] == f">101\n{ALPHA}\n".encode()


def test_a_complex_is_also_paired_in_its_order(inbox: AligningInbox) -> None:
    job = inbox.aligning(content=protein(ALPHA, BETA, ALPHA))
    inbox.aligner.run()
    assert inbox.server.asked == [("msa", ALPHA, BETA), ("pair", ALPHA, BETA)]
    paired = next(name for name in job.aligns if "/paired/" in name)
    assert inbox.kept.objects[paired][1] == f">101\n{ALPHA}\n\0>102\n{BETA}\n".encode()


def test_many_jobs_with_one_sequence_are_one_search(inbox: AligningInbox) -> None:
    ligands = (f"- ligand: {{id: L, smiles: {'C' * count}}}\n" for count in range(1, 41))
    jobs = [inbox.aligning(f"run/{at}.yaml", protein(ALPHA, more=each)) for at, each in enumerate(ligands)]
    inbox.aligner.run()
    assert inbox.server.asked == [("msa", ALPHA)]
    assert {inbox.now(job).state for job in jobs} == {State.QUEUED}


def test_what_is_there_is_not_searched_for_again(inbox: AligningInbox) -> None:
    inbox.aligning(content=protein(ALPHA))
    inbox.aligner.run()
    later = inbox.drop("run/later.yaml", protein(ALPHA))
    assert later
    assert (later.state, later.msa_server) == (State.QUEUED, "msa.example")
    inbox.aligning("run/both.yaml", protein(ALPHA, BETA))
    inbox.aligner.run()
    assert inbox.server.asked == [("msa", ALPHA), ("msa", BETA), ("pair", ALPHA, BETA)]


def test_a_long_list_of_sequences_is_asked_for_in_parts(inbox: AligningInbox) -> None:
    one, two, three = ("A" * 1500, "C" * 1500, "D" * 1500)
    inbox.aligning(content=protein(one, two, three))
    inbox.aligner.run()
    assert inbox.server.asked == [("msa", one, two), ("msa", three), ("pair", one, two, three)]


def test_a_server_in_trouble_is_left_alone_longer_and_longer_and_then_asked_again(
    inbox: AligningInbox, clock: Clock
) -> None:
    job = inbox.aligning()
    inbox.aligning("other.yaml", protein(BETA))
    inbox.server.fails = lambda _: TroubleError("no answer (connection refused)")
    for pause in (10, 20, 40):
        before = len(inbox.server.asked)
        inbox.aligner.run()
        assert len(inbox.server.asked) == before + 1, "one call for all jobs"
        clock.now += pause - 1
        inbox.aligner.run()
        assert len(inbox.server.asked) == before + 1
        clock.now += 1
    inbox.server.fails = lambda _: None
    inbox.aligner.run()
    assert inbox.now(job).state is State.QUEUED


def test_a_server_that_is_in_trouble_for_weeks_is_asked_every_ten_minutes(
    inbox: AligningInbox, clock: Clock
) -> None:
    job = inbox.aligning()
    inbox.server.fails = lambda _: TroubleError("no answer (connection refused)")
    inbox.aligner.search.trouble.times = 5000
    inbox.aligner.run()
    clock.now += 599
    inbox.aligner.run()
    assert len(inbox.server.asked) == 1
    clock.now += 1
    inbox.server.fails = lambda _: None
    inbox.aligner.run()
    assert inbox.now(job).state is State.QUEUED


def test_trouble_is_written_down_for_whoever_wonders_and_so_is_its_end(
    inbox: AligningInbox, clock: Clock
) -> None:
    def told() -> MsaTrouble | None:
        return MsaTrouble.decode(inbox.kept.objects[f"{MSA.prefix}/{TROUBLE}"][1])

    inbox.aligning()
    inbox.server.fails = lambda _: TroubleError("no answer (connection refused)")
    inbox.aligner.run()
    first = told()
    assert first
    assert first.reason == "no answer (connection refused)"
    clock.now += 10
    inbox.aligner.run()
    again = told()
    assert again
    assert (again.since, again.again_at is not None) == (first.since, True)
    inbox.server.fails = lambda _: None
    clock.now += 20
    inbox.another_aligner().run()  # which knows nothing of it
    assert told() is None


def test_where_there_was_no_trouble_none_is_written_down(inbox: AligningInbox) -> None:
    inbox.aligning()
    inbox.aligner.run()
    assert not any(TROUBLE in name for name in inbox.kept.objects)


def test_a_server_says_itself_for_how_long(inbox: AligningInbox, clock: Clock) -> None:
    inbox.aligning()
    inbox.server.fails = lambda _: TroubleError("that it is being maintained", 600)
    inbox.aligner.run()
    clock.now += 599
    inbox.aligner.run()
    assert len(inbox.server.asked) == 1


def test_who_is_refused_fails_at_once_by_chain_and_field_and_the_others_go_on(inbox: AligningInbox) -> None:
    refused = inbox.aligning("a.yaml", protein(ALPHA, BETA))
    good = inbox.aligning("b.yaml", protein(ALPHA))
    inbox.server.fails = lambda asked: RefusedError("too short") if BETA in asked else None
    inbox.aligner.run()
    job = inbox.now(refused)
    [failure] = job.errors
    assert (job.state, failure.code, failure.field) == (
        State.FAILED,
        Code.MSA_REFUSED,
        "sequences[1].protein",
    )
    assert failure.message == "There is no alignment of chain B: msa.example refused it: too short."
    assert inbox.receipt(job)["errors"][0]["code"] == "MSA_REFUSED"
    assert inbox.now(good).state is State.QUEUED


def test_a_search_that_fails_is_tried_three_times_a_minute_apart(inbox: AligningInbox, clock: Clock) -> None:
    job = inbox.aligning()
    inbox.server.fails = lambda _: SearchFailedError("an error, without a reason")
    for _ in range(2):
        inbox.aligner.run()
        inbox.aligner.run()
        assert inbox.now(job).state is State.ALIGNING
        clock.now += 60
    inbox.aligner.run()
    failed = inbox.now(job)
    assert (failed.state, failed.errors[0].code) == (State.FAILED, Code.MSA_REFUSED)
    assert "msa.example answered with an error, without a reason" in failed.errors[0].message
    assert inbox.server.asked == [("msa", ALPHA)] * 6  # each time together and alone


def test_without_time_the_next_pass_goes_on_and_is_asked_for(inbox: AligningInbox) -> None:
    jobs = [inbox.aligning("a.yaml", protein(ALPHA)), inbox.aligning("b.yaml", protein(BETA))]
    inbox.wanted.messages.clear()
    inbox.server.slow = lambda _: True
    inbox.aligner.run()
    assert len(inbox.server.asked) == 2
    assert inbox.wanted.messages == []  # the sweep asks again
    inbox.server.slow, inbox.seconds = lambda _: False, 0
    inbox.another_aligner().run()
    assert len(inbox.wanted.messages) == 1
    inbox.aligner.run()
    assert {inbox.now(job).state for job in jobs} == {State.QUEUED}


def test_what_there_is_no_time_to_queue_is_queued_by_the_next_pass(
    inbox: AligningInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(align, "BATCH", 3)
    clock = Clock()
    monkeypatch.setattr(align, "time", clock)
    jobs = [inbox.aligning(f"run/{at}.yaml", protein(ALPHA, more=f"# {at}\n")) for at in range(8)]
    inbox.wanted.messages.clear()

    def late(_sequences: Sequence[str]) -> None:
        clock.now += inbox.seconds

    inbox.server.fails = late
    inbox.aligner.run()
    assert sum(inbox.now(job).state is State.QUEUED for job in jobs) == 3
    assert len(inbox.wanted.messages) == 1
    inbox.server.fails = lambda _: None
    inbox.aligner.run()
    assert {inbox.now(job).state for job in jobs} == {State.QUEUED}
    assert len(inbox.server.asked) == 1


def test_a_search_that_does_not_end_is_looked_at_and_holds_up_nobody(inbox: AligningInbox) -> None:
    endless, other = inbox.aligning("a.yaml", protein(ALPHA)), inbox.aligning("b.yaml", protein(BETA))
    inbox.server.slow = lambda asked: ALPHA in asked
    for _ in range(3):
        inbox.aligner.run()
    assert inbox.server.waited == [True, False, False]
    assert (inbox.now(endless).state, inbox.now(other).state) == (State.ALIGNING, State.QUEUED)
    inbox.server.slow = lambda _: False
    inbox.aligner.run()
    assert inbox.now(endless).state is State.QUEUED


def test_a_search_of_more_than_an_hour_is_trouble_that_people_hear_of_and_holds_up_nobody(
    inbox: AligningInbox, clock: Clock
) -> None:
    endless = inbox.aligning("a.yaml", protein(ALPHA))
    inbox.server.slow = lambda asked: ALPHA in asked
    inbox.aligner.run()
    clock.now += LONGEST_SEARCH_SECONDS
    inbox.aligner.run()
    assert not any(TROUBLE in name for name in inbox.kept.objects)
    clock.now += 1
    other = inbox.aligning("b.yaml", protein(BETA))
    inbox.aligner.run()
    assert (inbox.now(endless).state, inbox.now(other).state) == (State.ALIGNING, State.QUEUED)
    inbox.aligner.run()
    told = MsaTrouble.decode(inbox.kept.objects[f"{MSA.prefix}/{TROUBLE}"][1])
    assert told
    assert told.reason == ENDLESS
    inbox.ledger.replace(inbox.now(endless).evolve(wait_until=datetime.now(UTC)))
    inbox.aligner.run()
    assert inbox.now(endless).errors[0].message.endswith(f"Its last answer: {ENDLESS}.")


def test_another_instance_finds_what_is_made_and_goes_on(inbox: AligningInbox) -> None:
    job = inbox.aligning()
    inbox.kept.put(job.aligns[0], b">101\n")
    inbox.another_aligner().run()
    assert inbox.now(job).state is State.QUEUED
    assert inbox.server.asked == []


def test_a_job_of_another_server_is_aligned_by_today_s(inbox: AligningInbox) -> None:
    job = inbox.aligning()
    inbox.msa = MSA._replace(database="newer")
    today, names = inbox.another_aligner(), inbox.msa.needed([ALPHA]).names
    inbox.wanted.messages.clear()
    today.run()
    assert (inbox.now(job).state, inbox.now(job).aligns) == (State.ALIGNING, names)
    assert (inbox.server.asked, len(inbox.wanted.messages)) == ([], 1), "recorded before anything is sent"
    today.run()
    assert inbox.now(job).state is State.QUEUED
    assert tuple(inbox.kept.objects) == names


def test_a_job_that_is_deleted_or_cancelled_meanwhile_stays_so(inbox: AligningInbox) -> None:
    event = inbox.put("a.yaml", protein(ALPHA))
    inbox.announce(event)
    job = inbox.ledger.only()
    del inbox.uploads.objects["a.yaml"]
    inbox.aligner.run()
    assert inbox.now(job).state is State.CANCELLED
    other = inbox.aligning("b.yaml", protein(BETA))
    cancelled = inbox.ledger.replace(lifecycle.cancel(other, datetime.now(UTC), "not wanted"))
    inbox.aligner.run()
    assert inbox.now(other).state is cancelled.state is State.CANCELLED


def test_after_a_day_a_job_ends_with_the_server_s_last_answer(inbox: AligningInbox) -> None:
    job = inbox.aligning()
    inbox.server.fails = lambda _: TroubleError("no answer (connection refused)")
    inbox.aligner.run()
    inbox.ledger.replace(inbox.now(job).evolve(wait_until=datetime.now(UTC) - timedelta(seconds=1)))
    inbox.aligner.run()
    ended = inbox.now(job)
    assert (ended.state, ended.errors[0].code) == (State.FAILED, Code.MSA_UNAVAILABLE)
    assert "no answer (connection refused)" in ended.errors[0].message


def test_after_a_day_a_job_ends_also_where_nobody_makes_alignments(inbox: AligningInbox) -> None:
    job = inbox.aligning()
    young = inbox.aligning("b.yaml", protein(BETA))
    inbox.ledger.replace(job.evolve(wait_until=datetime.now(UTC) - timedelta(seconds=1)))
    Comparison(inbox.uploads, inbox.ledger, inbox.intake, timedelta(300), timedelta(1), 10).run()
    assert (inbox.now(job).state, inbox.now(young).state) == (State.FAILED, State.ALIGNING)


def test_files_and_alignments_are_waited_for_one_after_the_other(inbox: AligningInbox) -> None:
    job = inbox.drop("run/a.yaml", protein(ALPHA, more="templates:\n- cif: t.cif\n"))
    assert job
    assert (job.state, job.aligns) == (State.WAITING, ())
    inbox.announce(inbox.put("run/t.cif", b"data_t\nloop_\n_atom_site.id\n1\n"))
    job = inbox.now(job)
    assert (job.state, len(job.aligns), job.msa_server) == (State.ALIGNING, 1, "msa.example")
    inbox.aligner.run()
    assert inbox.now(job).state is State.QUEUED


def test_the_sweep_asks_for_alignments_while_a_job_lacks_one(inbox: AligningInbox) -> None:
    sweep = Sweep(inbox.ledger, inbox.settler, timedelta(60), timedelta(900))
    sweep.run()
    assert inbox.wanted.messages == []
    inbox.aligning()
    inbox.wanted.messages.clear()
    sweep.run()
    assert len(inbox.wanted.messages) == 1


def test_letters_go_to_the_server_that_is_set_and_nowhere_where_none_is(inbox: AligningInbox) -> None:
    with answering(lambda _asked: Reply(b"not these", HTTPStatus.BAD_REQUEST)) as listener:
        without = Inbox()
        rejected = without.drop("run42/a.yaml", protein(ALPHA))
        assert rejected
        assert (rejected.state, rejected.errors[0].code) == (State.REJECTED, Code.INVALID_INPUT)
        Sweep(without.ledger, without.settler, timedelta(60), timedelta(900)).run()
        Comparison(without.uploads, without.ledger, without.intake, timedelta(0), timedelta(1), 10).run()
        assert (listener.asked, rejected.msa_server) == ([], None)
        inbox.aligning()
        replace(inbox.aligner, search=Search(Kept(MSA, inbox.kept), ColabFold(listener.url, "test"))).run()
        assert ALPHA.encode() in listener.asked[0].body
