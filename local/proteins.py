"""A small database of real proteins for the local MSA server: proteins.fasta.xz with the species of each.

MMseqs2 pairs by taxon, so each species (the second half of a UniProt entry name) gets a number of its own in
a taxonomy that knows nothing but a root.
"""

import lzma
import shutil
import tempfile
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from local import mmseqs

PROTEINS = Path(__file__).with_name("proteins.fasta.xz")
FIRST_TAXON = 10_000


def database(cache: Path) -> mmseqs.Database:
    """Return the database, made once in a folder. Raises emulators.MissingError, mmseqs.SearchError."""
    program = mmseqs.find()
    digest = sha256(PROTEINS.read_bytes() + str(program.stat().st_size).encode()).hexdigest()[:16]
    folder = cache / digest
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(dir=cache, prefix=".new-"))
        _make(program, new)
        try:
            new.rename(folder)
        except OSError:  # another stack was faster
            shutil.rmtree(new)
    return mmseqs.Database(program, folder / "proteins")


def _make(program: Path, folder: Path) -> None:
    fasta = lzma.decompress(PROTEINS.read_bytes()).decode()
    names = [line[1:].strip() for line in fasta.splitlines() if line.startswith(">")]
    taxa = {each: FIRST_TAXON + at for at, each in enumerate(sorted({_species(name) for name in names}))}
    (folder / "proteins.fasta").write_text(fasta)
    (folder / "taxa.tsv").write_text("".join(f"{name}\t{taxa[_species(name)]}\n" for name in names))
    _write_taxonomy(folder, taxa)
    made = folder / "proteins"
    mmseqs.run(program, "createdb", folder / "proteins.fasta", made, "--dbtype", "1")
    mapping = ("--ncbi-tax-dump", folder, "--tax-mapping-file", folder / "taxa.tsv")
    mmseqs.run(program, "createtaxdb", made, folder / "scratch", *mapping)


def _species(name: str) -> str:
    return name.rpartition("_")[2]


def _write_taxonomy(folder: Path, taxa: dict[str, int]) -> None:
    """Write the four files of NCBI's dump that MMseqs2 reads."""
    ranks = [(1, 1, "no rank", "", 0), *((taxon, 1, "species", "", 0) for taxon in taxa.values())]
    named = [(1, "root"), *((taxon, species) for species, taxon in taxa.items())]
    (folder / "nodes.dmp").write_text(_dump(ranks))
    (folder / "names.dmp").write_text(_dump([(*each, "", "scientific name") for each in named]))
    for empty in ("merged.dmp", "delnodes.dmp"):
        (folder / empty).touch()


def _dump(rows: Iterable[tuple[object, ...]]) -> str:
    return "".join("\t|\t".join(map(str, row)) + "\t|\n" for row in rows)
