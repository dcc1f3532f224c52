"""Let Boltz-2 parse and featurise an input, for a child process: what Boltz does to one reaches no test."""

import pickle
import tempfile
from pathlib import Path
from typing import NamedTuple

import torch
from boltz.data.tokenize.boltz2 import tokenize_structure
from boltz.data.types import StructureV2
from boltz.data.write.mmcif import to_mmcif
from boltz.data.write.pdb import to_pdb
from support.structures import Built, build

from inputs.grammar import Protein
from inputs.read import BoltzInput, normalised, read_input
from schemas.failure import FailedError
from schemas.options import Options
from worker.boltz2.featurise import featurise
from worker.boltz2.workspace import Workspace


def tokens(example: Path, components: Path) -> int | str:
    """Read one input as the worker does; count what the model would see, or say why it cannot be read."""
    with tempfile.TemporaryDirectory() as folder:
        return _tokens(example, components, Path(folder))


def _tokens(example: Path, components: Path, folder: Path) -> int | str:
    workspace = _workspace(example, components, folder)
    try:
        featurise(workspace, ())
    except FailedError as error:
        return str(error)
    return int(torch.load(workspace.features, weights_only=False)["token_pad_mask"].sum())


class Written(NamedTuple):
    """A structure file of an input, without coordinates, and chain and residue of each of Boltz's tokens."""

    structure: Path
    tokens: list[tuple[str, str]]


def written(example: Path, components: Path, folder: Path, suffix: str) -> Written:
    """Have Boltz read an input, and write its structure as it would a prediction's."""
    workspace = _workspace(example, components, folder)
    featurise(workspace, ())
    parsed = StructureV2.load(next((workspace.processed / "structures").iterdir()))
    path = folder / f"model_0.{suffix}"
    path.write_text((to_mmcif if suffix == "cif" else to_pdb)(parsed, boltz2=True))
    names = {chain["asym_id"]: str(chain["name"]) for chain in parsed.chains}
    tokens, _ = tokenize_structure(parsed)
    return Written(path, [(names[token["asym_id"]], f"{token['res_idx'] + 1}") for token in tokens])


def built(example: Path, components: Path, folder: Path, suffix: str) -> Built:
    """Have Boltz read an input, and write a right structure of it, as it would a prediction's.

    ``model_0`` with this suffix and ``molecules.pkl`` lie in the folder then.
    """
    workspace = _workspace(example, components, folder)
    featurise(workspace, ())
    molecules = workspace.molecules.read_bytes()
    (folder / "molecules.pkl").write_bytes(molecules)
    structure = build(example.read_text(), pickle.loads(molecules))  # noqa: S301  Boltz's own
    parsed = StructureV2.load(next((workspace.processed / "structures").iterdir()))
    for chain in parsed.chains:
        for residue in parsed.residues[chain["res_idx"] :][: chain["res_num"]]:
            for atom in parsed.atoms[residue["atom_idx"] :][: residue["atom_num"]]:
                key = str(chain["name"]), int(residue["res_idx"]) + 1, str(atom["name"])
                atom["coords"], atom["is_present"] = structure.places[key], True
    (folder / f"model_0.{suffix}").write_text((to_mmcif if suffix == "cif" else to_pdb)(parsed, boltz2=True))
    return structure


def _workspace(example: Path, components: Path, folder: Path) -> Workspace:
    content = example.read_bytes()
    document = read_input(example.name, content)
    input_file = folder / "input" / f"x{example.suffix}"
    input_file.parent.mkdir()
    input_file.write_bytes(normalised(content))
    _write_msas(document, input_file.parent)
    return Workspace(input_file, Options(), 1, folder / "out", components)


def _write_msas(document: BoltzInput, folder: Path) -> None:
    """Write the alignments that a document names: of the sequence with itself."""
    for entry in document.sequences:
        polymer = entry.molecule
        if isinstance(polymer, Protein) and polymer.msa not in {None, "empty"}:
            file = folder / str(polymer.msa)
            file.parent.mkdir(exist_ok=True)
            csv = file.suffix == ".csv"
            file.write_text(f"key,sequence\n1,{polymer.sequence}\n" if csv else f">q\n{polymer.sequence}\n")
