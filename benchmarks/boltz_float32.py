"""The command ``boltz``, in float32: ``python -m benchmarks.boltz_float32 predict FILE ...``.

It is what dropfold's results on a CPU are compared with. ``boltz`` 2.2.1 passes "bf16-mixed" to Lightning's
Trainer on every device (boltz/main.py, l. 1262); that word is all that is replaced here.
"""

import sys

import boltz.main
from pytorch_lightning import Trainer


def in_float32(**arguments: object) -> Trainer:
    """Return Lightning's Trainer with these arguments, but in float32."""
    return Trainer(**arguments | {"precision": "32-true"})  # type: ignore[arg-type]  # any argument of its own


if __name__ == "__main__":
    boltz.main.Trainer = in_float32
    sys.exit(boltz.main.cli())
