"""Rights that each function needs on buckets and topics. Those that are not here need no right."""

from collections.abc import Mapping

from schemas.rights import Right

SETTLES = frozenset({Right.WRITE_RECEIPTS, Right.PUBLISH, Right.ASK_FOR_ALIGNMENTS})
READS_INPUTS = SETTLES | {Right.READ_INPUTS}
TAKES_IN = READS_INPUTS | {Right.TELL_OF_FILES, Right.READ_ALIGNMENTS}
ALIGNS = READS_INPUTS | {Right.READ_ALIGNMENTS, Right.WRITE_ALIGNMENTS}

RIGHTS: Mapping[str, frozenset[Right]] = {
    "on_upload": TAKES_IN,
    "on_delete": READS_INPUTS,
    "on_wake": TAKES_IN,
    "on_dead": TAKES_IN,
    "on_compare": TAKES_IN,
    "on_align": ALIGNS,
    "on_sweep": SETTLES | {Right.READ_RESULTS},
}
