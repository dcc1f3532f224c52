"""Structures that are right, of the dictionary's ideal residues, and their files as Boltz-2 writes them.

A chain goes on where an ideal residue has the atom that leaves it. Atoms are kept by chain, number and name,
so that a test can move one and see what is found.
"""

import json
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gemmi
import numpy as np
import numpy.typing as npt
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from inputs.grammar import BoltzInput, Ligand, Polymer, Protein
from inputs.read import read_input
from inputs.tokens import atoms, residue_code, residues
from local.small_model import DEFAULT, ensure
from schemas.checks import CheckedSample
from schemas.options import Options
from worker.checks.atoms import Atoms, Placed, assembled, wanted
from worker.checks.molecules import Molecules
from worker.checks.run import Asking, check

Place = npt.NDArray[np.float64]
Key = tuple[str, int, str]
"""Chain, number and name of an atom."""

Places = dict[Key, Place]

DEXAMETHASONE = "C[C@@H]1C[C@H]2[C@@H]3CCC4=CC(=O)C=C[C@@]4([C@]3([C@H](C[C@@]2([C@]1(C(=O)CO)O)C)O)F)C"
ALL_RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
TURN = range(0, 360, 10)
PEPTIDE, PHOSPHATE = 1.329, 1.607
AT_N, OMEGA = 121.7, 180.0
AT_O3, EPSILON = 119.7, -150.0
FAR = 10
NEAREST, FARTHEST = 3.4, 4.4
"""Angstrom between the nearest atoms of two chains."""


@cache
def components() -> Path:
    """Return the folder of the small model's molecules."""
    return ensure(DEFAULT) / "mols"


@cache
def component(code: str) -> Any:  # noqa: ANN401 (RDKit has no annotations)
    """Return a molecule of the dictionary, with its ideal coordinates."""
    return pickle.loads((components() / f"{code}.pkl").read_bytes())  # noqa: S301  built here


def ideal(code: str) -> dict[str, Place]:
    """Return the ideal places of a component's atoms by name, hydrogens and leaving atoms included."""
    molecule = component(code)
    return dict(zip(_names(molecule), molecule.GetConformer().GetPositions(), strict=True))


def _names(molecule: Any) -> list[str]:  # noqa: ANN401
    return [atom.GetProp("name") for atom in molecule.GetAtoms()]


@cache
def ligand(smiles: str) -> Any:  # noqa: ANN401
    """Return a conformer of a SMILES, without hydrogens, its atoms named as Boltz-2 names them."""
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    for atom, rank in zip(molecule.GetAtoms(), Chem.CanonicalRankAtoms(molecule), strict=True):
        atom.SetProp("name", f"{atom.GetSymbol().upper()}{rank + 1}")
    embed: Any = rdDistGeom
    assert embed.EmbedMolecule(molecule, randomSeed=7) == 0
    if molecule.GetNumAtoms() > 1:
        rdForceFieldHelpers.MMFFOptimizeMolecule(molecule, maxIters=2000)
    return Chem.RemoveHs(molecule, sanitize=False)


@dataclass
class Built:
    """A document and the places of its atoms; ``molecules`` are those of its SMILES, by Boltz-2's code."""

    document: BoltzInput
    places: Places
    molecules: dict[str, Any]

    @property
    def chains(self) -> list[str]:
        """Chains in the order of the file."""
        return list(dict.fromkeys(key[0] for key in self.places))

    def chain(self, chain: str) -> list[Key]:
        """Return the atoms of a chain."""
        return [key for key in self.places if key[0] == chain]


def protein(sequence: str, chain: str = "A", more: str = "") -> str:
    """Return an input of a protein; ``more`` are further keys of it."""
    more = f", {more}" if more else ""
    return f"sequences:\n- protein: {{id: {chain}, sequence: {sequence}, msa: empty{more}}}\n"


COMPLEX = f"""\
{protein(ALL_RESIDUES)}- ligand: {{id: L, smiles: '{DEXAMETHASONE}'}}
- ligand: {{id: N, ccd: NAG}}
- ligand: {{id: M, ccd: MG}}
- ligand: {{id: T, ccd: ATP}}
- ligand: {{id: S, ccd: SAM}}
- ligand: {{id: H, ccd: HEM}}
"""
"""All amino acids, and ligands of several kinds: 312 atoms, 44 stereocentres."""


def moved(built: Built, move: Callable[[Key, Place], Place]) -> Built:
    """Return a structure with other places."""
    places = {key: move(key, place) for key, place in built.places.items()}
    return Built(built.document, places, built.molecules)


@cache
def right(text: str) -> Built:
    """Return a right structure of an input, built once: change none of its places."""
    return build(text)


def build(text: str, known: Mapping[str, Any] | None = None) -> Built:
    """Return a right structure of an input; ``known`` are conformers of its SMILES, by Boltz-2's code."""
    document = read_input("a.yaml", text.encode())
    smiles = dict.fromkeys(
        each.smiles for each in _molecules(document) if isinstance(each, Ligand) and each.smiles
    )
    molecules = known or {f"LIG{at}": ligand(each) for at, each in enumerate(smiles, start=1)}
    conformers = dict(zip(smiles, molecules.values(), strict=True))
    places: Places = {}
    draw = np.random.default_rng(5)
    for molecule in _molecules(document):
        for chain in molecule.id:
            own = _own(molecule, conformers)
            moved = _beside(np.array(list(own.values())), np.array(list(places.values())), draw)
            places |= {(chain, *key): place for key, place in zip(own, moved, strict=True)}
    return Built(document, places, dict(molecules))


def _molecules(document: BoltzInput) -> list[Polymer | Ligand]:
    return [entry.molecule for entry in document.sequences]


def _own(molecule: Polymer | Ligand, conformers: Mapping[str, Any]) -> dict[tuple[int, str], Place]:
    if isinstance(molecule, Polymer):
        return _chain(molecule)
    if molecule.ccd:
        found: dict[tuple[int, str], Place] = {}
        for number, code in enumerate(molecule.ccd, start=1):
            whole = ideal(code)
            found |= {(number, name): whole[name] + [0, 0, 30.0 * number] for name in atoms(molecule, number)}
        return found
    known = conformers[molecule.smiles or ""]
    named = zip(_names(known), known.GetConformer().GetPositions(), strict=True)
    return {(1, name): place for name, place in named}


def _chain(molecule: Polymer) -> dict[tuple[int, str], Place]:
    """Put residues together: each is turned about its bond to the one before until it is free."""
    found: dict[tuple[int, str], Place] = {}
    add, ends = (
        (_next_residue, ("C", "N")) if isinstance(molecule, Protein) else (_next_nucleotide, ("O3'", "P"))
    )
    before: dict[str, Place] = {}
    last = ""
    for number in range(1, residues(molecule) + 1):
        code, names = _built(residue_code(molecule, number)), atoms(molecule, number)
        tried = [add(before, ideal(code), turn) for turn in TURN] if before else [ideal(code)]
        old = [
            (place, _bonds(last, ends[0], name) if at == number - 1 else FAR)
            for (at, name), place in found.items()
        ]
        new = [_bonds(code, ends[1], name) for name in names]
        before = max(tried, key=lambda each: _room([each[name] for name in names], new, old))
        found |= {(number, name): before[name] for name in names}
        last = code
    return found


def _built(code: str) -> str:
    return "MET" if code == "MSE" else code


@cache
def _graph(code: str) -> dict[str, dict[str, int]]:
    names, apart = _names(component(code)), Chem.GetDistanceMatrix(component(code))
    return {one: dict(zip(names, map(int, row), strict=True)) for one, row in zip(names, apart, strict=True)}


def _bonds(code: str, one: str, other: str) -> int:
    return _graph(code)[one][other] if one in _graph(code) else FAR


def _room(new: list[Place], new_depth: list[int], old: list[tuple[Place, int]]) -> float:
    """Return the distance of the nearest atoms more than three bonds apart."""
    if not old:
        return 0.0
    depth = np.add.outer(np.array(new_depth), np.array([each for _, each in old])) + 1
    apart = np.linalg.norm(np.array(new)[:, None] - np.array([place for place, _ in old]), axis=-1)
    return float(apart[depth > 3].min(initial=10.0))


def _next_residue(before: Mapping[str, Place], whole: dict[str, Place], turn: float) -> dict[str, Place]:
    carbon = before["C"]
    leaving = before.get("OXT", before.get("H"))
    alpha = before.get("CA", before.get("CH3"))
    assert leaving is not None
    assert alpha is not None
    nitrogen = carbon + PEPTIDE * _unit(leaving - carbon)
    if "CA" not in whole:  # an amide
        return {"N": nitrogen}
    own = whole["N"], whole["CA"], whole["C"]
    ca = point(alpha, carbon, nitrogen, float(np.linalg.norm(own[1] - own[0])), AT_N, OMEGA)
    c = point(carbon, nitrogen, ca, float(np.linalg.norm(own[2] - own[1])), angle(*own), turn)
    return superposed(whole, own, (nitrogen, ca, c))


def _next_nucleotide(before: Mapping[str, Place], whole: dict[str, Place], turn: float) -> dict[str, Place]:
    oxygen = before["O3'"]
    phosphorus = point(before["C4'"], before["C3'"], oxygen, PHOSPHATE, AT_O3, EPSILON)
    own = whole["OP3"], whole["P"], whole["O5'"]
    length = float(np.linalg.norm(own[2] - own[1]))
    next_oxygen = point(before["C3'"], oxygen, phosphorus, length, angle(*own), turn)
    return superposed(whole, own, (oxygen, phosphorus, next_oxygen))


def _unit(vector: Place) -> Place:
    unit: Place = vector / np.linalg.norm(vector)
    return unit


def angle(one: Place, middle: Place, other: Place) -> float:
    """Return the angle at the middle one, in degrees."""
    return float(np.degrees(np.arccos(_unit(one - middle) @ _unit(other - middle))))


def point(a: Place, b: Place, c: Place, length: float, bend: float, torsion: float) -> Place:
    """Return the point at this length from c, bend to b and torsion to a; degrees."""
    axis = _unit(c - b)
    normal = _unit(np.cross(b - a, axis))
    bend, torsion = np.radians(bend), np.radians(torsion)
    along, aside = -np.cos(bend), np.sin(bend)
    across = np.cross(normal, axis)
    away: Place = length * (along * axis + aside * (np.cos(torsion) * across + np.sin(torsion) * normal))
    return c + away


def superposed(whole: Mapping[str, Place], own: Sequence[Place], target: Sequence[Place]) -> dict[str, Place]:
    """Move a residue so that three points of it come to lie on others; the second one exactly."""
    turn = _frame(target) @ _frame(own).T
    return {name: target[1] + turn @ (place - own[1]) for name, place in whole.items()}


def _frame(points: Sequence[Place]) -> Place:
    first = _unit(points[0] - points[1])
    normal = _unit(np.cross(first, points[2] - points[1]))
    return np.stack([first, np.cross(normal, first), normal], axis=1)


def _beside(places: Place, others: Place, draw: np.random.Generator) -> Place:
    """Return where a molecule touches others, and overlaps with none."""
    if not len(others):
        return places
    tree = cKDTree(others)
    for _ in range(50_000):
        turn = Rotation.random(random_state=draw).as_matrix()
        turned = (places - places[draw.integers(len(places))]) @ turn.T
        moved: Place = turned + others[draw.integers(len(others))] + draw.normal(0, 4, 3)
        if NEAREST < tree.query(moved)[0].min() < FARTHEST:
            return moved
    raise RuntimeError("there is no place for it")


def mirrored(place: Place, one: Place, two: Place, three: Place) -> Place:
    """Return the mirror image of a point in the plane of three others."""
    normal = _unit(np.cross(two - one, three - one))
    return place - 2 * ((place - one) @ normal) * normal


def arranged(built: Built) -> Atoms:
    """Return the arrays of a structure."""
    with TemporaryDirectory() as folder:
        asking = write(built, Path(folder))
        known = Molecules(built.document, asking.molecules, asking.components)
        expected, unknown = wanted(built.document, known)
    by_residue: dict[tuple[str, int], dict[str, list[float]]] = {}
    for (chain, number, name), place in built.places.items():
        by_residue.setdefault((chain, number), {})[name] = place.tolist()
    placed = [Placed(*spot, found) for spot, found in by_residue.items()]
    atoms, unlike = assembled(placed, expected)
    assert (unknown, unlike) == ([], [])
    return atoms


def write(built: Built, folder: Path, form: str = "mmcif", samples: int = 1) -> Asking:
    """Write the files of a prediction, of equal samples, and return what there is to check."""
    options = Options(samples=samples, output_format=form)
    files: dict[str, Path] = {}
    for rank in range(samples):
        files |= _sample(built, folder, form, rank)
    Chem.SetDefaultPickleProperties(Chem.PropertyPickleOptions.AllProps)  # as Boltz does
    (folder / "in.pkl").write_bytes(pickle.dumps(built.molecules))
    return Asking(built.document, options, files, folder / "in.pkl", components())


def examined(
    built: Built, folder: Path, form: str = "mmcif", folder_of_components: Path | None = None
) -> CheckedSample:
    """Return what the checks find in a structure, read from its files."""
    asking = write(built, folder, form)
    return check(asking._replace(components=folder_of_components or asking.components)).samples[0]


def _sample(built: Built, folder: Path, form: str, rank: int) -> dict[str, Path]:
    structure = _structure(built, form)
    suffix = {"mmcif": "cif", "pdb": "pdb"}[form]
    path = folder / f"model_{rank}.{suffix}"
    if form == "mmcif":
        path.write_text(structure.make_mmcif_document().as_string())
    else:
        path.write_text(structure.make_pdb_string())
    return {path.name: path} | arrays(built, folder, rank)


def arrays(built: Built, folder: Path, rank: int = 0) -> dict[str, Path]:
    """Write the confidence of a sample: the same error everywhere, and ipTM by the numbers of chains."""
    polymers = [each for each in _molecules(built.document) if isinstance(each, Polymer)]
    whole = {chain for each in polymers for chain in each.id}
    tokens = {key[:2] if key[0] in whole else key for key in built.places}
    count, files = len(tokens), dict[str, Path]()
    for kind, value in (("pae", np.full((count, count), 5.0)), ("plddt", np.full(count, 0.9))):
        files[f"{kind}_model_{rank}.npz"] = folder / f"{kind}_model_{rank}.npz"
        np.savez(files[f"{kind}_model_{rank}.npz"], **{kind: value})
    chains = [str(at) for at in range(len(built.chains))]
    pairs = {one: {other: 0.5 + int(other) / 10 for other in chains} for one in chains}
    confidence = folder / f"confidence_model_{rank}.json"
    confidence.write_text(json.dumps({"confidence_score": 0.8, "pair_chains_iptm": pairs}))
    return files | {confidence.name: confidence}


def _structure(built: Built, form: str) -> gemmi.Structure:
    codes = {(chain, number): name for chain, number, name in _coded(built.document)}
    structure, model = gemmi.Structure(), gemmi.Model("1")
    for (chain, number, name), place in built.places.items():
        if not len(model) or model[-1].name != chain:
            model.add_chain(gemmi.Chain(chain))
        if not len(model[-1]) or model[-1][-1].seqid.num != number:
            residue = gemmi.Residue()
            residue.name, residue.seqid = codes[chain, number], gemmi.SeqId(number, " ")
            if form == "pdb":
                residue.name = "LIG" if codes[chain, number].startswith("LIG") else residue.name[:3]
            model[-1].add_residue(residue)
        atom = gemmi.Atom()
        atom.name, atom.pos = name, gemmi.Position(*place)
        atom.element = gemmi.Element("X")  # whatever the file says, it does not count
        model[-1][-1].add_atom(atom)
    structure.add_model(model)
    structure.setup_entities()
    return structure


def _coded(document: BoltzInput) -> list[tuple[str, int, str]]:
    found = []
    smiles: list[str] = []
    for molecule in _molecules(document):
        for number in range(1, residues(molecule) + 1):
            if isinstance(molecule, Polymer):
                code = residue_code(molecule, number)
            elif molecule.ccd:
                code = molecule.ccd[number - 1]
            else:
                smiles += [molecule.smiles or ""] * (molecule.smiles not in smiles)
                code = f"LIG{smiles.index(molecule.smiles or '') + 1}"
            found += [(chain, number, code) for chain in molecule.id]
    return found
