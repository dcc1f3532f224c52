"""The stages of an attempt, by which a receipt lists seconds."""

from enum import StrEnum


class Stage(StrEnum):
    """A part of an attempt. The first two are the wait before it."""

    QUEUED = "queued"  # until its claim
    START_UP = "start_up"  # of that, while its worker was starting
    DOWNLOAD = "download"  # of the input and what it names, with all checks
    COPY = "copy"  # of an equal job's outputs
    PARSE = "parse"
    FEATURISE = "featurise"
    PREDICT = "predict"  # on the device
    WRITE = "write"
    CHECK = "check"  # of the structures, beside the device
    AFFINITY_FEATURISE = "affinity_featurise"
    AFFINITY_PREDICT = "affinity_predict"  # on the device
    AFFINITY_WRITE = "affinity_write"
    REPORT = "report"  # page and picture
    UPLOAD = "upload"


ON_DEVICE = (Stage.PREDICT, Stage.AFFINITY_PREDICT)
"""Stages in which the device computes."""
