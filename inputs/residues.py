"""The standard residues: their letters, and their codes in the Chemical Component Dictionary."""

_CODES = "ALA ARG ASN ASP CYS GLN GLU GLY HIS ILE LEU LYS MET PHE PRO SER THR TRP TYR VAL"
AMINO_ACIDS = dict(zip("ARNDCQEGHILKMFPSTWYV", _CODES.split(), strict=True))
UNKNOWN_AMINO_ACID = "UNK"
NUCLEOTIDES = ("A", "G", "C", "U", "N", "DA", "DG", "DC", "DT", "DN")

STANDARD = frozenset({*AMINO_ACIDS.values(), UNKNOWN_AMINO_ACID, *NUCLEOTIDES})
"""Residues that a letter of a sequence can stand for."""
