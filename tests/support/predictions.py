"""Predictions as Boltz-2 writes them, made up for what reads such files: a helix of alanine with a ligand."""

import json
import math
from pathlib import Path

import gemmi
import numpy as np

from inputs.read import read_input
from schemas.job import Model
from schemas.options import Options
from support.fakes import a_job
from support.inputs import one_protein
from worker.report.prediction import Prediction

MODEL = Model(name="boltz-2", version="2.2.1", weights_digest="sha256:00", random_weights=True)
LIGAND = ("C1", "C2", "O1")
BACKBONE = {"N": (1.55, -28.0, -0.9), "CA": (2.29, 0.0, 0.0), "C": (1.68, 27.0, 1.2), "O": (2.0, 28.0, 2.4)}
"""Radius, angle and rise of each atom of an alpha helix: angstrom, degrees, angstrom."""


def a_prediction(
    folder: Path,
    *,
    residues: int = 20,
    samples: int = 1,
    plddt: float = 0.8,
    text: str = "",
    name: str = "run42/foo.yaml",
    model: Model = MODEL,
    affinity: Path | None = None,
) -> Prediction:
    """Write the files of a prediction and say what it is."""
    folder.mkdir(exist_ok=True)
    document = read_input(
        "a.yaml",
        f"{one_protein('A' * residues)}- ligand: {{id: L, smiles: CCO}}\n".encode(),
    )
    files: dict[str, Path] = {}
    for rank in range(samples):
        _write_sample(folder, rank, residues, plddt, files)
    if affinity:
        files["affinity.json"] = affinity
    job = a_job(options=Options(seed=5, samples=samples))
    job = job.evolve(source=job.source.model_copy(update={"name": name}))
    return Prediction(job, model, document, text or "sequences: …\n", files, {"predict": 3.1})


def _write_sample(folder: Path, rank: int, residues: int, plddt: float, files: dict[str, Path]) -> None:
    count = residues + len(LIGAND)
    draw = np.random.default_rng(rank)
    confidence = {"confidence_score": 0.8 - rank / 100, "ptm": 0.7, "iptm": 0.6}
    confidence |= {"complex_plddt": plddt, "complex_pde": 1.5}
    pairs = {"0": {"0": 0.7, "1": 0.6}, "1": {"0": 0.5, "1": 0.4}}
    own = {
        f"model_{rank}.cif": _structure(residues, plddt).make_mmcif_document().as_string().encode(),
        f"confidence_model_{rank}.json": json.dumps(confidence | {"pair_chains_iptm": pairs}).encode(),
    }
    for public, content in own.items():
        (folder / public).write_bytes(content)
    np.savez_compressed(folder / f"plddt_model_{rank}.npz", plddt=np.full(count, plddt))
    np.savez_compressed(folder / f"pae_model_{rank}.npz", pae=draw.uniform(0, 30, (count, count)))
    for public in (*own, f"plddt_model_{rank}.npz", f"pae_model_{rank}.npz"):
        files[public] = folder / public


def _structure(residues: int, plddt: float) -> gemmi.Structure:
    structure, model = gemmi.Structure(), gemmi.Model("1")
    protein, ligand = gemmi.Chain("A"), gemmi.Chain("L")
    for number in range(residues):
        protein.add_residue(_residue("ALA", number + 1, "A", _helix(number), plddt))
    far = {atom: (10.0 + 1.4 * at, 0.0, 0.0) for at, atom in enumerate(LIGAND)}
    ligand.add_residue(_residue("LIG", 1, "H", far, plddt))
    model.add_chain(protein)
    model.add_chain(ligand)
    structure.add_model(model)
    structure.setup_entities()
    return structure


def _helix(number: int) -> dict[str, tuple[float, float, float]]:
    places = {}
    for atom, (radius, degrees, rise) in BACKBONE.items():
        angle = math.radians(100 * number + degrees)
        places[atom] = (radius * math.cos(angle), radius * math.sin(angle), 1.5 * number + rise)
    return places


def _residue(
    name: str, number: int, flag: str, places: dict[str, tuple[float, float, float]], plddt: float
) -> gemmi.Residue:
    residue = gemmi.Residue()
    residue.name, residue.seqid, residue.het_flag = name, gemmi.SeqId(number, " "), flag
    for atom_name, place in places.items():
        atom = gemmi.Atom()
        atom.name, atom.element = atom_name, gemmi.Element(atom_name[0])
        atom.pos, atom.b_iso = gemmi.Position(*place), 100 * plddt
        residue.add_atom(atom)
    return residue
