"""Inputs as people and programs write them, by the trait that each was collected for: how intake ends them.

Each has its published source in mind: an issue of Boltz, a generator's output, a file in a repository.
"""

import gzip
from collections.abc import Mapping
from typing import NamedTuple

import pytest
from support.backbones import chain, codes, ligand, mmcif, models, seqres
from support.inbox import Inbox
from support.inputs import TRP_CAGE

from schemas.failure import Code
from schemas.job import Job, State

KEMPTIDE = "LRRASLG"
INSULIN_A, INSULIN_B = "GIVEQCCTSICSLYQLENYCN", "FVNQHLCGSHLVEALYLVCGERGFFYTPKT"
PROTEIN = f"sequences:\n- protein: {{id: A, sequence: {KEMPTIDE}, msa: empty}}\n"
ASPIRIN = "- ligand: {id: B, smiles: 'CC(=O)Oc1ccccc1C(=O)O'}\n"
MACROCYCLE = (
    "CC[C@H](C)[C@@H]1NC(=O)[C@H](Cc2ccccc2)NC(=O)[C@H](CC(C)C)NC(=O)[C@@H]2CCCN2C(=O)[C@H](Cc2ccccc2)"
    "NC(=O)[C@H](C(C)C)NC(=O)[C@H](CCCNC(N)=N)NC1=O"
)


def proteins(*settings: str) -> str:
    """Return an input of proteins, chains A, B, …: the settings of each."""
    chains = zip("ABCDEFG", settings, strict=False)
    return "sequences:\n" + "".join(f"- protein: {{id: {chain}, {rest}}}\n" for chain, rest in chains)


def ligands(*kinds: str) -> str:
    """Return an input of a protein and ligands, chains B, C, …: what each is."""
    chains = zip("BCDEFGHIJ", kinds, strict=False)
    return PROTEIN + "".join(f"- ligand: {{id: {chain}, {rest}}}\n" for chain, rest in chains)


def msa(written: str) -> str:
    """Return an input whose protein names this MSA."""
    return f"sequences:\n- protein:\n    id: A\n    sequence: {KEMPTIDE}\n    msa: {written}\n"


AFFINITY = "properties:\n- affinity:\n    binder: "
SEP = "modifications: [{position: 5, ccd: SEP}]"

PREDICTED = {
    "012 X where modifications stand, in a capped peptide": proteins(
        "sequence: XHWSYGLRPGX, msa: empty, "
        "modifications: [{position: 1, ccd: PCA}, {position: 11, ccd: NH2}]"
    ),
    "048 anchors of PyYAML": (
        "constraints:\n- pocket:\n    binder: L\n    contacts: &id001\n    - - A\n      - 3\n"
        "- pocket:\n    binder: M\n    contacts: *id001\n"
        f"{PROTEIN}- ligand: {{ccd: ATP, id: L}}\n- ligand: {{ccd: MG, id: M}}\nversion: 1\n"
    ),
    "059 ions as SMILES beside one as component": (
        f"{PROTEIN}- ligand:\n    id: [B, C]\n    smiles: '[Ca+2]'\n- ligand: {{id: D, smiles: '[Zn+2]'}}\n"
        "- ligand: {id: E, ccd: CA}\n"
    ),
    "064 X where one of two chains is modified": proteins(
        f"sequence: LRRAXLG, msa: empty, {SEP}", "sequence: LRRASLG, msa: empty"
    ),
    "065 a component that a worker may lack": ligands("ccd: DTR"),
    "082 methylated DNA": (
        "sequences:\n- dna:\n    id: A\n    sequence: CGCGAATTCGCG\n    modifications:\n"
        "    - {position: 3, ccd: 5CM}\n- dna: {id: B, sequence: CGCGAATTCGCC}\n- ligand: {id: M, ccd: MG}\n"
    ),
    "091 metals as SMILES": ligands(
        *(
            f"smiles: '[{ion}]'"
            for ion in ("Ca+2", "Na+", "Cu+2", "Co+2", "Ni+2", "Cd+2", "Zn+2", "Mg+2", "K+")
        )
    ),
    "091 complexes of metals as SMILES": ligands(
        *("smiles: 'N[Pt](N)(Cl)Cl'", "smiles: 'C[Si](C)(C)c1ccccc1'", "smiles: 'CC[Se]CC'"),
        *("smiles: 'Cl[Pd]Cl'", "smiles: 'c1ccccc1[Sb]'"),
    ),
    "210 affinity of a macrocycle": ligands(f"smiles: '{MACROCYCLE}'") + AFFINITY + "B\n",
    "211 affinity to RNA alone": (
        f"sequences:\n- rna: {{id: R, sequence: GGCGAAAGCC}}\n{ASPIRIN}{AFFINITY}B\n"
    ),
    "214 equal chains with another between": (
        f"{proteins(*(f'sequence: {each}, msa: empty' for each in (TRP_CAGE, KEMPTIDE, TRP_CAGE)))}"
        f"- ligand: {{id: D, ccd: MG}}\n- protein: {{id: E, sequence: {KEMPTIDE}, msa: empty}}\n"
        "- ligand: {id: F, ccd: ATP}\n- ligand: {id: G, ccd: MG}\n"
    ),
    "215 phosphoserine in the middle": proteins(
        f"sequence: {TRP_CAGE}, msa: empty, modifications: [{{position: 13, ccd: SEP}}]",
        f"sequence: {KEMPTIDE}, msa: empty",
    ),
}


class Refused(NamedTuple):
    """A document, the field of its first error, and what has to be in the error's words."""

    text: str | bytes
    field: str | None
    words: str
    name: str = "run/in.yaml"


NONE = {
    f"070 no MSA: {word}": Refused(msa(word), "sequences[0].protein.msa", "`msa: empty`")
    for word in ("none", "''", "null", "single_sequence", "False", "0", "[]", "Empty", "EMPTY", "msa_free")
}

ELSEWHERE = {
    f"071 an MSA elsewhere: {where}": Refused(
        msa(where), "sequences[0].protein.msa", "Upload a.a3m beside this file, and write a.a3m alone."
    )
    for where in (
        *("gs://bucket/msa/a.a3m", "s3://bucket/a.a3m", "https://host/a.a3m", "~/msas/a.a3m"),
        *("${MSA_DIR}/a.a3m", "../a.a3m", "'C:\\msas\\a.a3m'"),
    )
}

REFUSED = (
    NONE
    | ELSEWHERE
    | {
        "006 the binder as a list": Refused(
            PROTEIN + ASPIRIN + AFFINITY + "[B]\n", "properties[0].affinity.binder", "Write B alone"
        ),
        "006 a template for a chain that is not there": Refused(
            f"{PROTEIN}{ASPIRIN}templates:\n- cif: ./t/T_template.cif\n  chain_id: [R]\n{AFFINITY}B\n",
            "templates[0].chain_id",
            "Chains of this file: A, B",
        ),
        "032 a packed MSA": Refused(
            msa("x.a3m.gz"), "sequences[0].protein.msa", "Unpack the file, upload it as x.a3m"
        ),
        "033 a packed template": Refused(
            f"{PROTEIN}templates:\n- cif: x.cif.gz\n",
            "templates[0].cif",
            "Unpack the file, upload it as x.cif",
        ),
        "046 keys beside their protein": Refused(
            "sequences:\n  - protein:\n    id: A\n    sequence: LRRASLG\n    msa: a.csv\n",
            "sequences[0]",
            "Indent id, msa, sequence further than `protein:` is.",
        ),
        "052 FASTA in a .yaml": Refused(
            ">A|protein|empty\nLRRASLG\n>C|ccd\nSAH\n", None, "Rename it to pocket.fasta", "run/pocket.yaml"
        ),
        "063 a modification in one of two equal chains": Refused(
            proteins(f"sequence: {KEMPTIDE}, msa: empty, {SEP}", f"sequence: {KEMPTIDE}, msa: empty"),
            "sequences[1].protein.modifications",
            "or write X",
        ),
        "068 two proteins as a mapping": Refused(
            "sequences:\n    protein:\n      id: A\n      sequence: LRRASLG\n    protein:\n      id: B\n",
            "sequences.protein",
            "Write `- ` before each `protein:` of sequences",
        ),
        "068 one protein as a mapping": Refused(
            "sequences:\n  protein: {id: A, sequence: LRRASLG, msa: empty}\n", "sequences", "behind `- `"
        ),
        "068 constraints as a mapping": Refused(
            f"{PROTEIN}constraints:\n    contact:\n      token1: [A, 1]\n      token2: [A, 3]\n",
            "constraints",
            "behind `- `",
        ),
        "071 an MSA behind a backslash": Refused(
            msa("msas\\a.a3m"), "sequences[0].protein.msa", "Write it with slashes: msas/a.a3m."
        ),
        "071 a placeholder for an MSA": Refused(
            msa("MSA_PATH"), "sequences[0].protein.msa", "write `empty` for single-sequence mode"
        ),
        "088 one ion alone": Refused(
            "sequences:\n- ligand: {id: B, smiles: '[Na+]'}\n", "sequences", "Add the molecules that it is"
        ),
        "103 packed once more than said": Refused(
            gzip.compress(PROTEIN.encode(), mtime=0), None, "Unpack it, and upload it again."
        ),
        "205 an MSA of Stockholm's format": Refused(
            msa("x.sto"), "sequences[0].protein.msa", "Convert the alignment to A3M"
        ),
        "205 an MSA of aligned FASTA": Refused(
            msa("x.fasta"), "sequences[0].protein.msa", "Convert the alignment to A3M"
        ),
    }
)


INSULIN = proteins(f"sequence: {INSULIN_A}, msa: a.csv", f"sequence: {INSULIN_B}, msa: b.csv")
TEMPLATED = f"sequences:\n- protein: {{id: A, sequence: {TRP_CAGE}, msa: empty}}\ntemplates:\n- "
CAGE = codes(TRP_CAGE)
ONE_PDB, ONE_MSA = f"{TEMPLATED}{{pdb: t.pdb}}\n", msa("m.csv")


class Filed(NamedTuple):
    """A document, the files beside it, and what has to be in the error's words, if there is one."""

    text: str
    files: Mapping[str, str | bytes]
    words: str | None = None


FILED = {
    "021 species as keys of a CSV": Filed(
        INSULIN,
        {
            "a.csv": f"key,sequence\nHOMSA,{INSULIN_A}\n,GIVEQCCASVCSLYQLENYCN\n",
            "b.csv": f"key,sequence\nHOMSA,{INSULIN_B}\nMUSMU,{INSULIN_B}\n",
        },
    ),
    "022 a CSV of Excel's": Filed(ONE_MSA, {"m.csv": f"\ufeffkey,sequence\n-1,{KEMPTIDE}\n"}),
    "034 a PDB without its sequence": Filed(ONE_PDB, {"t.pdb": chain(CAGE)}),
    "035 a chain's letter": Filed(
        f"{TEMPLATED}{{pdb: t.pdb, chain_id: A, template_id: A}}\n", {"t.pdb": seqres(CAGE) + chain(CAGE)}
    ),
    "035 a chain that is not there": Filed(
        f"{TEMPLATED}{{pdb: t.pdb, chain_id: A, template_id: C}}\n",
        {"t.pdb": chain(CAGE) + chain(CAGE, "B")},
        "it has A (to Boltz-2 A1), B (to Boltz-2 B1)",
    ),
    "037 an mmCIF of atoms alone": Filed(
        f"{TEMPLATED}{{cif: t.cif, chain_id: [A], template_id: [A]}}\n", {"t.cif": mmcif(chain(CAGE))}
    ),
    "094 the models of an NMR entry": Filed(
        ONE_PDB, {"t.pdb": seqres(CAGE) + models(chain(CAGE), chain(CAGE))}
    ),
    "096 a docked ligand in a template": Filed(ONE_PDB, {"t.pdb": chain(CAGE) + ligand("DRG")}),
    "103 an MSA packed once more than said": Filed(
        msa("m.a3m"), {"m.a3m": gzip.compress(b">q\nLRRASLG\n", mtime=0)}, "is packed by gzip. Unpack it"
    ),
    "103 a template packed once more than said": Filed(
        ONE_PDB, {"t.pdb": gzip.compress(chain(CAGE).encode(), mtime=0)}, "is packed by gzip. Unpack it"
    ),
    "205 a renamed MSA of Stockholm's format": Filed(
        msa("m.a3m"),
        {"m.a3m": f"# STOCKHOLM 1.0\nq {KEMPTIDE}\n//\n"},
        "in Stockholm format. Convert it to A3M",
    ),
    "205 a renamed MSA of Clustal's format": Filed(
        msa("m.a3m"), {"m.a3m": f"CLUSTAL W\n\nq {KEMPTIDE}\n"}, "in Clustal format. Convert it to A3M"
    ),
}


@pytest.mark.parametrize("case", FILED)
def test_files_of_people_and_programs_are_read_or_refused_at_intake(case: str) -> None:
    inbox, (text, files, words) = Inbox(), FILED[case]
    for name, content in files.items():
        inbox.drop(f"run/{name}", content if isinstance(content, bytes) else content.encode())
    job = inbox.drop("run/in.yaml", text.encode())
    assert job
    if words is None:
        assert (job.state, job.errors) == (State.QUEUED, ())
    else:
        [error] = inbox.receipt(job)["errors"]
        assert words in f"{error['message']} {error['remedy']}"


def dropped(text: str | bytes, name: str) -> tuple[Inbox, Job]:
    inbox = Inbox()
    job = inbox.drop(name, text if isinstance(text, bytes) else text.encode())
    assert job
    return inbox, job


@pytest.mark.parametrize("case", PREDICTED)
def test_what_boltz_reads_rightly_is_queued(case: str) -> None:
    inbox, job = dropped(PREDICTED[case], "run/in.yaml")
    assert (job.state, job.errors) == (State.QUEUED, ())
    assert inbox.asked_for(job) == 1


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_predicted_is_refused_with_what_to_do(case: str) -> None:
    text, field, words, name = REFUSED[case]
    inbox, job = dropped(text, name)
    [error] = inbox.receipt(job)["errors"]
    assert (job.state, error["code"], error["field"]) == (State.REJECTED, Code.INVALID_INPUT, field)
    assert words in f"{error['message']} {error['remedy']}"


@pytest.mark.parametrize("name", ["run/.ipynb_checkpoints/k-checkpoint.yaml", ".cache/in.yaml"])
def test_116_a_copy_in_a_hidden_folder_is_nobody_s_upload(name: str) -> None:
    assert Inbox().drop(name, PROTEIN.encode()) is None
