"""A Boltz-2 small enough for a laptop: the real class and the real command, meaningless weights.

``python -m local.small_model [DIR]`` builds, once, a folder that ``BOLTZ_CACHE`` can point at: both
checkpoints, a ``mols/`` folder of common chemical components, and an empty ``mols.tar``, whose absence
would make Boltz download 1.9 GB.

Why widths shrink and depths do not: ``boltz predict`` overrides the pairformer's arguments (64 blocks of 16
heads) and the MSA module's (4 blocks, 64 channels) with its own and then loads the checkpoint strictly, so
a shallower trunk would be refused. Everything the command leaves to the checkpoint is as small as the code
allows: the token width is a multiple of the 16 heads, every other stack has one block. The result is 1.7
million parameters instead of 507 million, and every line of Boltz-2 still runs.
"""

import fcntl
import json
import pickle
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

FORMAT = 1
"""Version of the folder, to be raised with each change to its content: one of another version is not used."""

DEFAULT = Path(__file__).resolve().parents[1] / ".local" / "boltz"

AMINO_ACIDS = "ALA ARG ASN ASP CYS GLN GLU GLY HIS ILE LEU LYS MET PHE PRO SER THR TRP TYR VAL UNK"
NUCLEOTIDES = "A C G U N DA DC DG DT DN"
COFACTORS = (
    "ATP ADP AMP ANP ACP GTP GDP GMP CTP UTP TTP SAH SAM HEM HEC FAD FMN NAD NAI NAP NDP COA ACO PLP TPP BTN"
)
SUGARS_AND_LIPIDS = "NAG BMA MAN FUC GAL GLC XYP SIA CLR RET"
IONS = "MG ZN CA NA CL K MN FE FE2 CU CO NI CD HG IOD BR SO4 PO4 NO3 ACT FMT CIT FES SF4"
SOLVENTS = "HOH GOL EDO PEG PGE MPD DMS BEN TRS MES EPE IMD BME DTT STI"
MODIFIED_RESIDUES = (
    "ACE NH2 NME MSE SEP TPO PTR CSO HYP MLY M3L MLZ ALY OCS KCX CME CSS LLP PCA SAC CGU FME AIB ORN NLE"
)
MODIFIED_NUCLEOTIDES = "5MC PSU OMC OMG 5MU H2U 1MA 2MG 7MG 4SU 5CM 8OG BRU"
COMPONENTS = tuple(
    " ".join(
        (
            AMINO_ACIDS,
            NUCLEOTIDES,
            COFACTORS,
            SUGARS_AND_LIPIDS,
            IONS,
            SOLVENTS,
            MODIFIED_RESIDUES,
            MODIFIED_NUCLEOTIDES,
        )
    ).split()
)
"""Codes of the wwPDB's chemical component dictionary that ``mols/`` holds."""

_CONTENTS = "contents.json"  # written last: file name -> bytes, by which a whole folder is known
_TOKEN_WIDTH, _PAIR_WIDTH, _ATOM_WIDTH, _ATOM_PAIR_WIDTH = 16, 8, 16, 4

_COORDINATES = ("pdbx_model_Cartn_{}_ideal", "model_Cartn_{}")
_ATOM_COLUMNS = (
    "atom_id",
    "type_symbol",
    "charge",
    "pdbx_leaving_atom_flag",
    *(kind.format(axis) for kind in _COORDINATES for axis in "xyz"),
)
_BOND_COLUMNS = ("atom_id_1", "atom_id_2", "value_order")

Row = dict[str, Any]


def ensure(cache: Path) -> Path:
    """Return the absolute folder under ``cache`` with the small model, built now if it is not there whole.

    The folder's name carries this module's format and Boltz's version, it appears by one rename, and a
    lock makes a second caller wait for the first. Building takes about 10 seconds.
    """
    folder = cache.absolute() / f"boltz-{version('boltz')}-small-{FORMAT}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_name(f"{folder.name}.lock")):
        if not _whole(folder):
            _replace(folder)
    return folder


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # released when the file is closed, also by a crash
        yield


def _whole(folder: Path) -> bool:
    try:
        contents: dict[str, int] = json.loads((folder / _CONTENTS).read_text())
        return all((folder / name).stat().st_size == size for name, size in contents.items())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False


def _replace(folder: Path) -> None:
    """Build beside ``folder``, then move the old one away and the new one in."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="building-") as scratch:
        new = Path(scratch, "new")
        build(new)
        if folder.exists():
            folder.rename(Path(scratch, "old"))
        new.rename(folder)


def build(folder: Path) -> None:
    """Write the small model into ``folder``, which must not exist; the same bytes every time."""
    (folder / "mols").mkdir(parents=True)
    (folder / "mols.tar").touch()
    write_components(folder / "mols", COMPONENTS)
    write_checkpoint(folder / "boltz2_conf.ckpt", affinity=False)
    write_checkpoint(folder / "boltz2_aff.ckpt", affinity=True)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    (folder / _CONTENTS).write_text(json.dumps(sizes, indent=1))


# Torch, Boltz and biotite are imported where they are used: who finds the model built does not pay for them.


def write_checkpoint(path: Path, *, affinity: bool) -> None:
    """Write Boltz-2 with seeded random weights, marked as such by the key ``random_weights``."""
    import torch  # noqa: PLC0415 (seconds; see above)
    from boltz.model.models.boltz2 import Boltz2  # noqa: PLC0415 (seconds; see above)
    from pytorch_lightning import seed_everything  # noqa: PLC0415 (seconds; see above)

    seed_everything(0, verbose=False)  # numpy's generator too: Boltz draws truncated normals from scipy
    model = Boltz2(**_hyper_parameters(affinity=affinity))
    for parameter in model.parameters():
        if not parameter.any():  # output layers start at zero, which would predict the same for every input
            torch.nn.init.normal_(parameter, std=0.02)
    content = {
        "state_dict": model.state_dict(),
        "hyper_parameters": dict(model.hparams),
        "pytorch-lightning_version": version("pytorch-lightning"),
        "random_weights": True,
    }
    torch.save(content, path)


def _hyper_parameters(*, affinity: bool) -> dict[str, Any]:
    """Return the arguments of ``Boltz2``: the released model's switches, the smallest widths (see above)."""
    return _trunk() | _heads() | (_affinity_heads() if affinity else {})


def _trunk() -> dict[str, Any]:
    from boltz.main import MSAModuleArgs, PairformerArgsV2  # noqa: PLC0415 (seconds; see above)
    from omegaconf import OmegaConf  # noqa: PLC0415 (seconds; see above)

    training = {"max_lr": 0.0, "weight_decay": 0.0, "diffusion_multiplicity": 1, "recycling_steps": 0}
    return {
        "token_s": _TOKEN_WIDTH,
        "token_z": _PAIR_WIDTH,
        "atom_s": _ATOM_WIDTH,
        "atom_z": _ATOM_PAIR_WIDTH,
        "atom_feature_dim": 388,  # what the featuriser makes
        "num_bins": 64,
        "training_args": OmegaConf.create(training),  # Boltz reads it by attribute when it loads
        "validation_args": OmegaConf.create({}),
        "validate_structure": False,
        "embedder_args": {
            **_atom_stack("encoder"),
            "add_method_conditioning": True,
            "add_modified_flag": True,
            "add_cyclic_flag": True,
            "add_mol_type_feat": True,
        },
        "msa_args": asdict(MSAModuleArgs()),
        "pairformer_args": asdict(PairformerArgsV2()),
        "template_args": {"template_dim": 8, "template_blocks": 1},
        "use_templates": True,
        "bond_type_feature": True,
        "fix_sym_check": True,
        "cyclic_pos_enc": True,
        "conditioning_cutoff_min": 4.0,
        "conditioning_cutoff_max": 20.0,
    }


def _heads() -> dict[str, Any]:
    from boltz.main import Boltz2DiffusionParams, BoltzSteeringParams  # noqa: PLC0415 (seconds; see above)

    return {
        "score_model_args": {
            **_atom_stack("encoder"),
            **_atom_stack("decoder"),
            "sigma_data": 16,
            "dim_fourier": 16,
            "token_transformer_depth": 1,
            "token_transformer_heads": 2,
            "conditioning_transition_layers": 1,
        },
        "diffusion_process_args": asdict(Boltz2DiffusionParams()),
        "diffusion_loss_args": {},
        "steering_args": asdict(BoltzSteeringParams()),
        "confidence_model_args": {
            **_distance_head(),
            "add_s_to_z_prod": True,
            "add_s_input_to_s": True,
            "add_z_input_to_z": True,
            "confidence_args": {"use_separate_heads": True},
        },
        "confidence_prediction": True,
        "token_level_confidence": True,
        "alpha_pae": 1.0,  # without it Boltz computes neither PAE nor pTM
        "predict_bfactor": True,
    }


def _affinity_heads() -> dict[str, Any]:
    transformer = {
        "token_s": _TOKEN_WIDTH,
        "num_blocks": 1,
        "num_heads": 4,
        "activation_checkpointing": False,
    }
    head = _distance_head() | {"transformer_args": transformer}
    return {
        "affinity_prediction": True,
        "affinity_ensemble": True,
        "affinity_model_args1": head,
        "affinity_model_args2": head,
    }


def _atom_stack(role: str) -> dict[str, int]:
    return {f"atom_{role}_depth": 1, f"atom_{role}_heads": 2}


def _distance_head() -> dict[str, Any]:
    pairformer = {"num_blocks": 1, "num_heads": 4, "dropout": 0.0}
    return {"pairformer_args": pairformer, "num_dist_bins": 64, "max_dist": 22}


def write_components(folder: Path, codes: Iterable[str]) -> None:
    """Write one pickled RDKit molecule per code, as Boltz's own ``mols/`` holds them.

    Atoms carry the properties ``name`` and ``leaving_atom``; the one conformer (angstrom) is the
    dictionary's ideal one, else its model. Raises KeyError for a code that the dictionary lacks.
    """
    from rdkit import Chem  # noqa: PLC0415 (only for building)

    Chem.SetDefaultPickleProperties(Chem.PropertyPickleOptions.AllProps)
    wanted = tuple(codes)
    atoms = _rows("chem_comp_atom", _ATOM_COLUMNS, wanted)
    bonds = _rows("chem_comp_bond", _BOND_COLUMNS, wanted)
    for code in wanted:
        molecule = _molecule(code, atoms[code], bonds.get(code, []))
        (folder / f"{code}.pkl").write_bytes(pickle.dumps(molecule))


def _rows(table: str, columns: Iterable[str], codes: Iterable[str]) -> dict[str, list[Row]]:
    """Return the rows of a table of biotite's dictionary, by component; each column takes a while."""
    import numpy as np  # noqa: PLC0415 (only for building)
    from biotite.structure.info.ccd import get_ccd  # noqa: PLC0415 (only for building)

    category = get_ccd()[table]
    component = category["comp_id"].as_array(str)
    chosen = np.isin(component, list(codes))
    values = {key: category[key].as_array()[chosen] for key in columns}
    rows: dict[str, list[Row]] = {}
    for index, code in enumerate(component[chosen]):
        rows.setdefault(str(code), []).append({key: column[index] for key, column in values.items()})
    return rows


def _molecule(code: str, atoms: list[Row], bonds: list[Row]) -> Any:  # noqa: ANN401 (RDKit has no annotations)
    from rdkit import Chem  # noqa: PLC0415 (only for building)

    orders = {"SING": Chem.BondType.SINGLE, "DOUB": Chem.BondType.DOUBLE, "TRIP": Chem.BondType.TRIPLE}
    draft = Chem.RWMol()
    index = {str(atom["atom_id"]): draft.AddAtom(_atom(atom)) for atom in atoms}
    for bond in bonds:
        first, second = index[str(bond["atom_id_1"])], index[str(bond["atom_id_2"])]
        draft.AddBond(first, second, orders[str(bond["value_order"])])
    molecule = draft.GetMol()
    molecule.AddConformer(_conformer(atoms), assignId=True)
    failed = Chem.SanitizeMol(molecule, catchErrors=True)  # haems and clusters break the rules of valence
    if not failed and len(atoms) > 1:
        Chem.AssignStereochemistryFrom3D(molecule)
    molecule.SetProp("PDB_NAME", code)
    return molecule


def _atom(row: Row) -> Any:  # noqa: ANN401 (RDKit has no annotations)
    from rdkit import Chem  # noqa: PLC0415 (only for building)

    symbol = str(row["type_symbol"]).capitalize()
    atom = Chem.Atom({"D": "H", "X": "*"}.get(symbol, symbol))
    atom.SetFormalCharge(int(row["charge"]))
    atom.SetNoImplicit(True)
    atom.SetProp("name", str(row["atom_id"]))
    atom.SetProp("leaving_atom", "1" if row["pdbx_leaving_atom_flag"] == "Y" else "0")
    return atom


def _conformer(atoms: list[Row]) -> Any:  # noqa: ANN401 (RDKit has no annotations)
    import numpy as np  # noqa: PLC0415 (only for building)
    from rdkit import Chem  # noqa: PLC0415 (only for building)

    ideal, model = (
        np.array([[atom[kind.format(axis)] for axis in "xyz"] for atom in atoms], dtype=float)
        for kind in _COORDINATES
    )
    conformer = Chem.Conformer(len(atoms))
    conformer.SetProp("name", "Ideal")
    usable = ideal.any() and np.isfinite(ideal).all()  # HEC's ideal coordinates are all zero
    conformer.SetPositions(np.nan_to_num(ideal if usable else model))
    return conformer


def main(arguments: list[str]) -> None:
    """Build into the folder given, or into the default, and print BOLTZ_CACHE for it."""
    cache = Path(arguments[0]) if arguments else DEFAULT
    print(f"Small Boltz-2 model (random weights) in {cache}: about 10 s the first time ...", file=sys.stderr)
    print(f"BOLTZ_CACHE={ensure(cache)}")


if __name__ == "__main__":
    main(sys.argv[1:])
