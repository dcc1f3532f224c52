"""Structures that tests write: backbones in the formats of programs that people get them from."""

from collections.abc import Iterable, Sequence

from inputs.residues import AMINO_ACIDS

_ATOMS = (("N", 0.0), ("CA", 1.1), ("C", 2.2), ("O", 2.2))
"""Names of a residue's atoms, and how far along the chain they lie, in ångström."""


def codes(sequence: str) -> list[str]:
    """Return the components of one-letter codes."""
    return [AMINO_ACIDS[letter] for letter in sequence]


def chain(
    residues: Sequence[str], name: str = "A", numbers: Iterable[int] | None = None, record: str = "ATOM  "
) -> str:
    """Return the PDB lines of a chain's atoms; residues are bound whose numbers follow each other."""
    lines = list[str]()
    for code, number in zip(residues, numbers or range(1, len(residues) + 1), strict=True):
        for atom, along in _ATOMS:
            x, y = 3.3 * number + along, 1.2 if atom == "O" else 0.0
            place = f"{x % 900:8.3f}{y + (ord(name) - 65) * 8:8.3f}{0.0:8.3f}"
            residue = f"{atom:^4} {code:>3} {name}{number:4}"
            lines.append(f"{record}{len(lines) + 1:5} {residue}    {place}  1.00 50.00           {atom[0]}")
    return "".join(f"{line}\n" for line in lines) + ("TER\n" if record == "ATOM  " else "")


def ligand(code: str, name: str = "A", atoms: int = 3) -> str:
    """Return the PDB lines of a ligand."""
    rest = f"{20.0:8.3f}{0.0:8.3f}  1.00 50.00           C"
    numbered = range(1, atoms + 1)
    return "".join(f"HETATM{900 + at:5}  C{at}  {code:>3} {name} 900    {at:8.3f}{rest}\n" for at in numbered)


def seqres(residues: Sequence[str], name: str = "A") -> str:
    """Return the PDB lines of a chain's sequence."""
    rows = (residues[at : at + 13] for at in range(0, len(residues), 13))
    return "".join(
        f"SEQRES {number:3} {name} {len(residues):4}  {' '.join(row)}".ljust(80) + "\n"
        for number, row in enumerate(rows, 1)
    )


def models(*each: str) -> str:
    """Return the PDB lines of several models."""
    return "".join(f"MODEL     {at:4}\n{model}ENDMDL\n" for at, model in enumerate(each, 1))


def mmcif(pdb: str) -> str:
    """Return PDB lines as an mmCIF of nothing but atoms, as Biopython writes it."""
    columns = (
        *(
            "group_PDB",
            "id",
            "type_symbol",
            "label_atom_id",
            "label_alt_id",
            "label_comp_id",
            "label_asym_id",
        ),
        *("label_seq_id", "Cartn_x", "Cartn_y", "Cartn_z", "occupancy", "B_iso_or_equiv"),
        *("auth_seq_id", "auth_asym_id", "pdbx_PDB_model_num"),
    )
    rows, model = list[str](), 1
    for line in pdb.splitlines():
        if line.startswith("MODEL"):
            model = int(line.split()[1])
        if line.startswith(("ATOM", "HETATM")):
            name, number, place = line[21], line[22:26], f"{line[30:38]} {line[38:46]} {line[46:54]}"
            atom = f"{line[:6]} {len(rows) + 1} {line[-1]} {line[12:16]} . {line[17:20]}"
            rows.append(f"{atom} {name} {number} {place} 1.0 50.0 {number} {name} {model}")
    return "\n".join(["data_x", "loop_", *(f"_atom_site.{each}" for each in columns), *rows, "#", ""])
