"""How near two results of the same input are: the same bytes, or structures and scores."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from dropfold.download import STRUCTURES
from dropfold.replay.agreement import Agreement, Comparison, Deviation
from dropfold.replay.superposition import OtherAtomsError, deviation
from schemas import outputs
from schemas.job import Output
from schemas.receipt import Receipt
from schemas.record import Record
from schemas.scores import AFFINITY, BINDER, CONFIDENCE, IPTM, PLDDT, PTM, Score

NEAR = 1.0
"""Most ångström of a deviation that is close."""

TOLERANCES: Mapping[Score, float] = {
    **dict.fromkeys((CONFIDENCE, PTM, IPTM, PLDDT, BINDER), 0.05),
    AFFINITY: 0.2,
}
"""Most by which a score may differ and be close; of the affinity, log10 units of the IC50."""

DIGEST, SHOWN = "sha256:", 19
CONFIDENCES, ARRAY = "confidence_", ".npz"


def compare(first: Receipt, second: Receipt, fetch: Callable[[Output], Path]) -> Comparison:
    """Compare two results, sample by sample in the order of each, and say under what else they were computed.

    ``fetch`` fetches a file of either. Raises what it raises, and gemmi's RuntimeError or ValueError.
    """
    ours, theirs, why = _computed(first), _computed(second), tuple(conditions(first, second))
    if ours and all(name in theirs and theirs[name].crc32c == ours[name].crc32c for name in ours):
        return Comparison(Agreement.EXACT, Deviation(0, None), why=why)
    pairs = {score: (score.of(first.scores), score.of(second.scores)) for score in TOLERANCES}
    changed = {score.name: pair for score, pair in pairs.items() if pair[0] != pair[1]}
    try:
        apart = _apart(ours, theirs, fetch)
    except OtherAtomsError as error:
        return Comparison(Agreement.DIFFERS, None, changed, (f"{error}.", *why))
    near = all(_is_near(*pair, TOLERANCES[score]) for score, pair in pairs.items())
    near &= max(apart.atoms, apart.ligands or 0) <= NEAR
    return Comparison(Agreement.CLOSE if near else Agreement.DIFFERS, apart, changed, why)


def conditions(first: Receipt, second: Receipt) -> Iterator[str]:
    """Yield in words what else differs: of the model, the device, what was read, what checks found."""
    if first.model and second.model:
        yield from _changes("model", first.model, second.model)
    if first.device and second.device:
        yield from _changes("device", first.device, second.device)
    else:
        yield "the device of one is not known"
    if first.model == second.model and first.fingerprint != second.fingerprint:
        yield "not the same input, files and options"
    if first.checks and second.checks and first.checks.verdict != second.checks.verdict:
        yield f"checks {first.checks.verdict} → {second.checks.verdict}"


def _changes(what: str, first: Record, second: Record) -> Iterator[str]:
    for field, before in first:
        after = getattr(second, field)
        if before != after:
            label = what if field == "name" else field.replace("_", " ")
            yield f"{label} {_short(before)} → {_short(after)}"


def _short(value: object) -> str:
    text = str(value)
    return text[:SHOWN] if text.startswith(DIGEST) else text


def _computed(receipt: Receipt) -> dict[str, Output]:
    """Return what the model computed, by public name: pages, pictures and checks are made of that."""
    named = {PurePosixPath(output.name).name: output for output in receipt.outputs}
    return {name: output for name, output in named.items() if _is_computed(name)}


def _is_computed(name: str) -> bool:
    own = PurePosixPath(name).suffix in {*STRUCTURES, ARRAY}
    return own or name == outputs.AFFINITY or name.startswith(CONFIDENCES)


def _is_near(first: float | None, second: float | None, tolerance: float) -> bool:
    if first is None or second is None:
        return first == second
    return abs(first - second) <= tolerance


def _apart(
    ours: Mapping[str, Output], theirs: Mapping[str, Output], fetch: Callable[[Output], Path]
) -> Deviation:
    """Return the largest deviations of the samples. Raises OtherAtomsError."""
    found = []
    for name, output in ours.items():
        if PurePosixPath(name).suffix in STRUCTURES:
            if name not in theirs:
                raise OtherAtomsError(f"{name} is not among the files of the second")
            found.append(deviation(fetch(output), fetch(theirs[name])))
    ligands = [each.ligands for each in found if each.ligands is not None]
    return Deviation(max(each.atoms for each in found), max(ligands, default=None))
