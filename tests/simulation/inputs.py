"""What people upload: a few files, each of which has one right end."""

from collections.abc import Mapping
from dataclasses import dataclass

from support.inputs import one_protein

QUERY, UNALIGNED = "NLYIQ", "MKTAY"


@dataclass(frozen=True)
class Content:
    """An object's content. ``needs`` is what an input refers to; a ``wrong`` one is refused as it is.

    A prediction takes so many ``turns`` of the device; a ``heavy`` one brings down the process that reads it.
    """

    body: bytes
    needs: str | None = None
    wrong: bool = False
    turns: int = 1
    heavy: bool = False


def _protein(sequence: str, msa: str = "empty") -> bytes:
    return one_protein(sequence, msa).encode()


CONTENTS: Mapping[str, Content] = {
    "good": Content(_protein(QUERY)),
    "good too": Content(_protein("GGGGG")),
    "long": Content(_protein("AAAAA"), turns=2),
    "unaligned": Content(f"sequences:\n- protein: {{id: A, sequence: {UNALIGNED}}}\n".encode()),
    "with an alignment": Content(_protein(QUERY, "x.a3m"), needs="x.a3m"),
    "wrong": Content(b"sequences: []\n", wrong=True),
    "heavy": Content(_protein("WWWWW"), heavy=True),
    "alignment": Content(f">q\n{QUERY}\n".encode()),
    "wrong alignment": Content(b">q\nWWWWW\n", wrong=True),
}
_BY_BODY = {content.body: content for content in CONTENTS.values()}


def content_of(body: bytes) -> Content:
    """Return the content that a worker predicts: where it lacked an alignment, its file was written anew."""
    return CONTENTS["unaligned"] if b"dropfold-0.csv" in body else _BY_BODY[body]
