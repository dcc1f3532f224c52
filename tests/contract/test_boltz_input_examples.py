"""The published examples of input files, against our reader, the JSON Schema, and Boltz's own parser."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from Bio import SeqIO
from hypothesis import given
from hypothesis import strategies as st

from inputs.parse_fasta import read_fasta
from inputs.parse_yaml import residues_in
from inputs.read import BoltzInput, InvalidInputError, normalised, read_input, references
from inputs.smiles import ParsedSmiles, read_smiles
from inputs.tree import UnreadableError
from local import small_model

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples" / "boltz-input"
VALID = sorted((EXAMPLES / "valid").iterdir())
INVALID = sorted(path for path in (EXAMPLES / "invalid").iterdir() if path.suffix != ".expect")
ALONE = [path for path in VALID if not references(read_input(path.name, path.read_bytes()))]
"""Examples that refer to no other file, so that Boltz can parse them where they are."""


def name(path: Path) -> str:
    return path.name


@pytest.fixture(scope="module")
def mols() -> Path:
    """Molecules of the small model; built once, about 10 s, then found in .local/cache."""
    return small_model.ensure(Path(".local/cache/small-model")) / "mols"


def expected(path: Path) -> tuple[str, str | None]:
    """Read `CODE field` from the neighbouring .expect file, or behind `# expect:` in the first line."""
    beside = path.with_name(f"{path.name}.expect")
    line = beside.read_text() if beside.exists() else path.read_bytes().split(b"\n")[0].decode()
    code, field = line.removeprefix("# expect:").split()
    return code, None if field == "-" else field


@pytest.mark.parametrize("path", VALID, ids=name)
def test_a_valid_example_is_read(path: Path) -> None:
    assert read_input(path.name, path.read_bytes()).sequences


@pytest.mark.parametrize("path", [path for path in VALID if path.suffix == ".yaml"], ids=name)
def test_residues_are_counted_before_it_is_read_as_after(path: Path) -> None:
    molecules = [
        each.protein or each.dna or each.rna for each in read_input(path.name, path.read_bytes()).sequences
    ]
    residues = sum(len(molecule.sequence) for molecule in molecules if molecule)
    assert residues_in(path.read_text()) == residues


@pytest.mark.parametrize("path", INVALID, ids=name)
def test_an_invalid_example_fails_first_where_it_says(path: Path) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_input(path.name, path.read_bytes())
    first = caught.value.failures[0]
    assert (first.code, first.field) == expected(path)
    assert path.name in first.message
    assert first.remedy


@pytest.mark.parametrize("path", [path for path in VALID if path.suffix in {".yaml", ".yml"}], ids=name)
def test_a_valid_example_keeps_to_the_json_schema(path: Path) -> None:
    validator = jsonschema.Draft202012Validator(BoltzInput.model_json_schema())
    validator.validate(yaml.safe_load(path.read_text()))


def test_the_json_schema_describes_every_key_with_an_example() -> None:
    schema = BoltzInput.model_json_schema()
    parts = [schema, *schema["$defs"].values()]
    keys = [(part["title"], key, says) for part in parts for key, says in part["properties"].items()]
    assert [key[:2] for key in keys if not key[2].get("description") or not key[2].get("examples")] == []


def test_there_are_enough_examples_to_say_what_is_what() -> None:
    assert len(VALID) >= 30
    assert len(INVALID) >= 80


@pytest.mark.parametrize(
    "file",
    ["key-misspelt", "sequence-in-small-letters", "smiles-and-ccd", "chain-id-too-long", "contact-too-far"],
)
def test_the_json_schema_shows_an_editor_the_same_mistake(file: str) -> None:
    data = yaml.safe_load((EXAMPLES / "invalid" / f"{file}.yaml").read_text())
    validator = jsonschema.Draft202012Validator(BoltzInput.model_json_schema())
    assert not validator.is_valid(data)


def boltz_target(path: Path, mols: Path) -> Any:  # noqa: ANN401 (Boltz ships no annotations)
    """Let Boltz parse the file."""
    # From boltz.main, which imports rdkit.Chem.Descriptors before AllChem; the other way round, the molecular
    # weight that affinity needs is missing. Here, because it takes seconds and not every test needs it.
    from boltz.main import parse_fasta, parse_yaml  # noqa: PLC0415 - see above

    parse: Callable[..., Any] = parse_yaml if path.suffix in {".yaml", ".yml"} else parse_fasta
    return parse(path, {}, mols, boltz2=True)


def boltz_chains(path: Path, mols: Path) -> dict[str, int]:
    """Let Boltz parse the file; residues by chain."""
    return {str(chain.chain_name): chain.num_residues for chain in boltz_target(path, mols).record.chains}


@pytest.mark.parametrize(
    "smiles",
    [
        *("CCO", "[Zn+2]", "ClC", "[H]O[H]", "CC(=O)Oc1ccccc1C(=O)O", "CC(C)Cc1ccc(cc1)[C@H](C)C(=O)O"),
        *("Oc1ccc(/C=C/c2cc(O)cc(O)c2)cc1", "N[Pt](N)(Cl)Cl", "O([2H])[2H]", "CC(=O)OCC[N+](C)(C)C"),
    ],
)
def test_boltz_gives_the_atoms_of_a_smiles_the_names_that_we_know(
    smiles: str, mols: Path, tmp_path: Path
) -> None:
    path = tmp_path / "ligand.yaml"
    path.write_text(f"sequences:\n- ligand: {{id: A, smiles: '{smiles}'}}\n")
    molecule = read_smiles(smiles)
    assert isinstance(molecule, ParsedSmiles)
    assert tuple(boltz_target(path, mols).structure.atoms["name"]) == molecule.names


def our_chains(document: BoltzInput) -> dict[str, int]:
    return {
        chain: len(getattr(entry.molecule, "sequence", None) or getattr(entry.molecule, "ccd", None) or "1")
        for entry in document.sequences
        for chain in entry.molecule.id
    }


@pytest.mark.parametrize("path", ALONE, ids=name)
def test_boltz_reads_the_same_chains_from_a_valid_example(path: Path, mols: Path, tmp_path: Path) -> None:
    written = tmp_path / path.name
    written.write_bytes(normalised(path.read_bytes()))
    assert boltz_chains(written, mols) == our_chains(read_input(path.name, path.read_bytes()))


# What follows holds for boltz 2.2.1. When one fails after an upgrade, Boltz got better: read it too.


def test_boltz_still_loses_the_first_record_behind_a_byte_order_mark(mols: Path) -> None:
    assert boltz_chains(EXAMPLES / "valid" / "byte-order-mark.fasta", mols) == {"B": 1}


def test_boltz_still_overwrites_a_chain_of_the_same_id(mols: Path) -> None:
    assert boltz_chains(EXAMPLES / "invalid" / "chain-id-twice.yaml", mols) == {"A": 1}


def test_boltz_still_ignores_a_misspelt_section(mols: Path) -> None:
    assert boltz_chains(EXAMPLES / "invalid" / "key-unknown-at-top.yaml", mols) == {"A": 20}


@pytest.mark.parametrize(("smiles", "residues"), [("CC(=O)[O-].[Na+]", 1), ("CC*", 1), ("[H][H]", 1)])
def test_boltz_still_takes_what_is_no_single_molecule(
    smiles: str, residues: int, mols: Path, tmp_path: Path
) -> None:
    path = tmp_path / "ligand.yaml"
    path.write_text(f"sequences:\n- ligand: {{id: A, smiles: '{smiles}'}}\n")
    assert boltz_chains(path, mols) == {"A": residues}


def test_boltz_still_ignores_a_residue_behind_the_end(mols: Path) -> None:
    assert boltz_chains(EXAMPLES / "invalid" / "pocket-behind-the-end.yaml", mols) == {"A": 20, "L": 1}


def test_boltz_still_reads_a_smiles_as_the_ccd_code_of_the_same_letters(mols: Path, tmp_path: Path) -> None:
    path = tmp_path / "ions.yaml"
    path.write_text("sequences:\n- ligand: {id: A, ccd: CL}\n- ligand: {id: B, smiles: CL}\n")
    assert boltz_chains(path, mols) == {"A": 1, "B": 1}  # CL is no SMILES at all


LINES = st.sampled_from(
    [
        *(">A|protein|empty", ">B|dna", ">", "> C|smiles x", ">>D|ccd"),
        *("ACGT", "AC GT ", "", " ", "\t", "A>B", ";x"),
    ]
)


@given(st.lists(LINES, max_size=8).map("\n".join))
def test_fasta_is_read_as_biopython_reads_it_or_not_at_all(text: str) -> None:
    try:
        tree = read_fasta(text)
    except UnreadableError:
        return
    records = SeqIO.parse(io.StringIO(text), "fasta")  # type: ignore[no-untyped-call] # Biopython has no types
    theirs = [(record.id.split("|")[0], str(record.seq)) for record in records]
    assert isinstance(tree.data, dict)
    molecules = [molecule for entry in tree.data["sequences"] for molecule in entry.values()]
    ours = [(each["id"], each.get("sequence", each.get("ccd", each.get("smiles")))) for each in molecules]
    assert ours == theirs
