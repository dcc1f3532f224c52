"""Operations per job, by process, and the emulators' own counts of calls."""

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
"""Roles that work on jobs; the others run by the clock or by an event of their own."""
COMPARISON = "on_compare"
"""Function that looks up every upload: once an hour in the cloud, every ten minutes here."""

CALLED = re.compile(r"INBOUND HEADERS: .*?:path: /google\.firestore\.v1\.Firestore/(\w+),")
COMPARED = ("Commit", "BatchGetDocuments", "RunQuery", "RunAggregationQuery")
LOGGING = """\
handlers=java.util.logging.ConsoleHandler
java.util.logging.ConsoleHandler.level=ALL
java.util.logging.SimpleFormatter.format=%5$s%n
io.grpc.netty.NettyServerHandler.level=ALL
"""
"""Settings with which an emulator logs each HTTP/2 frame, as its gRPC server sees it."""


@dataclass(frozen=True)
class PerJob:
    """Operations per job, by kind: of those who work on jobs, of sweep and launch, of comparisons."""

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
    """Return the operations divided by the number of jobs."""
    work: Counter[str] = Counter()
    background: Counter[str] = Counter()
    comparison: Counter[str] = Counter()
    for each in operations:
        part = work if each.role in WORK else comparison if each.role == COMPARISON else background
        part[each.kind] += each.amount
    shares = [{kind: part[kind] / jobs for kind in KINDS} for part in (work, background, comparison)]
    return PerJob(jobs, minutes, *shares)


def calls_counted(folder: Path) -> Counter[str]:
    """Return the number of calls to Firestore that the processes counted, by name."""
    calls = Counter(each.call for each in meter.operations(folder))
    return Counter({name: calls[name] for name in COMPARED})


def calls_answered(logs: Path) -> Counter[str]:
    """Return the number of calls that the emulator answered, by name, from the log that ``LOGGING`` made."""
    text = (logs / "firestore.log").read_text(encoding="utf-8", errors="replace")
    calls = Counter(found[1] for found in CALLED.finditer(text))
    return Counter({name: calls[name] for name in COMPARED})


@dataclass(frozen=True)
class Calls:
    """Calls to Firestore by name: as counted by the processes, and as answered by the emulator."""

    counted: Counter[str]
    answered: Counter[str]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Return the calls in a stack's folder, while the stack does nothing."""
        return cls(calls_counted(folder / "operations"), calls_answered(folder / "logs"))
