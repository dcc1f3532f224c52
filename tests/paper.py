"""Files of the form that Boltz-2 writes, for one chain, made of nothing: for tests of all but the model."""

import json
from pathlib import Path

import gemmi
import numpy as np


def write_prediction(out: Path, stem: str, residues: int, value: float = 0.5) -> None:
    """Write one sample's files under ``out/predictions/<stem>/``; all their figures are ``value``."""
    folder = out / "predictions" / stem
    folder.mkdir(parents=True)
    write_structure(folder / f"{stem}_model_0.cif", residues, value)
    (folder / f"confidence_{stem}_model_0.json").write_text(json.dumps({"confidence_score": value}))
    for kind, shape in (("plddt", (residues,)), ("pae", (residues,) * 2), ("pde", (residues,) * 2)):
        np.savez(folder / f"{kind}_{stem}_model_0.npz", **{kind: np.full(shape, value)})


def write_structure(path: Path, residues: int, x: float) -> None:
    """Write a chain of alanines, each an atom at ``x``."""
    structure, model, chain = gemmi.Structure(), gemmi.Model("1"), gemmi.Chain("A")
    for number in range(1, residues + 1):
        residue = gemmi.Residue()
        residue.name, residue.seqid = "ALA", gemmi.SeqId(str(number))
        atom = gemmi.Atom()
        atom.name, atom.element, atom.pos = "CA", gemmi.Element("C"), gemmi.Position(x, number, 0)
        residue.add_atom(atom)
        chain.add_residue(residue)
    model.add_chain(chain)
    structure.add_model(model)
    structure.setup_entities()
    structure.make_mmcif_document().write_file(str(path))
