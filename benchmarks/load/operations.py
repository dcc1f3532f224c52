"""Operations per job: of what was counted, who did what, and what the emulators say themselves."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from benchmarks.load import meter
from benchmarks.load.meter import BUCKET_READ, BUCKET_WRITE, PUBLISH, READ, RENEWAL, WRITE, Operation

KINDS = (READ, WRITE, RENEWAL, PUBLISH, BUCKET_READ, BUCKET_WRITE)
WORK = {"on_upload", "worker"}
"""Who works on jobs; the others come by the clock, or where capacity is asked for."""
COMPARISON = "on_compare"
"""Looks every upload up as often as it comes: once an hour in the cloud, every ten minutes here."""

CALLED = re.compile(r"INBOUND HEADERS: .*?:path: /google\.firestore\.v1\.Firestore/(\w+),")
COMPARED = ("Commit", "BatchGetDocuments", "RunQuery", "RunAggregationQuery")
LOGGING = """\
handlers=java.util.logging.ConsoleHandler
java.util.logging.ConsoleHandler.level=ALL
java.util.logging.SimpleFormatter.format=%5$s%n
io.grpc.netty.NettyServerHandler.level=ALL
"""
"""Has an emulator write each HTTP/2 frame to its log, as its gRPC server sees it."""


@dataclass(frozen=True)
class PerJob:
    """Operations divided by jobs, by kind: of those who work on jobs, of sweep and launch, of comparisons."""

    jobs: int
    minutes: float
    work: Mapping[str, float]
    background: Mapping[str, float]
    comparison: Mapping[str, float]

    @property
    def firestore(self) -> float:
        """Firestore operations per job, without renewals of leases and comparisons."""
        return sum(part[kind] for part in (self.work, self.background) for kind in (READ, WRITE))

    @property
    def firestore_work(self) -> float:
        """The same without the background."""
        return self.work[READ] + self.work[WRITE]


def per_job(operations: Iterable[Operation], jobs: int, minutes: float) -> PerJob:
    """Divide what was counted among the jobs."""
    work: Counter[str] = Counter()
    background: Counter[str] = Counter()
    comparison: Counter[str] = Counter()
    for each in operations:
        part = work if each.role in WORK else comparison if each.role == COMPARISON else background
        part[each.kind] += each.amount
    shares = [{kind: part[kind] / jobs for kind in KINDS} for part in (work, background, comparison)]
    return PerJob(jobs, minutes, *shares)


def calls_counted(folder: Path) -> Counter[str]:
    """Count the calls to Firestore that the processes wrote down, by name."""
    calls = Counter(each.call for each in meter.operations(folder))
    return Counter({name: calls[name] for name in COMPARED})


def calls_answered(logs: Path) -> Counter[str]:
    """Count the calls that the emulator answered, by name, in the log that ``LOGGING`` made."""
    text = (logs / "firestore.log").read_text(encoding="utf-8", errors="replace")
    calls = Counter(found[1] for found in CALLED.finditer(text))
    return Counter({name: calls[name] for name in COMPARED})


@dataclass(frozen=True)
class Calls:
    """Calls to Firestore by name: what the processes counted, what the emulator answered."""

    counted: Counter[str]
    answered: Counter[str]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a stack's folder while it does nothing."""
        return cls(calls_counted(folder / "operations"), calls_answered(folder / "logs"))
