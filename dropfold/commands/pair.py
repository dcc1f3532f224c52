"""Pair the alignments of a complex by organism: ``dropfold pair``."""

from collections.abc import Sequence
from pathlib import Path

import click

from dropfold.terminal import OUT, clean, tell
from inputs.pairing import Paired, paired

EPILOG = """\b
Examples:
  dropfold pair alpha.a3m beta.a3m                  writes alpha.csv and beta.csv beside them
  dropfold pair alpha.a3m beta.a3m --out paired/

\b
Boltz-2 never pairs the rows of .a3m files. Of each organism that several files have, the first row of each
gets one key; organisms are told by TaxID= or OX= in the headers, or by UniProt's entry names. Name the .csv
files in the input (`msa: alpha.csv`), one for each sequence.
Exit status: 0 rows are paired, 1 nothing pairs (the files are written all the same), 2 wrong usage.
"""


@click.command("pair", epilog=EPILOG)
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE.a3m FILE.a3m...",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder to write to.")
@click.option("--overwrite", is_flag=True, help="Replace CSV files that are there.")
def command(files: tuple[Path, ...], *, out: Path | None, overwrite: bool) -> None:
    """Make paired CSV files of the alignments of a complex."""
    targets = [(out or file.parent) / f"{file.stem}.csv" for file in files]
    _check(files, targets, overwrite=overwrite)
    made = _paired(files)
    if out:
        out.mkdir(parents=True, exist_ok=True)
    for target, each in zip(targets, made, strict=True):
        target.write_text(each.csv, encoding="utf-8")
        OUT.print(f"{clean(target)}: {each.rows:,} rows, {each.paired - 1:,} of them paired beside the query")
    if all(each.paired == 1 for each in made):
        tell("No two files have a row of the same organism: do the headers name any (TaxID=, OX=)?", "yellow")
        raise SystemExit(1)


def _check(files: Sequence[Path], targets: Sequence[Path], *, overwrite: bool) -> None:
    """Raise click.UsageError for files that cannot be paired, or written over."""
    if len(files) == 1:
        raise click.UsageError("One alignment has no partner: name those of all chains that differ.")
    for file in files:
        if file.suffix.lower() != ".a3m":
            raise click.UsageError(f"{file} is no .a3m file.")
    if len(set(targets)) < len(targets):
        raise click.UsageError("Two files would be written under one name: rename one of them.")
    there = [target for target in targets if target.exists()]
    if there and not overwrite:
        raise click.UsageError(f"{there[0]} is there already: --overwrite replaces it.")


def _paired(files: Sequence[Path]) -> list[Paired]:
    try:
        return paired([file.read_text(encoding="utf-8").splitlines() for file in files])
    except UnicodeDecodeError as error:
        raise click.ClickException("One of the files is not UTF-8 text.") from error
    except ValueError as error:
        raise click.ClickException(f"{files[int(str(error)) - 1]} has no row.") from error
