from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from google.cloud import firestore
from support.fakes import NOW, Document, MemoryLedger, a_job, a_source
from support.later import DAMAGES, EFFECT, as_the_next, beyond

from gcp.ledger import BATCH, COLLECTION, PAGE, FirestoreLedger
from jobs import lifecycle
from jobs.ledger import NEWEST, AlreadyRecordedError, ConflictError, Ledger, UnreadableJobError
from schemas.checks import Checks, Verdict
from schemas.failure import Code, Failure
from schemas.job import Alignment, Job, Model, Output, Result, State


@pytest.fixture(params=["memory", "firestore"])
def ledger(request: pytest.FixtureRequest) -> Iterator[Ledger]:
    """Both implementations pass the same tests, so that what holds for the fake holds for Firestore."""
    if request.param == "memory":
        yield MemoryLedger()
        return
    request.getfixturevalue("firestore_host")
    yield FirestoreLedger(firestore.Client(project=request.getfixturevalue("project")))


ALIGNMENT = Alignment(
    chains=("A", "B"), server="msa.example", database="x", rows=3, paired=1, sha256="00", object="p/a.a3m"
)


def full_job() -> Job:
    running = lifecycle.claim(a_job(waits_for=("ä #%/x.a3m",)), "w", NOW)
    result = Result(
        outputs=(Output(name="o/model_0.cif", size=3, crc32c="AAAAAA=="),),
        scores={"confidence_score": 0.5},
        timings={"predict": 1.25},
        model=Model(name="boltz-2", version="2.2.1", weights_digest="sha256:00", random_weights=True),
        fingerprint="f1",
        cached_from="0" * 16,
        alignments=(ALIGNMENT,),
    )
    failure = Failure(code=Code.WORKER_LOST, message="m", remedy="r")
    return lifecycle.succeed(running, result, NOW).evolve(errors=(failure,))


def test_a_job_comes_back_as_it_was_written(ledger: Ledger) -> None:
    job = full_job()
    ledger.create(job)
    assert ledger.get(job.job_id) == job.evolve(revision=ledger.get(job.job_id).revision)  # type: ignore[union-attr]  # it is there
    assert ledger.get("f" * 16) is None


def test_a_job_is_found_by_what_its_result_depends_on(ledger: Ledger) -> None:
    job = full_job()
    ledger.create(job)
    ledger.create(a_job(job_id="1" * 16))
    found = ledger.succeeded_as("f1")
    assert found is not None
    assert found.job_id == job.job_id
    assert ledger.succeeded_as("f2") is None
    assert [ledger.count_as(fingerprint, 3) for fingerprint in ("f1", "f2")] == [1, 0]


def test_a_second_create_is_refused(ledger: Ledger) -> None:
    ledger.create(a_job())
    with pytest.raises(AlreadyRecordedError):
        ledger.create(a_job())


def test_of_twenty_writers_of_one_revision_one_wins(ledger: Ledger) -> None:
    job = ledger.create(lifecycle.take_in(a_job(), NOW))

    def race(number: int) -> bool:
        try:
            ledger.replace(lifecycle.claim(job, f"worker-{number}", NOW))
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(race, range(20))) == 1


def test_a_written_job_can_be_written_again_by_who_wrote_it(ledger: Ledger) -> None:
    job = ledger.create(lifecycle.take_in(a_job(), NOW))
    running = ledger.replace(lifecycle.claim(job, "w", NOW))
    ledger.replace(lifecycle.renew(running, NOW + timedelta(seconds=30)))


def test_a_job_that_is_not_recorded_cannot_be_replaced(ledger: Ledger) -> None:
    job = ledger.create(a_job())
    with pytest.raises(ConflictError):
        ledger.replace(job.evolve(job_id="e" * 16))


def test_searches_find_what_they_name(ledger: Ledger) -> None:
    waiting = lifecycle.take_in(a_job(job_id="1" * 16, waits_for=("run/ä b.a3m",)), NOW)
    queued = lifecycle.take_in(a_job(job_id="2" * 16), NOW)
    running = lifecycle.claim(a_job(job_id="3" * 16), "w", NOW)
    ended = lifecycle.supersede(a_job(job_id="4" * 16), NOW)
    for job in (waiting, queued, running, ended):
        ledger.create(job)

    def ids(jobs: object) -> list[str]:
        assert isinstance(jobs, list)
        return sorted(job.job_id for job in jobs)

    assert ids(list(ledger.waiting_for("run/ä b.a3m"))) == ["1" * 16]
    assert ids(list(ledger.waiting_for("run/other.a3m"))) == []
    assert ledger.count(State.QUEUED, most=9) == 1
    assert ids(ledger.unsettled(before=NOW + timedelta(seconds=1))) == ["4" * 16]
    assert ids(ledger.unsettled(before=NOW)) == []
    assert ids(ledger.lapsed(NOW + timedelta(minutes=1))) == []
    assert ids(ledger.lapsed(NOW + timedelta(hours=25))) == ["3" * 16]
    assert [ledger.waits(name) for name in ("run/ä b.a3m", "run/other.a3m")] == [True, False]


def test_unfinished_are_found_by_what_their_names_begin_with(ledger: Ledger) -> None:
    names = [
        "run/b.yaml",
        "run/ä/\U0001f9ec.yaml",
        "run/a.yaml",
        "run/ended.yaml",
        "runs.yaml",
        "other/a.yaml",
    ]
    for number, name in enumerate(names):
        job = a_job(job_id=f"{number:016x}", source=a_source(name))
        ledger.create(lifecycle.supersede(job, NOW) if "ended" in name else job)
    ledger.create(a_job(job_id="f" * 16, source=a_source("run/a.yaml", bucket="another")))

    def found(prefix: str) -> list[str]:
        names = [job.source.name for job in ledger.unfinished("in", prefix)]
        assert ledger.count_unfinished("in", prefix, most=100) == len(names)
        return names

    assert found("run/") == ["run/a.yaml", "run/b.yaml", "run/ä/\U0001f9ec.yaml"]
    assert found("run/ä") == ["run/ä/\U0001f9ec.yaml"]
    assert len(found("")) == 5
    assert found("nothing") == []
    assert ledger.count_unfinished("in", "", most=2) == 2


def test_all_that_wait_for_a_file_are_found_also_while_they_go_on(ledger: Ledger) -> None:
    names = [f"{number:016x}" for number in range(2 * PAGE + 3)]
    for name in names:
        ledger.create(lifecycle.take_in(a_job(job_id=name, waits_for=("run/x.a3m",)), NOW))
    found = []
    for job in ledger.waiting_for("run/x.a3m"):
        found.append(job.job_id)
        if len(found) % 3:
            ledger.replace(lifecycle.advance(job, lifecycle.Trigger.ARRIVED, NOW))
    assert sorted(found) == names
    behind = [job.job_id for job in ledger.waiting_for("run/x.a3m", after=names[PAGE])]
    assert behind == [name for at, name in enumerate(names) if at > PAGE and (at + 1) % 3 == 0]


def test_unserved_are_the_queued_jobs_that_stayed_unchanged_the_longest_first(ledger: Ledger) -> None:
    ages = {"1" * 16: 1, "2" * 16: 3, "3" * 16: 2, "4" * 16: 0}  # minutes
    for job_id, minutes in ages.items():
        ledger.create(lifecycle.take_in(a_job(job_id=job_id), NOW - timedelta(minutes=minutes)))
    long_ago = NOW - timedelta(hours=1)
    ledger.create(lifecycle.claim(a_job(job_id="5" * 16), "w", long_ago))
    ledger.create(lifecycle.take_in(a_job(job_id="6" * 16, waits_for=("x.a3m",)), long_ago))
    assert [job.job_id for job in ledger.unserved(before=NOW)] == ["2" * 16, "3" * 16, "1" * 16]


def test_a_count_stops_where_it_is_told_to(ledger: Ledger) -> None:
    for number in range(5):
        ledger.create(_queued(number))
    assert [ledger.count(State.QUEUED, most) for most in (1, 3, 5, 9)] == [1, 3, 5, 5]


def test_the_newest_running_is_the_one_taken_in_last_whoever_was_claimed_last(ledger: Ledger) -> None:
    assert ledger.newest_running() is None
    ages = {"1" * 16: 3, "2" * 16: 1, "3" * 16: 2}  # minutes since they were taken in
    for seconds, (job_id, minutes) in enumerate(ages.items()):
        job = a_job(job_id=job_id, created_at=NOW - timedelta(minutes=minutes))
        ledger.create(lifecycle.claim(job, "w", NOW + timedelta(seconds=seconds)))
    ledger.create(lifecycle.take_in(a_job(job_id="4" * 16, created_at=NOW), NOW))
    newest = ledger.newest_running()
    assert newest is not None
    assert newest.job_id == "2" * 16


def test_the_last_ended_is_found_if_it_ended_after_a_time(ledger: Ledger) -> None:
    assert ledger.last_ended(since=NOW - timedelta(days=1)) is None
    for minutes, job_id in enumerate(("1" * 16, "2" * 16)):
        ended = lifecycle.supersede(a_job(job_id=job_id), NOW - timedelta(minutes=minutes))
        ledger.create(ended)
    ledger.create(_queued(3))
    last = ledger.last_ended(since=NOW - timedelta(minutes=5))
    assert last is not None
    assert last.job_id == "1" * 16
    assert ledger.last_ended(since=NOW) is None


def test_a_backlog_longer_than_a_page_comes_in_turn(ledger: Ledger) -> None:
    numbers = range(PAGE + 5)
    with ThreadPoolExecutor(8) as pool:  # the later the id, the longer ago
        list(pool.map(ledger.create, (_queued(number) for number in numbers)))
        first = ledger.unserved(before=NOW)
        list(pool.map(ledger.replace, (lifecycle.request_again(job, NOW) for job in first)))
    rest = ledger.unserved(before=NOW)
    assert [job.job_id for job in (*first, *rest)] == [f"{number:016x}" for number in reversed(numbers)]
    assert (len(first), len(rest)) == (PAGE, 5)


def _queued(number: int) -> Job:
    at = NOW - timedelta(minutes=1 + number)
    return lifecycle.take_in(a_job(job_id=f"{number:016x}"), at)


def test_the_newest_generations_of_an_object_come_first_and_so_many_at_most(ledger: Ledger) -> None:
    for generation in (3, NEWEST + 2, *range(1, 3), *range(4, NEWEST + 2)):
        source = a_source("ä b.yaml", generation=generation)
        ledger.create(a_job(job_id=f"{generation:016x}", source=source))
    ledger.create(a_job(job_id="a" * 16, source=a_source("other.yaml", generation=999)))
    ledger.create(a_job(job_id="b" * 16, source=a_source("ä b.yaml", generation=999, bucket="other")))
    found = ledger.generations("in", "ä b.yaml")
    assert [job.source.generation for job in found] == list(range(NEWEST + 2, 2, -1))
    assert ledger.generations("in", "nothing.yaml") == []


def test_ids_that_no_job_has_are_told_apart_in_any_number(ledger: Ledger) -> None:
    ledger.create(a_job(job_id=f"{5:016x}"))
    ids = [f"{number:016x}" for number in range(BATCH + 3)]
    assert ledger.unknown(ids) == set(ids) - {f"{5:016x}"}
    assert ledger.unknown([]) == set()


def test_waiting_are_all_that_wait_however_many(ledger: Ledger) -> None:
    names = [f"{number:016x}" for number in range(PAGE + 2)]
    for name in names:
        ledger.create(lifecycle.take_in(a_job(job_id=name, waits_for=(f"{name}.a3m",)), NOW))
    ledger.create(lifecycle.take_in(a_job(job_id="9" * 16), NOW))
    assert [job.job_id for job in ledger.waiting()] == names


def test_aligning_are_all_that_lack_alignments_the_longest_unchanged_first(ledger: Ledger) -> None:
    for minutes, name in enumerate("cab"):
        job = a_job(job_id=name * 16, aligns=("p/x.a3m", f"p/{name}.a3m"))
        ledger.create(lifecycle.take_in(job, NOW + timedelta(minutes=minutes)))
    ledger.create(lifecycle.take_in(a_job(job_id="9" * 16), NOW))
    assert [job.job_id[0] for job in ledger.aligning()] == ["c", "a", "b"]
    assert sorted(job.job_id[0] for job in ledger.aligning_for("p/x.a3m")) == ["a", "b", "c"]
    assert [job.job_id[0] for job in ledger.aligning_for("p/a.a3m")] == ["a"]
    for job in ledger.aligning_for("p/x.a3m"):
        ledger.replace(lifecycle.align(job, NOW))
    assert list(ledger.aligning()) == list(ledger.aligning_for("p/x.a3m")) == []


def test_jobs_under_a_prefix_are_counted_listed_and_looked_up(ledger: MemoryLedger | FirestoreLedger) -> None:
    states = [State.SUCCEEDED, State.FAILED, State.QUEUED, State.SUCCEEDED]
    for number, (name, state) in enumerate(zip(["r/b", "r/a", "r/ü", "s/a"], states, strict=True)):
        ledger.create(a_job(state, job_id=f"{number:016x}", source=a_source(name)))
    ledger.create(a_job(job_id="9" * 16, source=a_source("r/c", bucket="other")))
    assert {state: ledger.count_under("in", "r/", [state]) for state in set(states)} == {
        State.SUCCEEDED: 1,
        State.FAILED: 1,
        State.QUEUED: 1,
    }
    assert ledger.count_under("in", "r/", State) == 3
    assert [job.source.name for job in ledger.under("in", "r/", tuple(State), 2)] == ["r/a", "r/b"]
    assert [job.source.name for job in ledger.under("in", "", (State.SUCCEEDED,), 9)] == ["r/b", "s/a"]
    assert ledger.states([f"{0:016x}", "f" * 16]) == {f"{0:016x}": State.SUCCEEDED}


def test_verdicts_are_looked_up_by_job(ledger: MemoryLedger | FirestoreLedger) -> None:
    for number, verdict in enumerate((Verdict.FAILED, Verdict.PASSED, None)):
        checks = verdict and Checks(verdict=verdict)
        ledger.create(a_job(State.SUCCEEDED, job_id=f"{number:016x}", checks=checks))
    asked = [*(f"{number:016x}" for number in range(3)), "f" * 16]
    assert ledger.verdicts(asked) == {asked[0]: "failed", asked[1]: "passed"}


def test_the_last_predictions_and_the_longest_queued_are_found(
    ledger: MemoryLedger | FirestoreLedger,
) -> None:
    assert ledger.longest_queued() is None
    for number, state in enumerate(
        [State.SUCCEEDED, State.FAILED, State.REJECTED, State.QUEUED, State.QUEUED]
    ):
        at = NOW + timedelta(minutes=number)
        ledger.create(a_job(state, job_id=f"{number:016x}", updated_at=at))
    assert [job.state for job in ledger.predicted(NOW - timedelta(1), 9)] == [State.FAILED, State.SUCCEEDED]
    assert [job.state for job in ledger.predicted(NOW - timedelta(1), 1)] == [State.FAILED]
    assert ledger.predicted(NOW + timedelta(minutes=1), 9) == []
    longest = ledger.longest_queued()
    assert longest is not None
    assert longest.job_id == f"{3:016x}"


def put(ledger: Ledger, document: Document) -> None:
    """Store a document behind the ledger's back, as another release does."""
    if isinstance(ledger, MemoryLedger):
        ledger.put(document)
    else:
        firestore.Client().collection(COLLECTION).document(document["job_id"]).set(document)


def stored(ledger: Ledger, job_id: str) -> Document:
    if isinstance(ledger, MemoryLedger):
        return ledger.documents[job_id][1]
    found: Document = firestore.Client().collection(COLLECTION).document(job_id).get().to_dict()
    return found


def known(ledger: Ledger, job_id: str) -> Job:
    job = ledger.get(job_id)
    assert job is not None
    return job


def test_a_record_of_the_next_release_keeps_all_of_it_to_the_end(ledger: Ledger) -> None:
    document = as_the_next(lifecycle.take_in(a_job(), NOW))
    document["options"]["step_scale"] = 1.5
    put(ledger, document)
    running = ledger.replace(lifecycle.claim(known(ledger, document["job_id"]), "w", NOW))
    ledger.replace(lifecycle.renew(running, NOW + timedelta(seconds=30)))  # by who wrote it, without a look
    result = Result(**{name: getattr(full_job(), name) for name in Result.model_fields})
    ledger.replace(lifecycle.succeed(known(ledger, document["job_id"]), result, NOW))
    written = stored(ledger, document["job_id"])
    assert dict(beyond(written)) == dict(beyond(document))
    assert written["options"] == document["options"]
    assert written["history"][: len(document["history"])] == document["history"]
    assert (written["state"], written["pending"]) == ("SUCCEEDED", ["RECEIPT", "EVENT", EFFECT])


def test_what_the_next_release_has_written_is_kept_by_each_write(ledger: Ledger) -> None:
    running = as_the_next(lifecycle.claim(a_job(), "w", NOW))
    put(ledger, running)
    ledger.replace(lifecycle.renew(known(ledger, running["job_id"]), NOW + timedelta(seconds=30)))
    renewed = stored(ledger, running["job_id"])
    assert (dict(beyond(renewed)), renewed["lease"]["expires_at"] > running["lease"]["expires_at"]) == (
        dict(beyond(running)),
        True,
    )
    ended = as_the_next(lifecycle.enter(full_job(), "SUCCEEDED", State.SUCCEEDED, NOW))
    put(ledger, ended)
    ledger.replace(known(ledger, ended["job_id"]).evolve(pending=()))
    assert stored(ledger, ended["job_id"]) == ended | {"pending": []}


def test_a_job_of_the_next_release_is_cancelled_and_keeps_all_of_it(ledger: Ledger) -> None:
    document = as_the_next(lifecycle.take_in(a_job(waits_for=("x.a3m",)), NOW))
    put(ledger, document)
    ledger.replace(lifecycle.cancel(known(ledger, document["job_id"]), NOW, "why"))
    assert dict(beyond(stored(ledger, document["job_id"]))) == dict(beyond(document))


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_job_that_cannot_be_read_is_there_and_says_so(ledger: Ledger, damage: Document) -> None:
    document = as_the_next(a_job()) | damage
    put(ledger, document)
    with pytest.raises(UnreadableJobError, match=f"record of job {document['job_id']}: {next(iter(damage))}"):
        ledger.get(document["job_id"])
    with pytest.raises(AlreadyRecordedError):
        ledger.create(a_job())
    assert ledger.unknown([document["job_id"]]) == set()
    assert stored(ledger, document["job_id"]) == document


def poison(ledger: Ledger, *jobs: Job) -> None:
    """Put a record that cannot be read before and behind each of these jobs."""
    for number, job in enumerate(jobs):
        for beside in (-1, 1):
            source = job.source.model_copy(update={"generation": job.source.generation + beside})
            other = as_the_next(
                job.evolve(job_id=f"{number:015x}{'m' if beside < 0 else 'p'}", source=source)
            )
            for time in ("created_at", "updated_at"):
                other[time] += timedelta(seconds=beside)
            put(ledger, other | {"trace": 5})


def searches(ledger: MemoryLedger | FirestoreLedger) -> Iterator[tuple[Iterable[Job | None], str]]:
    """Search in every way; with the letters of the jobs that are to be found."""
    before, later = NOW - timedelta(days=2), NOW + timedelta(days=2)
    yield ledger.waiting_for("x.a3m"), "a"
    yield ledger.generations("in", "run42/foo.yaml"), "abcd"
    yield ledger.unfinished("in", "run42/"), "abc"
    yield ledger.under("in", "run42/", tuple(State), 4), "abcd"
    yield ledger.under("in", "run42/", [State.QUEUED], 1), "b"
    yield ledger.waiting(), "a"
    yield ledger.unsettled(later), "d"
    yield ledger.unserved(later), "b"
    yield ledger.lapsed(later), "c"
    yield [ledger.newest_running()], "c"
    yield [ledger.last_ended(before)], "d"
    yield [ledger.longest_queued()], "b"
    yield ledger.predicted(before, 1), "d"
    yield [ledger.succeeded_as("f1")], "d"


def test_searches_pass_over_what_cannot_be_read_to_what_can(
    ledger: MemoryLedger | FirestoreLedger, caplog: pytest.LogCaptureFixture
) -> None:
    waiting = lifecycle.take_in(a_job(job_id="a" * 16, waits_for=("x.a3m",)), NOW)
    queued = lifecycle.take_in(a_job(job_id="b" * 16), NOW)
    running = lifecycle.claim(a_job(job_id="c" * 16), "w", NOW)
    jobs = (waiting, queued, running, full_job().evolve(job_id="d" * 16))
    for job in jobs:
        ledger.create(job)
    poison(ledger, *jobs)
    for found, expected in searches(ledger):
        assert sorted(job.job_id[0] for job in found if job) == [*expected]
        passed_over = [record.__dict__["job_id"] for record in caplog.records]
        assert passed_over
        assert len(passed_over) == len(set(passed_over))
        caplog.clear()
    assert ledger.count(State.QUEUED, most=9) == ledger.count_under("in", "run42/", [State.QUEUED]) == 3


def test_pages_of_what_cannot_be_read_hide_nothing_behind_them(
    ledger: MemoryLedger | FirestoreLedger,
) -> None:
    numbers = range(PAGE + 1)
    poisoned = as_the_next(lifecycle.claim(a_job(), "w", NOW - timedelta(hours=1))) | {"state": "HELD"}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: put(ledger, poisoned | {"job_id": f"{number:016x}"}), numbers))
    good = ledger.create(lifecycle.claim(a_job(job_id="f" * 16), "w", NOW))
    assert [job.job_id for job in ledger.lapsed(NOW + timedelta(hours=1))] == [good.job_id]
