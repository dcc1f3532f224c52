"""What the kernel says of a process."""

from pathlib import Path


def state(pid: int) -> str:
    """Return the kernel's letter for what a process does; nothing where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def alive(pid: int) -> bool:
    """Tell whether a process runs, sleeps or is stopped; one that ended and waits for its parent does not."""
    return state(pid) not in {"", "Z", "X"}
