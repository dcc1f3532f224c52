"""Elements by their atomic number, and their radii."""

import numpy as np
from rdkit import Chem

from worker.checks.found import Floats

HYDROGEN, CARBON, NITROGEN, OXYGEN, FLUORINE = 1, 6, 7, 8, 9
PHOSPHORUS, SULFUR, ARSENIC, SELENIUM = 15, 16, 33, 34
LAST = 118

METALS = frozenset(
    {3, 4, 11, 12, 13, 19, 20, *range(21, 32), *range(37, 51), *range(55, 85), *range(87, 119)}
)
IS_METAL = np.isin(np.arange(LAST + 1), list(METALS))
POLAR = np.isin(np.arange(LAST + 1), [NITROGEN, OXYGEN, FLUORINE, SULFUR])
"""Whether an element may share a hydrogen, by atomic number."""

_TABLE = Chem.GetPeriodicTable()
VAN_DER_WAALS: Floats = np.array([_TABLE.GetRvdw(number) for number in range(LAST + 1)])
"""Angstrom, by atomic number; RDKit's table."""

COVALENT: Floats = np.array([_TABLE.GetRcovalent(number) for number in range(LAST + 1)])
"""Angstrom, by atomic number; RDKit's table."""
