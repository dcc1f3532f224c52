"""Check inputs on this machine, as the intake will: ``dropfold validate``."""

from pathlib import Path

import click

from dropfold.files import Checked, check, found, to_align
from dropfold.metadata import flags, metadata
from dropfold.terminal import OUT, clean, complain, tell
from inputs.alignments import MsaServer
from inputs.examine import Rules
from inputs.size import MAX_TOKENS, USUAL_TOKENS

EPILOG = """\b
Examples:
  dropfold validate foo.yaml
  dropfold validate screen/ --output-format pdb      all inputs of a folder, with an option

\b
Nothing is sent, nobody is asked. Reasons go to standard error, a line for each good file to standard output.
Exit status: 0 all can be predicted, 1 some cannot, 2 wrong usage.
"""


@click.command("validate", epilog=EPILOG)
@click.argument(
    "paths", nargs=-1, required=True, metavar="FILE|DIR...", type=click.Path(exists=True, path_type=Path)
)
@click.option(
    "--msa-server",
    envvar="MSA_SERVER_URL",
    metavar="URL",
    callback=lambda _context, _parameter, url: _server(url),
    help="MSA server of the deployment: with one, proteins need not name an MSA.",
)
@click.option(
    "--max-tokens",
    envvar="MAX_TOKENS",
    type=click.IntRange(1, MAX_TOKENS),
    default=USUAL_TOKENS,
    show_default=True,
    help="Most tokens (residues, and atoms of ligands) that the deployment takes.",
)
@flags
def command(
    paths: tuple[Path, ...], *, msa_server: MsaServer | None, max_tokens: int, **options: object
) -> None:
    """Check inputs without sending them.

    As the intake does, in the same words. Says which sequences would go to an MSA server, and sends none.
    """
    wrong, good = 0, list[Checked]()
    rules = Rules(msa_service=msa_server is not None, max_tokens=max_tokens)
    for file in found(paths, None):
        if file.is_reference and file.named:
            tell(f"{file.path} is checked with an input that names it: name that.", "yellow")
        if not (file.is_input or (file.named and not file.is_reference)):
            continue
        checked = check(file, metadata(options), rules)
        if checked.failures:
            wrong += 1
            complain(checked.failures)
        else:
            good.append(checked)
            OUT.print(f"ok  {clean(file.path)}")
        for caveat in checked.caveats:
            tell(f"{file.path}: {caveat}", "yellow")
        if checked.missing:
            tell(f"{file.path}: would wait for {', '.join(checked.missing)}, not here", "yellow")
    if msa_server and (told := to_align(good, msa_server.host)):
        tell(f"Once dropped: {told}", "yellow")
    raise SystemExit(1 if wrong else 0)


def _server(url: str | None) -> MsaServer | None:
    """Return the server of an address. Raises click.BadParameter."""
    if not url:
        return None
    server = MsaServer(url)
    if not server.host:
        raise click.BadParameter(f"{url} names no host: give it as https://HOST.")
    return server
