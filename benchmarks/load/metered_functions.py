"""The functions as they are, in processes that count what they do: a source for functions-framework."""

import os

from benchmarks.load import meter

meter.install(os.environ["FUNCTION_TARGET"])

from functions.main import (  # noqa: E402
    on_align,
    on_compare,
    on_dead,
    on_delete,
    on_request,
    on_sweep,
    on_upload,
    on_wake,
)

__all__ = ["on_align", "on_compare", "on_dead", "on_delete", "on_request", "on_sweep", "on_upload", "on_wake"]
