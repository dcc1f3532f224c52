"""Coverage-guided fuzzing of all that reads what others wrote: ``python -m tests.fuzz.fuzz_input``.

Options are libFuzzer's: ``-max_total_time=60`` ends after a minute; a file's name runs that file again, such
as one that a failure left in ``.local/fuzz/``.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests"))  # as pytest has it

with atheris.instrument_imports(include=["inputs", "schemas", "yaml"], enable_loader_override=False):
    from pydantic_core import from_json
    from support.invariants import (
        alignment_or_failure,
        input_or_failures,
        message_or_undecodable,
        request_or_failures,
        template_or_failure,
        trace_kept_or_made,
        upload_or_undecodable,
    )
    from support.patience import HANG

    from schemas.messages import PredictionCompleted

FOUND = ROOT / ".local" / "fuzz"
DEFAULTS = ("-max_len=4096", f"-timeout={HANG:.0f}", "-rss_limit_mb=2048", f"-artifact_prefix={FOUND}/")


def _event(data: bytes) -> None:
    try:
        event = from_json(data)
    except ValueError:
        return
    upload_or_undecodable(event)


def _metadata(data: bytes) -> None:
    words = data.decode(errors="replace").split("\n")
    request_or_failures(
        {f"dropfold-{key}": value for key, value in zip(words[::2], words[1::2], strict=False)}
    )


def _completion(data: bytes) -> None:
    head, _, body = data.partition(b"\n\n")
    lines = [line.partition(": ") for line in head.decode(errors="replace").split("\n")]
    message_or_undecodable(PredictionCompleted, body, {key: value for key, _, value in lines})


TARGETS: dict[str, Callable[[bytes], None]] = {
    "Y": lambda data: input_or_failures("x.yaml", data),
    "F": lambda data: input_or_failures("x.fasta", data),
    "A": lambda data: alignment_or_failure("x.a3m", data),
    "C": lambda data: alignment_or_failure("x.csv", data),
    "S": lambda data: template_or_failure("t.cif", data),
    "B": lambda data: template_or_failure("u.pdb", data),
    "E": _event,
    "M": _metadata,
    "P": _completion,
    "T": lambda data: trace_kept_or_made("0123456789abcdef", data.decode(errors="replace")),
}
"""By the first character of the fuzzer's data; the rest is read."""


def one_input(data: bytes) -> None:
    """Read one input; whatever it raises is a finding."""
    if target := TARGETS.get(data[:1].decode(errors="replace")):
        target(data[1:])


def write_seeds(folder: Path) -> None:
    """Write the examples of the input's schema as a first corpus, and one case for each other target."""
    folder.mkdir(parents=True, exist_ok=True)
    examples = ROOT / "schemas" / "examples" / "boltz-input"
    for path in sorted(path for path in examples.rglob("*") if path.is_file()):
        kind = b"F" if path.suffix in {".fasta", ".fa"} else b"Y"
        (folder / f"{path.parent.name}-{path.name}").write_bytes(kind + path.read_bytes())
    others = {
        "a3m": "A#x\n>q\nMKTAYIAKQR\n>1\nMK-aaAYIAKQR\n",
        "csv": 'Ckey,sequence\n-1,MKTAYIAKQR\n7,"MKTAYIAKQ-"\n',
        "event": 'E{"bucket":"b","name":"a.yaml","generation":"7","timeCreated":"2026-01-02T03:04:05Z",'
        '"metadata":{"dropfold-seed":"7"}}',
        "metadata": "Mseed\n7\nsamples\n5\nbatch\nx\npotentials\ntrue\noutput-format\npdb",
        "completion": "Pce-id: 1\nce-type: dev.dropfold.prediction.failed.v1\n"
        "ce-time: 2026-01-02T03:04:05Z\nstate: FAILED\nbatch: x\n\n{}",
        "trace": "T00-4bf92f3577b34da6a3ce929d0e0e4736-0123456789abcdef-01",
    }
    for name, text in others.items():
        (folder / name).write_text(text)


def main() -> None:
    """Fuzz until told to stop, or until something is found."""
    FOUND.mkdir(parents=True, exist_ok=True)
    corpus = FOUND / "corpus"
    write_seeds(corpus)
    given = sys.argv[1:]
    again = [argument for argument in given if not argument.startswith("-")]
    atheris.Setup([sys.argv[0], *DEFAULTS, *given, *([] if again else [str(corpus)])], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
