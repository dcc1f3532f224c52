"""Predictions as Boltz-2 writes them, made up for what reads such files: chains beside each other."""

import json
import math
from pathlib import Path

import gemmi
import numpy as np

from inputs.grammar import BoltzInput, Dna, Ligand, Polymer, Protein
from inputs.read import count_tokens, read_input
from inputs.residues import AMINO_ACIDS
from inputs.tokens import atoms, residues
from schemas.job import Model
from schemas.options import Options
from schemas.outputs import SUFFIXES
from support.fakes import a_job
from support.inputs import one_protein
from worker.report.prediction import Prediction

MODEL = Model(name="boltz-2", version="2.2.1", weights_digest="sha256:00", random_weights=True)
OPTIONS = Options(seed=5)
BACKBONE = {"N": (1.55, -28.0, -0.9), "CA": (2.29, 0.0, 0.0), "C": (1.68, 27.0, 1.2), "O": (2.0, 28.0, 2.4)}
"""Radius, angle and rise of each atom of an alpha helix: angstrom, degrees, angstrom."""


def a_prediction(
    folder: Path,
    *,
    length: int = 20,
    sequences: str = "",
    samples: int = 1,
    plddt: float = 0.8,
    text: str = "",
    name: str = "run42/foo.yaml",
    model: Model = MODEL,
    affinity: Path | None = None,
    options: Options = OPTIONS,
) -> Prediction:
    """Write the files of a prediction and say what it is: of alanines and ethanol, or of ``sequences``."""
    folder.mkdir(exist_ok=True)
    sequences = sequences or f"{one_protein('A' * length)}- ligand: {{id: L, smiles: CCO}}\n"
    document = read_input("a.yaml", sequences.encode())
    files: dict[str, Path] = {}
    options = options.model_copy(update={"samples": samples})
    for rank in range(samples):
        _write_sample(folder, rank, document, options, plddt, files)
    if affinity:
        files["affinity.json"] = affinity
    job = a_job(options=options)
    job = job.evolve(source=job.source.model_copy(update={"name": name}))
    return Prediction(job, model, document, text or "sequences: …\n", files, {"predict": 3.1})


def in_boltz_order(document: BoltzInput) -> list[tuple[str, Polymer | Ligand]]:
    """Return the chains as Boltz-2 puts them, equal molecules together (boltz/data/parse/schema.py)."""
    groups: dict[object, list[tuple[str, Polymer | Ligand]]] = {}
    for entry in document.sequences:
        molecule = entry.molecule
        what = molecule.sequence if isinstance(molecule, Polymer) else molecule.smiles or molecule.ccd
        groups.setdefault((entry.kind, what), []).extend((chain, molecule) for chain in molecule.id)
    return [each for group in groups.values() for each in group]


def _write_sample(
    folder: Path, rank: int, document: BoltzInput, options: Options, plddt: float, files: dict[str, Path]
) -> None:
    structure, count = _structure(document, plddt), count_tokens(document)
    draw = np.random.default_rng(rank)
    confidence = {"confidence_score": 0.8 - rank / 100, "ptm": 0.7, "iptm": 0.6}
    confidence |= {"complex_plddt": plddt, "complex_pde": 1.5}
    order = range(len(structure[0]))
    pairs = {str(i): {str(j): round(0.9 - i / 10 - j / 100, 2) for j in order} for i in order}
    cif = options.output_format == "mmcif"
    written = structure.make_mmcif_document().as_string() if cif else structure.make_pdb_string()
    own = {
        f"model_{rank}.{SUFFIXES[options.output_format]}": written.encode(),
        f"confidence_model_{rank}.json": json.dumps(confidence | {"pair_chains_iptm": pairs}).encode(),
    }
    for public, content in own.items():
        (folder / public).write_bytes(content)
    np.savez_compressed(folder / f"plddt_model_{rank}.npz", plddt=np.full(count, plddt))
    np.savez_compressed(folder / f"pae_model_{rank}.npz", pae=draw.uniform(0, 30, (count, count)))
    for public in (*own, f"plddt_model_{rank}.npz", f"pae_model_{rank}.npz"):
        files[public] = folder / public


def _structure(document: BoltzInput, plddt: float) -> gemmi.Structure:
    structure, model = gemmi.Structure(), gemmi.Model("1")
    for at, (chain_id, molecule) in enumerate(in_boltz_order(document)):
        chain = gemmi.Chain(chain_id)
        for number in range(1, residues(molecule) + 1):
            chain.add_residue(_residue(molecule, number, (10.0 * at, 0.0, 0.0), plddt))
        model.add_chain(chain)
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
    molecule: Polymer | Ligand, number: int, shift: tuple[float, float, float], plddt: float
) -> gemmi.Residue:
    residue = gemmi.Residue()
    residue.name, residue.seqid = _code(molecule, number), gemmi.SeqId(number, " ")
    residue.het_flag = "A" if isinstance(molecule, Polymer) else "H"
    backbone = _helix(number - 1)
    for at, name in enumerate(_atoms(molecule, number)):
        atom = gemmi.Atom()
        atom.name, atom.element = name, gemmi.Element(name[0])
        place = backbone.get(name, (1.4 * at, 1.5 * number, 0.0))
        atom.pos = gemmi.Position(*(sum(both) for both in zip(place, shift, strict=True)))
        atom.b_iso = 100 * plddt
        residue.add_atom(atom)
    return residue


def _code(molecule: Polymer | Ligand, number: int) -> str:
    if isinstance(molecule, Ligand):
        return molecule.ccd[number - 1] if molecule.ccd else "LIG"
    letter = molecule.sequence[number - 1]
    standard = AMINO_ACIDS.get(letter, "UNK") if isinstance(molecule, Protein) else letter
    return molecule.modified.get(number) or (f"D{letter}" if isinstance(molecule, Dna) else standard)


def _atoms(molecule: Polymer | Ligand, number: int) -> tuple[str, ...]:
    """Return the atoms of a residue; of a standard amino acid its backbone, which is enough to be drawn."""
    names = atoms(molecule, number)
    standard = isinstance(molecule, Protein) and number not in molecule.modified
    return tuple(name for name in names if name in BACKBONE) if standard else names
