"""Predict one small input in the image, with nothing but the image; print what was found out as JSON."""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from schemas.options import Options
from worker.boltz2.predictor import Boltz2Predictor
from worker.child_pool import PRELOAD, ChildPool
from worker.device import Device

INPUT = "sequences:\n- protein: {id: A, sequence: GYDPETGTWG, msa: empty}\n"


def main() -> None:
    """Predict."""
    children = ChildPool(120, *PRELOAD)
    folder = Path(tempfile.mkdtemp())
    (folder / "chignolin.yaml").write_text(INPUT)
    predictor = Boltz2Predictor(Path(os.environ["BOLTZ_CACHE"]), children, Device(600))
    ready_at, cpu_seconds = predictor.ready_at, time.process_time()
    options = Options(seed=1, recycling_steps=0, sampling_steps=5)
    timings = predictor.predict(folder / "chignolin.yaml", options, 1, folder / "out", lambda: None)
    children.stop()
    found = {
        "ready_at": ready_at.timestamp(),
        "cpu_seconds": cpu_seconds,
        "timings": timings,
        "files": sorted(path.name for path in folder.glob("out/predictions/chignolin/*")),
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
