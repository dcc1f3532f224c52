"""What components may do with buckets and topics, by the names under which the plan grants it."""

from enum import StrEnum


class Right(StrEnum):
    """A right; its value is the key of ``local.rights`` in the plan."""

    READ_INPUTS = "read_inputs"
    READ_RESULTS = "read_results"
    WRITE_RECEIPTS = "write_receipts"
    WRITE_RESULTS = "write_results"
    PUBLISH = "publish"
    TELL_OF_FILES = "tell_of_files"
    READ_ALIGNMENTS = "read_alignments"
    WRITE_ALIGNMENTS = "write_alignments"
    ASK_FOR_ALIGNMENTS = "ask_for_alignments"


OF_ALIGNMENTS = frozenset({Right.READ_ALIGNMENTS, Right.WRITE_ALIGNMENTS, Right.ASK_FOR_ALIGNMENTS})
"""The rights that are granted, and needed, only where there is an MSA server."""
