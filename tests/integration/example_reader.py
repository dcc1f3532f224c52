"""Let Boltz-2 parse and featurise an input, for a child process: what Boltz does to one reaches no test."""

import tempfile
from pathlib import Path

import torch

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
    content = example.read_bytes()
    document = read_input(example.name, content)
    input_file = folder / "input" / f"x{example.suffix}"
    input_file.parent.mkdir()
    input_file.write_bytes(normalised(content))
    _write_msas(document, input_file.parent)
    workspace = Workspace(input_file, Options(), 1, folder / "out", components)
    try:
        featurise(workspace, ())
    except FailedError as error:
        return str(error)
    return int(torch.load(workspace.features, weights_only=False)["features"]["token_pad_mask"].sum())


def _write_msas(document: BoltzInput, folder: Path) -> None:
    """Write the alignments that a document names: of the sequence with itself."""
    for entry in document.sequences:
        polymer = entry.molecule
        if isinstance(polymer, Protein) and polymer.msa not in {None, "empty"}:
            file = folder / str(polymer.msa)
            file.parent.mkdir(exist_ok=True)
            csv = file.suffix == ".csv"
            file.write_text(f"key,sequence\n1,{polymer.sequence}\n" if csv else f">q\n{polymer.sequence}\n")
