"""A predictor that writes small files of the right form; what is tested with it is the way of jobs."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NoReturn

import gemmi
import numpy as np

from schemas import outputs
from schemas.checks import CheckedSample, ChecksReport, Verdict
from schemas.failure import Code, FailedError, Failure
from schemas.job import ComputeDevice, Model
from schemas.options import Options
from support.fakes import NOW
from support.patience import NEVER
from worker.checks.run import Asking
from worker.device import Device
from worker.predictor import Examine, PredictedFiles, Written

Hook = Callable[[Path], object]
MODEL = Model(name="paper", version="1", weights_digest="sha256:0", random_weights=True)

DEVICE = ComputeDevice(name="paper", torch="0", kernels=False, precision="float32")


def nothing(*_: object) -> None:
    """Do nothing, whatever it is about."""


def failing(code: Code) -> Callable[..., NoReturn]:
    """Return what fails with a code, whatever it is about."""

    def fail(*_: object) -> NoReturn:
        raise FailedError(Failure(code=code, message="m", remedy="r"))

    return fail


@dataclass
class PaperPredictor:
    """Implements worker.predictor.Predictor: files of Boltz-2's form, for chain A of so many residues.

    ``read`` is called before the turn on the device, ``before`` in it.
    """

    before: Hook = nothing
    model: Model = MODEL
    seen: list[Path] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    read: Hook = nothing
    device: Device = field(default_factory=lambda: Device(limit=NEVER))
    ready_at: datetime = NOW
    residues: int = 5

    @property
    def lost(self) -> bool:
        return self.device.lost

    def predict(
        self,
        input_file: Path,
        options: Options,
        seed: int,
        out: Path,
        begin: Callable[[], object],
        *,
        examine: Examine,
    ) -> PredictedFiles:
        self.read(input_file)
        files = self.device.turn(begin, lambda: self._write(input_file, options, seed, out))
        return PredictedFiles(examined(files, examine), {"predict": 1.0}, DEVICE)

    def _write(self, input_file: Path, options: Options, seed: int, out: Path) -> dict[str, Path]:
        self.seen.append(input_file)
        self.seeds.append(seed)
        self.before(input_file)
        files: dict[str, Path] = {}
        for rank in range(options.samples):
            suffix = outputs.SUFFIXES[options.output_format]
            files |= write_prediction(out, self.residues, rank=rank, suffix=suffix)
        return files


def examined(files: Mapping[str, Path], examine: Examine) -> dict[str, Path]:
    """Have samples examined; return their files in the order that comes of it."""
    order = examine(Written(files, molecules=Path("none.pkl"), components=Path("none")))
    names = {rank: [name for name in files if f"model_{rank}." in name] for rank in order}
    return {
        name.replace(f"model_{boltz_rank}.", f"model_{rank}."): files[name]
        for rank, boltz_rank in enumerate(order)
        for name in names[boltz_rank]
    }


def passed(asking: Asking) -> ChecksReport:
    """Stand where structures are checked, and find nothing in any."""
    return judged(*[Verdict.PASSED] * asking.options.samples)


def judged(*verdicts: Verdict) -> ChecksReport:
    """Return a report with these verdicts on samples, in Boltz-2's order."""
    samples = (CheckedSample(rank=n, boltz_rank=n, verdict=each) for n, each in enumerate(verdicts))
    return ChecksReport(samples=tuple(samples))


def write_prediction(
    out: Path, residues: int, value: float = 0.5, *, rank: int = 0, suffix: str = "cif", chains: str = "A"
) -> dict[str, Path]:
    """Write one sample's files into a folder, all their figures ``value``; return them by public name.

    Each letter of ``chains`` is a chain of so many residues.
    """
    out.mkdir(parents=True, exist_ok=True)
    structure, confidence = outputs.structure(rank, suffix), outputs.confidence(rank)
    write_structure(out / structure, residues, value, chains)
    (out / confidence).write_text(json.dumps({"confidence_score": value}))
    arrays = {outputs.array(kind, rank): kind for kind in outputs.ARRAYS}
    for name, kind in arrays.items():
        np.savez(out / name, **{kind: np.full((residues * len(chains),) * outputs.ARRAYS[kind], value)})
    return {name: out / name for name in (structure, confidence, *arrays)}


def write_structure(path: Path, residues: int, x: float, chains: str = "A") -> None:
    """Write chains of alanines, each an atom at ``x``, as mmCIF or PDB by the path's suffix."""
    structure, model = gemmi.Structure(), gemmi.Model("1")
    for name in chains:
        model.add_chain(_chain(name, residues, x))
    structure.add_model(model)
    structure.setup_entities()
    if path.suffix == ".pdb":
        structure.write_pdb(str(path))
    else:
        structure.make_mmcif_document().write_file(str(path))


def _chain(name: str, residues: int, x: float) -> gemmi.Chain:
    chain = gemmi.Chain(name)
    for number in range(1, residues + 1):
        residue = gemmi.Residue()
        residue.name, residue.seqid = "ALA", gemmi.SeqId(str(number))
        atom = gemmi.Atom()
        atom.name, atom.element, atom.pos = "CA", gemmi.Element("C"), gemmi.Position(x, number, 0)
        residue.add_atom(atom)
        chain.add_residue(residue)
    return chain
