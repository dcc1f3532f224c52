"""Have missing alignments made, one search after the other, and queue the jobs that lacked them.

One instance does it for everybody, so that a server sees one client. The ledger says what is missing, the
bucket what is there, and a ticket's id is a digest of its question: whoever takes over asks the same again.
"""

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice

from functions.alignments.kept import Kept
from functions.alignments.search import OutOfTimeError, Search
from functions.alignments.server import AlignmentError, InTime, RefusedError, TroubleError
from functions.generations import Generations
from functions.waiting import Uploads
from inputs.alignments import unaligned
from inputs.examine import Examiner, Rules
from inputs.grammar import BoltzInput
from inputs.read import InvalidInputError
from inputs.tree import shorten
from jobs import lifecycle
from jobs.ledger import ConflictError, Ledger
from jobs.settle import Settler, Topic
from schemas.failure import Code, Failure
from schemas.job import Job
from schemas.messages import AlignmentsWanted
from schemas.storage import ObjectGoneError
from schemas.trouble import MsaTrouble

AT_ONCE, BATCH = 16, 160
"""Jobs that are queued at a time, and between two looks at the clock."""

logger = logging.getLogger(__name__)


@dataclass
class Aligner:
    """Makes alignments; one instance of it exists. After so many ``seconds`` a pass begins no more."""

    uploads: Uploads
    ledger: Ledger
    settler: Settler
    rules: Rules
    search: Search
    wanted: Topic
    seconds: float
    _waiting: threading.Lock = field(default_factory=threading.Lock)
    _passing: threading.Lock = field(default_factory=threading.Lock)
    _kept: Kept = field(init=False)
    _told: MsaTrouble | None = None

    def dispatch(self, _data: bytes, _attributes: Mapping[str, str]) -> None:
        """Make sure that a pass begins after this call, however many call at once: one waits for it."""
        if not self._waiting.acquire(blocking=False):
            return
        with self._passing:
            self._waiting.release()
            self.run()

    def run(self) -> None:
        """Do one pass: each job that lacks alignments in turn. Where time is over it asks for another."""
        ends, self._kept = time.monotonic() + self.seconds, self.search.kept.remembering()

        def in_time() -> bool:
            return time.monotonic() < ends

        for job in self.ledger.aligning():
            if not in_time():
                self._ask_for_another_pass()
                return
            try:
                self._serve(job, in_time)
            except OutOfTimeError:
                continue
            except Exception:
                logger.exception("left for the next pass", extra=job.about | {"action": "align.job_left"})

    def _ask_for_another_pass(self) -> None:
        self.wanted.publish(AlignmentsWanted.at(datetime.now(UTC)).encode())

    def _serve(self, job: Job, in_time: InTime) -> None:
        now = datetime.now(UTC)
        lacking = self._kept.lacking(job.aligns)
        if not lacking:
            self._resume_all(job.aligns, in_time)
        elif job.wait_until and job.wait_until < now:
            self._change(lifecycle.expire(job, now, self.search.last_answer(lacking)), "waited too long")
        elif not self.search.rests(lacking):
            self._have_made(job, lacking, in_time)

    def _have_made(self, job: Job, lacking: tuple[str, ...], in_time: InTime) -> None:
        try:
            document = Examiner(self.uploads, self.rules).document(job.source)
            if self._is_of_another_server(job, document):
                self._record_anew(job, document)
                return
            self.search.make(unaligned(document), lacking, in_time)
        except ObjectGoneError:
            Generations(self.uploads, self.ledger, self.settler).withdraw(job)
        except InvalidInputError as error:  # a validator that was deployed meanwhile
            self._change(lifecycle.fail(job, error.failures[0], datetime.now(UTC)), "not valid any more")
        except TroubleError as error:
            self._tell(error)
            logger.warning(
                "the MSA server cannot be used: %s",
                error,
                extra={"action": "msa.trouble", "host": self._host, "reason": str(error)},
            )
        except AlignmentError as error:
            about = job.about | {"reason": str(error), "final": error.final}
            logger.warning("no alignment", extra=about | {"action": "msa.search_failed"})
            if error.final:
                failure = _refused(self._host, document, error)
                self._change(lifecycle.fail(job, failure, datetime.now(UTC)), "cannot be aligned")
        else:
            self._tell(None)
            self._resume_all(lacking, in_time)

    def _tell(self, error: TroubleError | None) -> None:
        """Write down trouble, and its end; the first time also that there is no trouble (any more)."""
        if error is None and self._told is not None and not self._told.since:
            return
        self._told = self._trouble(error) if error else MsaTrouble()
        try:
            self.search.kept.tell(self._told)
        except Exception:
            logger.exception("trouble not written down", extra={"action": "msa.trouble_untold"})

    def _trouble(self, error: TroubleError) -> MsaTrouble:
        now = datetime.now(UTC)
        since = self._told.since if self._told and self._told.since else now
        again = now + timedelta(seconds=max(0.0, self.search.trouble.until - time.monotonic()))
        return MsaTrouble(since=since, reason=shorten(str(error), 500), again_at=again)

    def _is_of_another_server(self, job: Job, document: BoltzInput) -> bool:
        """Return whether a job was recorded when another server, database or pairing was set."""
        names = self.search.kept.server.needed(unaligned(document)).names
        return not set(job.aligns) <= set(names)

    def _record_anew(self, job: Job, document: BoltzInput) -> None:
        """Record today's server and what the job lacks of it, before anything is sent there."""
        today = self._kept.asked_for(job, document)
        if today.aligns:
            self._change(today, "to be aligned by another server")  # settled, it is asked for again
        else:
            self._change(lifecycle.align(today, datetime.now(UTC)), "aligned")

    @property
    def _host(self) -> str:
        return self.search.kept.server.host

    def _resume_all(self, names: Sequence[str], in_time: InTime) -> None:
        """Queue all jobs that lack nothing but these, as many as there is time for."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for name in names:
                jobs = iter(self.ledger.aligning_for(name))
                while batch := list(islice(jobs, BATCH)):
                    list(pool.map(self._resume, batch))
                    if not in_time():
                        return

    def _resume(self, job: Job) -> None:
        try:
            if not self._kept.lacking(job.aligns):
                self._change(lifecycle.align(job, datetime.now(UTC)), "aligned")
        except Exception:
            logger.exception("left for the next pass", extra=job.about | {"action": "align.job_left"})

    def _change(self, changed: Job, what: str) -> None:
        try:
            recorded = self.ledger.replace(changed)
        except ConflictError:
            return  # it moved on by itself
        logger.info(what, extra=recorded.about | {"action": "job.aligned", "state": recorded.state})
        self.settler.settle(recorded)


def _refused(host: str, document: BoltzInput, error: AlignmentError) -> Failure:
    """Return the failure of a job; where one sequence is to blame, its chain is named."""
    chain, field_ = next(_places(document, error.sequence), ("", "sequences"))
    said = f"refused it: {error}" if isinstance(error, RefusedError) else f"answered with {error}"
    return Failure(
        code=Code.MSA_REFUSED,
        message=f"There is no alignment of {f'chain {chain}' if chain else 'its chains'}: {host} {said}.",
        field=field_,
        remedy="Name an MSA file for it, or write `msa: empty`, and upload it again.",
    )


def _places(document: BoltzInput, sequence: str | None) -> Iterator[tuple[str, str]]:
    """Yield chain and field of each protein of this sequence."""
    for at, entry in enumerate(document.sequences):
        if entry.protein and entry.protein.sequence == sequence:
            yield entry.protein.id[0], f"sequences[{at}].protein"
