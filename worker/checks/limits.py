"""What counts as wrong in a structure, and who says so. docs/checks.md has the same table.

"Share" is how far a distance is outside of what RDKit's bounds allow, relative to the bound.
"""

from typing import NamedTuple

HAND = 0.25
"""Least triple product of unit vectors at a stereocentre: 0.77 in a tetrahedron, 0.25 at 10 degrees."""

LENGTH, LENGTH_WARNING = 0.25, 0.125
"""Largest share of a bond."""

ANGLE = 0.25
"""Largest share of the distance between two atoms that share a neighbour."""

FLAT = 0.25
"""Angstrom from the plane."""

INNER = 0.70
"""Least part of the least distance that RDKit allows within a ligand."""

TWISTED = 30.0
"""Degrees from planar."""

MAX_TWISTED, MIN_TWISTED = 0.05, 5
"""Part of a structure's peptide bonds, and their number, past which twisted ones fail it."""

CLASH, CLASH_POLAR, CLASH_SEVERE = 0.75, 0.65, 0.55
"""Least part of the sum of two radii; of N, O, F and S, which may share a hydrogen; past it, severe."""

CLASHES, CLASHES_WARNING = 10.0, 2.0
"""Overlaps per 1,000 atoms of polymers."""

APART = 3
"""Bonds between two atoms up to which they do not clash."""

DISULFIDE = 2.4
"""Angstrom between the sulfurs of two cysteines up to which they are bound."""

CROWDED = 300.0
"""Mean number of atoms within 5 angstrom of one past which pairs are not looked at: 27 is usual."""

ALONE = 5.0
"""Angstrom to the nearest atom of another chain."""

ASKED_BOND = 0.75, 1.25
"""Length of a bond that was asked for, in sums of covalent radii."""

PEPTIDE_BOND, PHOSPHODIESTER_BOND = 1.329, 1.607
"""Angstrom: Engh and Huber for C-N; Parkinson et al. (Acta Cryst. D52, 57) for O3'-P."""


class Limit(NamedTuple):
    """A row of the table: a check, what it looks at, what it calls failed or a warning, and the source.

    ``value`` is what an outlier's value is.
    """

    check: str
    looks_at: str
    failed: str
    warning: str
    value: str
    source: str


def _percent(share: float) -> str:
    return f"{100 * share:g} %"


_BONDED = "PoseBusters (Chem. Sci. 2024, 15, 3130); Boltz-1x's evaluation"
_POLAR = f"{CLASH_POLAR:g} for two of N, O, F and S"

LIMITS = (
    Limit(
        "stereocentre",
        "stereocentres of ligands and residues that SMILES or CCD give",
        f"triple product times its sign below {HAND:g}: below -{HAND:g} inverted, else flat",
        "",
        "triple product times its sign",
        "10 degrees: boltz-community's check",
    ),
    Limit(
        "double bond",
        "double bonds whose side the SMILES gives",
        "on the other side (90 degrees)",
        "",
        "dihedral, degrees",
        "Boltz-1x's evaluation",
    ),
    Limit(
        "open stereocentre",
        "stereocentres that the SMILES leaves open",
        "",
        "always",
        "triple product, positive for R; 0 where it has no name",
        "judgement: the model chose",
    ),
    Limit(
        "bond",
        "covalent bonds in residues and ligands, but for those of metals",
        f"share over {_percent(LENGTH)}",
        f"over {_percent(LENGTH_WARNING)}",
        "share",
        f"{_BONDED}; the warning is where Boltz-2's potential begins",
    ),
    Limit(
        "angle",
        "distances between atoms that share a neighbour",
        f"share over {_percent(ANGLE)}",
        "",
        "share",
        "PoseBusters",
    ),
    Limit(
        "ring",
        "aromatic rings of five and six atoms",
        f"an atom over {FLAT:g} Å off the plane",
        "",
        "Å",
        _BONDED,
    ),
    Limit(
        "double bond plane",
        "C=C with four neighbours",
        "",
        f"an atom over {FLAT:g} Å off the plane",
        "Å",
        "PoseBusters, which fails it: a good paclitaxel has 0.34 Å at its bridgehead",
    ),
    Limit(
        "inner clash",
        "pairs of a ligand's atoms more than two bonds apart",
        f"below {INNER:.2f} of RDKit's least distance",
        "",
        "Å",
        "PoseBusters",
    ),
    Limit(
        "backbone",
        f"C-N ({PEPTIDE_BOND:g} Å) and O3'-P ({PHOSPHODIESTER_BOND:g} Å) between neighbours, and "
        "last to first where cyclic",
        f"over {_percent(LENGTH)} off",
        f"over {_percent(LENGTH_WARNING)} off",
        "part of the length",
        "as bonds; Engh and Huber, Acta Cryst. A47, 392; Parkinson et al., Acta Cryst. D52, 57",
    ),
    Limit(
        "peptide twisted",
        "peptide bonds",
        f"more than {_percent(MAX_TWISTED)} of them, and {MIN_TWISTED} or more",
        f"over {TWISTED:g} degrees from planar",
        "omega, degrees",
        "MolProbity; EMDataResource 2019 (Nat. Methods 18, 156): almost never genuine; share: judgement",
    ),
    Limit(
        "peptide cis",
        "peptide bonds, but for those of proline and other residues without NH",
        "",
        f"within {TWISTED:g} degrees of cis",
        "omega, degrees",
        "the same: 1 in 3,000 is genuine",
    ),
    Limit(
        "clash",
        f"pairs of residues' atoms more than {APART} bonds apart, closer than {CLASH:g} of the sum of "
        f"their radii (van der Waals; {_POLAR}; covalent radii with a metal)",
        f"one with a ligand; one below {CLASH_SEVERE:g} between chains; "
        f"over {CLASHES:g} per 1,000 atoms of polymers",
        f"one below {CLASH_SEVERE:g} in a chain; over {CLASHES_WARNING:g} per 1,000 atoms",
        "part of the radii's sum",
        f"{CLASH:g}: {_BONDED}; the rates are judgement, calibrated on 22 official predictions",
    ),
    Limit(
        "alone",
        "chains, where there are several",
        f"a ligand or ion over {ALONE:g} Å from the nearest atom of another chain",
        "a polymer that far away",
        "Å",
        "PoseBusters",
    ),
    Limit(
        "bond asked",
        "`bond` constraints",
        f"length outside {ASKED_BOND[0]:g} to {ASKED_BOND[1]:g} times the sum of covalent radii",
        "",
        "Å",
        "judgement",
    ),
    Limit(
        "contact",
        "`contact` constraints: the nearest atoms of both sides",
        "over `max_distance`, with `force: true`",
        "without `force`",
        "Å",
        "as Boltz-2's potential takes it",
    ),
    Limit(
        "pocket",
        "each of a `pocket`'s contacts: its nearest atom to the binder",
        "over `max_distance`, with `force: true`",
        "without `force`",
        "Å",
        "as Boltz-2's potential takes it",
    ),
)
