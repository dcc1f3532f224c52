"""What was done and what happened, as nobody in the story can see it whole: what the model judges by."""

from collections import defaultdict
from dataclasses import dataclass, field

from schemas.job import State, job_id
from simulation.plan import How


@dataclass(eq=False)
class Upload:
    """One generation of an object. ``gone_at`` is when it was deleted or overwritten."""

    bucket: str
    name: str
    generation: int
    content: str
    at: float
    gone_at: float = float("inf")
    deleted: bool = False

    def __post_init__(self) -> None:
        self.job_id = job_id(self.bucket, self.name, self.generation)

    @property
    def label(self) -> str:
        """Name it in a story."""
        return f"{self.name}#{self.generation}"

    def newer_than(self, other: "Upload") -> bool:
        """Tell whether it took, or would take, the other's place."""
        return self.name == other.name and self.generation > other.generation


@dataclass(frozen=True)
class Move:
    """A change of a job at its true time; ``holder`` is the last that claimed it."""

    at: float
    event: str
    state: State
    attempt: int
    holder: str | None
    code: str | None


@dataclass(frozen=True)
class Told:
    """The product was told of an upload, or that one is gone, and said that this is dealt with."""

    at: float
    what: str
    job_id: str


@dataclass
class Cancelled:
    """A person's command: which jobs it found to end, and when it said that it is done, if it did."""

    asked_at: float
    job_ids: frozenset[str]
    done_at: float = float("inf")


@dataclass(frozen=True)
class Mishap:
    """Something that went otherwise than usual for a process, or about a message; ``where`` is its place."""

    at: float
    process: str
    how: How
    where: str


@dataclass
class Facts:
    """All of it, in the order of time; ``moves`` by job, ``predicted`` workers by their results' scores.

    ``forgotten`` counts how often all alignments were deleted.
    """

    uploads: dict[str, Upload] = field(default_factory=dict)
    moves: defaultdict[str, list[Move]] = field(default_factory=lambda: defaultdict(list))
    told: list[Told] = field(default_factory=list)
    cancelled: list[Cancelled] = field(default_factory=list)
    mishaps: list[Mishap] = field(default_factory=list)
    predicted: dict[float, str] = field(default_factory=dict)
    most_workers: int = 0
    forgotten: int = 0

    def label(self, identity: str) -> str:
        """Name a job in a story by its upload."""
        return self.uploads[identity].label
