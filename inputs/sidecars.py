"""The files that an input refers to: their names in the bucket, and how large they may be."""

from collections.abc import Iterable
from itertools import pairwise

from inputs import msa, template
from inputs.formats import alignment_format, packed_by
from inputs.grammar import BoltzInput
from inputs.suffixes import kind
from inputs.tree import shorten
from schemas.failure import Code, Failure
from schemas.job import MAX_NAME_BYTES

MAX_FILES = 100
"""Most files of one input: intake looks at each. No device has room for more different chains."""

MAX_TOGETHER_BYTES = 512 * 1024 * 1024
"""Most bytes of all files of one input: where the worker runs, they lie in memory."""


def beside(input_name: str, reference: str) -> str:
    """Return the name of the object that an input refers to: in its folder, whatever slashes that has."""
    folder, slash, _ = input_name.rpartition("/")
    return f"{folder}{slash}{reference}"


def too_large(name: str, size: int) -> Failure | None:
    """Return the failure of a file that is too large for its kind, or None."""
    sort = kind(name)
    if size <= sort.most_bytes:
        return None
    what = "An MSA" if sort.msa else "A template"
    return Failure(
        code=Code.TOO_LARGE,
        message=f"{shorten(name, 300)} has {size:,} bytes. {what} may have {sort.most_bytes:,}.",
        value=name,
        remedy=(
            "Keep the MSA's first rows: Boltz-2 reads 8,192 that differ."
            if sort.msa
            else "Keep the chains of the template that you need."
        ),
    )


def check_file(name: str, lines: Iterable[str], document: BoltzInput) -> Failure | None:
    """Check a file's content for what Boltz would refuse late or not at all."""
    if kind(name).msa:
        return msa.check_file(name, lines, document)
    return template.check_file(name, lines, document)


def check_beginning(name: str, content: bytes, document: BoltzInput, *, whole: bool) -> Failure | None:
    """Check a file by its first bytes; its content where these are the ``whole`` file."""
    if other := _other_format(name, content):
        return other
    check = msa.check_beginning if kind(name).msa else template.check_beginning
    return check(name, content, document, whole=whole)


def _other_format(name: str, content: bytes) -> Failure | None:
    """Return the failure of a file that was renamed where it has to be unpacked or converted, or None."""
    remedy = "Unpack it, and upload it again under this name."
    if what := packed_by(content):
        return _refused(name, f"is packed by {what}", name, remedy)
    if kind(name).msa and (what := alignment_format(content)):
        remedy = "Convert it to A3M, as reformat.pl of HH-suite does, and upload it again under this name."
        return _refused(name, f"is an alignment in {what} format", name, remedy)
    return None


def unreachable(input_name: str, references: Iterable[str]) -> Failure | None:
    """Return the failure of too many files, impossible object names, or a file that is also a folder."""
    names = sorted(references)
    if len(names) > MAX_FILES:
        what = f"refers to {len(names)} files; at most {MAX_FILES} are fetched"
        return _refused(input_name, what, None, "Predict fewer different chains in one input.")
    for name in names:
        size = len(beside(input_name, name).encode())
        if size > MAX_NAME_BYTES:
            what = f"names {shorten(name)}, which makes an object name of {size} bytes in its folder"
            return _refused(
                input_name, what, name, f"Cloud Storage has room for {MAX_NAME_BYTES}: shorten it."
            )
    for folder, name in pairwise(sorted(names, key=lambda name: name.split("/"))):
        if name.startswith(f"{folder}/"):
            what = f"refers to {shorten(folder)} as a file and as the folder of {shorten(name)}"
            return _refused(input_name, what, folder, "Rename one of the two.")
    return None


def _refused(input_name: str, what: str, value: str | None, remedy: str) -> Failure:
    message = f"{shorten(input_name, 300)} {what}."
    return Failure(code=Code.INVALID_INPUT, message=message, value=value, remedy=remedy)
