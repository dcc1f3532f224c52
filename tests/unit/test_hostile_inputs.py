"""Uploads that mean harm or know no better: each gets one receipt, in little memory and processor time."""

import gzip
import resource
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import pytest
from support import plan
from support.inbox import Inbox
from support.inputs import MSA, TRP_CAGE, one_protein

from inputs.examine import is_input
from inputs.read import MAX_INPUT_BYTES
from schemas.failure import Code
from schemas.job import Job, State

VALID = one_protein()
PROTEIN = VALID.removeprefix("sequences:\n")
MIB = 1024 * 1024
MEMORY = 384 * MIB
"""Most that one upload may add; a function has 512 MiB."""

CPU_SECONDS = 30
"""Nothing here comes near: the worst takes about 3."""


@contextmanager
def bounded() -> Iterator[None]:
    """Hold a block to memory and processor time, of this process beyond what it has."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, before[1]))
    start = time.process_time()
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    assert time.process_time() - start < CPU_SECONDS


def taken_in(name: str, content: bytes, **event: object) -> tuple[Inbox, Job]:
    """Upload a file; return the job that came of it, which is the only one."""
    inbox = Inbox()
    event = {**inbox.put(name, content), **event}
    inbox.announce(event)
    return inbox, inbox.ledger.only()


def rejected(name: str, content: bytes, **event: object) -> Job:
    """Require one receipt, which says what to do, and no request for a prediction."""
    inbox, job = taken_in(name, content, **event)
    assert job.state is State.REJECTED
    receipt = inbox.receipt(job)
    assert receipt["state"] == "REJECTED"
    assert all(error.message and error.remedy for error in job.errors)
    assert len(inbox.results.objects) == len(inbox.completions.messages) == 1
    assert not inbox.requests.messages
    assert len(job.model_dump_json()) < MIB, "more than a document of the ledger holds"
    return job


def queued(name: str, content: bytes, **event: object) -> Job:
    inbox, job = taken_in(name, content, **event)
    assert job.state is State.QUEUED
    assert inbox.asked_for(job) == 1
    assert not inbox.results.objects
    return job


def full(unit: str, size: int = MAX_INPUT_BYTES) -> str:
    """Repeat a text up to the limit of an input."""
    return unit * (size // len(unit.encode()))


REFUSED = {
    "nothing": "",
    "blanks": " \n\t\n",
    "only a comment": "# sequences:\n",
    "a thousand documents": "---\n" * 1000 + VALID,
    "laughing lists": "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nsequences: *c\n",
    "an anchor of nothing": VALID.replace("empty", "&m"),
    "an alias of itself": "sequences: &s [*s]\n",
    "a merge": "base: &b {id: A}\nsequences: [{protein: {<<: *b}}]\n",
    "a tag that runs code": "sequences: !!python/object/apply:os.system [id]\n",
    "a tag of one's own": "sequences: !env SECRET\n",
    "an explicit text": VALID.replace("empty", "!!str empty"),
    "a set": "sequences: !!set {a, b}\n",
    "binary": "sequences: !!binary aGVsbG8=\n",
    "a key twice": VALID + "sequences: []\n",
    "a key twice inside": VALID.replace("msa: empty", "msa: empty, msa: empty"),
    "a key that is a list": VALID + "[a]: 1\n",
    "a key that is a number": VALID + "1: 1\n",
    "null sequences": "sequences: null\n",
    "a chain of a number": VALID.replace("id: A", "id: 1"),
    "a chain of a truth": VALID.replace("id: A", "id: yes"),
    "a version of ten to 400": "version: 1" + "0" * 400 + "\n" + VALID,
    "a million digits": "version: 1" + "0" * 1_000_000 + "\n" + VALID,
    "an infinite threshold": VALID + "templates: [{cif: t.cif, force: true, threshold: 1.0e+999}]\n",
    "a threshold of .inf": VALID + "templates: [{cif: t.cif, force: true, threshold: .inf}]\n",
    "a threshold of .nan": VALID + "templates: [{cif: t.cif, force: true, threshold: .nan}]\n",
    "a position in octal": VALID.replace("msa", "modifications: [{position: 010, ccd: SEP}], msa"),
    "a position in hexadecimal": VALID.replace("msa", "modifications: [{position: 0x1, ccd: SEP}], msa"),
    "a hexadecimal number of nothing": VALID.replace(
        "msa", "modifications: [{position: 0x_, ccd: SEP}], msa"
    ),
    "a sexagesimal position": VALID.replace("msa", "modifications: [{position: 1:30, ccd: SEP}], msa"),
    "a position of a truth": VALID.replace("msa", "modifications: [{position: true, ccd: SEP}], msa"),
    "a negative position": VALID.replace("msa", "modifications: [{position: -1, ccd: SEP}], msa"),
    "a huge position": VALID.replace("msa", f"modifications: [{{position: {10**17}, ccd: SEP}}], msa"),
    "a date": VALID.replace(TRP_CAGE, "2001-01-01"),
    "a NUL": VALID.replace("empty", "em\0pty"),
    "an escaped NUL": VALID.replace("empty", '"em\\0pty"'),
    "a bell": VALID + "# \a\n",
    "half a character": VALID.replace("empty", '"\\ud800.a3m"'),
    "a character beyond Unicode": VALID.replace("empty", '"\\UFFFFFFFF.a3m"'),
    "a tab for blanks": VALID.replace("- protein", "\t- protein"),
    "deep lists": "sequences: " + "[" * 10_000,
    "deep mappings": "sequences: " + "{a: " * 10_000,
    "deep blocks": "- " * 10_000,
    "deep questions": "? " * 10_000,
    "a small letter": VALID.replace("NLY", "nly"),
    "a letter of another script": VALID.replace("NLY", "NL\u0423"),
    "a CCD code that leads out": VALID + "- ligand: {id: B, ccd: ../../../../etc/passwd}\n",
    "two chains of one id": VALID + PROTEIN,
    "JSON of something else": '{"apiVersion": "v1", "kind": "Pod"}',
    "HTML": "<html><body>403 Forbidden</body></html>",
    "a shell script": "#!/bin/sh\nrm -rf /\n",
    "a FASTA": ">A|protein|empty\nNLYIQWLKDGG\n",
}

VAST = {
    "a million chains": "sequences: [{protein: {id: [" + full("A,", 1_000_000),
    "many chains of one protein": f"sequences:\n- protein: {{sequence: {TRP_CAGE}, msa: empty, id: ["
    + ",".join(f"B{at:x}" for at in range(19_000))
    + ",A,A]}\n",
    "many proteins": "sequences:\n" + full(PROTEIN, MAX_INPUT_BYTES - 20),
    "many unknown keys": "sequences: []\n" + "".join(f"sequence{at}: x\n" for at in range(9_000)),
    "many constraints of unknown chains": VALID
    + "constraints:\n"
    + full("- contact: {token1: [Q, 1], token2: [Q, 2]}\n", 45 * 1900),
    "many anchors": full("- &a x\n"),
    "many documents": full("--- x\n"),
    "many directives": "".join(f"%TAG !{at}! x\n" for at in range(60_000)),
    "one text": f"sequences: {full('A')}"[:MAX_INPUT_BYTES],
    "one text in quotes": f"sequences: '{full('A ')}"[: MAX_INPUT_BYTES - 1] + "'",
    "one text of many lines": "sequences: |\n" + full(" A\n", MAX_INPUT_BYTES - 20),
    "one comment": "#" + full("x", MAX_INPUT_BYTES - 1),
    "one key": full("k", MAX_INPUT_BYTES - 2) + ": ",
    "brackets": full("["),
    "braces": full("{"),
    "questions": full("?\n"),
    "colons": full(":\n"),
    "dashes": full("-\n"),
    "bars": full("|\n"),
    "percents": full("%\n"),
    "quotes": full("'"),
    "escapes": '"' + full("\\x41", MAX_INPUT_BYTES - 4),
    "carriage returns": full("a\r"),
    "digits": f"version: {full('9', MAX_INPUT_BYTES - 9)}",
    "digits and colons": f"version: {full('9:', MAX_INPUT_BYTES - 9)}",
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_yaml_that_is_no_input_is_rejected_once(case: str) -> None:
    job = rejected("run/x.yaml", REFUSED[case].encode(errors="surrogatepass"))
    assert job.errors[0].message.startswith("run/x.yaml")


@pytest.mark.parametrize("case", VAST)
def test_a_yaml_of_a_mebibyte_takes_little_memory_and_time(case: str) -> None:
    content = VAST[case].encode()
    assert len(content) <= MAX_INPUT_BYTES
    with bounded():
        rejected("run/x.yaml", content)


RESIDUES = "M" * 1_400
MODIFIED = ",".join(f"{{position: {at % 1_400 + 1}, ccd: SEP}}" for at in range(3_900))
BONDS = "".join(f"- bond: {{atom1: [A, {at}, CA], atom2: [A, {at}, CB]}}\n" for at in range(1, 1_400))
LARGE_CHAIN = f"sequences:\n- protein: {{id: A, msa: empty, sequence: {RESIDUES}"
CODES, FEWER_CODES = (
    f"sequences:\n- ligand: {{id: L, ccd: [{'QZQZ9, ' * codes}]}}\n" for codes in (19_900, 1_400)
)
WORST = (
    CODES,
    f"{LARGE_CHAIN}, modifications: [{MODIFIED}]}}\n",
    f"{LARGE_CHAIN}}}\nconstraints:\n{BONDS}",
    f"{LARGE_CHAIN}}}\nconstraints:\n- pocket: {{binder: A, contacts: [{'[A, 1], ' * 6_000}]}}\n",
)
"""What takes most memory: each by itself more than any that follows."""

AT_ONCE = (
    *(*WORST, *[CODES] * 7, FEWER_CODES),
    *(VAST["many proteins"], VAST["many unknown keys"], VAST["escapes"], full(">A|protein|empty\nA\n")),
)
INSTANCE, CLIENTS = 512 * MIB, 220 * MIB
"""Memory of an instance (eventarc/functions.tf), and what Python, clients and the codes take of it."""


@pytest.mark.parametrize("texts", [WORST, pytest.param(AT_ONCE, marks=pytest.mark.extra)], ids=len)
def test_at_once_the_worst_take_their_part_of_an_instance_s_memory(texts: Sequence[str]) -> None:
    contents = [text.encode() for text in texts]
    part = len(texts) / plan.local_values()["functions"]["on_upload"]["concurrency"]
    with ProcessPoolExecutor(1, get_context("fork")) as alone:
        assert alone.submit(memory_of, contents).result() < part * (INSTANCE - CLIENTS)


def test_an_instance_takes_as_many_at_once_as_are_tried() -> None:
    assert len(AT_ONCE) == plan.local_values()["functions"]["on_upload"]["concurrency"]


def memory_of(contents: Sequence[bytes]) -> int:
    """Take all in at once; return the most memory that this took, besides what CLIENTS counts: the codes."""
    taken_in("run/x.yaml", FEWER_CODES.encode())
    Path("/proc/self/clear_refs").write_text("5")  # the peak is what there is now
    before = peak_of_process()
    with ThreadPoolExecutor(len(contents)) as pool:
        list(pool.map(lambda content: taken_in("run/x.yaml", content), contents))
    return peak_of_process() - before


def peak_of_process() -> int:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) * 1024


@pytest.mark.parametrize(
    "unit", [">", ">A|protein|empty\nA\n", ">A|protien\n", ">A|ligand|x|y\n", "A", "\n", "> "]
)
def test_a_fasta_of_a_mebibyte_takes_little_memory_and_time(unit: str) -> None:
    with bounded():
        rejected("run/x.fasta", full(unit).encode())


@pytest.mark.parametrize(
    "content",
    [
        VALID.encode("utf-16"),
        VALID.encode("utf-16-le"),
        VALID.encode("utf-32"),
        VALID.replace("empty", "é.a3m").encode("latin-1"),
        b"\xff" + VALID.encode(),
        VALID.encode() + b"\xc0\x80",
        b"\xed\xa0\x80",
        bytes(range(256)) * 100,
        gzip.compress(VALID.encode(), mtime=0),
        b"PK\x03\x04" + bytes(100),
        b"%PDF-1.7\n\xe2\xe3\xcf\xd3",
    ],
)
@pytest.mark.parametrize("name", ["x.yaml", "x.fasta"])
def test_bytes_that_are_no_text_are_rejected(name: str, content: bytes) -> None:
    rejected(name, content)


@pytest.mark.parametrize(
    "reference",
    [
        *(
            "/etc/passwd.a3m",
            "//x.a3m",
            "../x.a3m",
            "a/../../x.a3m",
            "..",
            "a/..",
            "a\\..\\x.a3m",
            "\\\\host\\x.a3m",
        ),
        *("gs://other/x.a3m", "file:///etc/x.a3m", "http://169.254.169.254/x.a3m", "C:x.a3m", "s3:x.a3m"),
        *("", ".", "/", "x", "x.a3m/", "x.a3m.", ".a3m", "x.A3M", "x.a3m.gz", "x.yaml", "trp.a3m\\0.a3m"),
        *(
            "a\\nb.a3m",
            "a\\rb.a3m",
            "a\\tb.a3m",
            "a\\u202eb.a3m",
            "a\\u200bb.a3m",
            "a\\u2028b.a3m",
            "a\\x85b.a3m",
        ),
        *("a\\u00a0b.a3m", "a\\ufeffb.a3m", "a\\ue000b.a3m", "a\\U000e0001b.a3m"),
        *("x" * 509 + ".a3m", "x" * 252 + ".a3m", "ü" * 126 + ".a3m", "/".join("x" * 255) + ".a3m"),
    ],
)
def test_a_reference_that_leads_elsewhere_is_rejected(reference: str) -> None:
    yaml = VALID.replace("empty", '"' + reference.replace("\\\\", "\\").replace("\\..", "\\\\..") + '"')
    rejected("run/x.yaml", yaml.encode())


@pytest.mark.parametrize(
    "reference",
    [
        "%2e%2e%2fx.a3m",
        "a b#c?.a3m",
        "...a3m",
        ".../x.a3m",
        "~x.a3m",
        "US$.a3m",
        "-rf.a3m",
        "\u2215x.a3m",
    ],
)
def test_a_reference_that_only_looks_so_is_waited_for_by_that_very_name(reference: str) -> None:
    inbox, job = taken_in("run/x.yaml", VALID.replace("empty", f'"{reference}"').encode())
    assert (job.state, job.waits_for) == (State.WAITING, (f"run/{reference}",))
    inbox.drop(f"run/{reference}", MSA)
    assert inbox.ledger.only().state is State.QUEUED


def test_names_that_only_look_alike_are_two() -> None:
    inbox, job = taken_in("run/x.yaml", VALID.replace("empty", '"\u00e9.a3m"').encode())
    inbox.drop("run/e\u0301.a3m", MSA)
    assert inbox.ledger.only().state is State.WAITING
    inbox.drop("run/\u00e9.a3m", MSA)
    assert inbox.ledger.only().state is State.QUEUED
    assert job.waits_for == ("run/\u00e9.a3m",)


def test_a_name_too_long_with_its_folder_is_rejected_and_not_waited_for() -> None:
    job = rejected("f" * 1000 + "/x.yaml", VALID.replace("empty", "x" * 20 + ".a3m").encode())
    assert "object name of 1025 bytes" in job.errors[0].message


def test_an_input_that_refers_to_very_many_files_is_rejected_without_a_look_at_them() -> None:
    entry = "- protein: {{id: {0}, sequence: {1}, msa: {0}.a3m}}\n"
    chains = "".join(entry.format(f"A{at}", "ACDEFGHIKL"[at % 10] * (at + 1)) for at in range(101))
    job = rejected("run/x.yaml", f"sequences:\n{chains}".encode())
    assert "refers to 101 files" in job.errors[0].message


NAMES = [
    *(
        "x" * 1019 + ".yaml",
        "ü" * 509 + ".yaml",
        "/".join("ab" * 255) + ".yaml",
        "a" * 800 + "/" + "b" * 200 + ".yaml",
    ),
    *(
        "a b/c d.yaml",
        "a#b?c&d=e+f.yaml",
        "100%/%2e%2e%2f.yaml",
        "x\ny.yaml",
        "x\r\ny.yaml",
        "x\ty.yaml",
        "x\0y.yaml",
    ),
    *("\u202efoo.yaml", "x\u200by.yaml", "e\u0301.yaml", "\u00e9.yaml", "\U0001f9ec.yaml", "\ufeffx.yaml"),
    *(
        "../x.yaml",
        "a/../../x.yaml",
        "/x.yaml",
        "//x.yaml",
        "a//x.yaml",
        "./x.yaml",
        "-rf.yaml",
        "~.yaml",
    ),
    *(
        "$(id).yaml",
        "`id`.yaml",
        "x;y.yaml",
        "x'y\"z.yaml",
        "<x>.yaml",
        "{x}.yaml",
        "x.yaml.yaml",
        "x.YAML",
        "con.yml",
    ),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_any_kind_is_taken_in_and_rejected_alike(name: str) -> None:
    job = queued(name, VALID.encode())
    assert len(f"{job.output_prefix}confidence_model_24.json".encode()) <= 1024
    refused = rejected(name, b"sequences: 1\n")
    assert refused.errors[0].message.isprintable()
    assert refused.job_id == job.job_id


@pytest.mark.parametrize(
    "name",
    [
        "x",
        "x.txt",
        "x.yaml.gz",
        "x." + "y" * 1000,
        "x.\u202elmay",
        "x.\n",
        "x.a3m\n",
        "x.yaml ",
        "\x1b[2J.txt",
    ],
)
def test_what_is_no_input_by_its_name_is_rejected_unread(name: str) -> None:
    assert is_input(name)
    job = rejected(name, bytes(10))
    assert job.errors[0].code is Code.UNSUPPORTED_FILE
    assert job.errors[0].message.isprintable()


@pytest.mark.parametrize("size", ["0", str(2**62), str(MAX_INPUT_BYTES + 1)])
def test_an_object_over_the_limit_is_rejected_whatever_size_its_event_tells(size: str) -> None:
    job = rejected("x.yaml", bytes(MAX_INPUT_BYTES + 1), size=size)
    assert job.errors[0].code is Code.TOO_LARGE


METADATA: list[object] = [
    *(
        None,
        [],
        "dropfold-seed",
        7,
        {"dropfold-seed": None},
        {"dropfold-seed": [1]},
        {"dropfold-seed": {"a": 1}},
    ),
    *(
        {"dropfold-seed": "9" * 8000},
        {"dropfold-seed": "1e3"},
        {"dropfold-seed": "0x10"},
        {"dropfold-seed": "NaN"},
    ),
    *(
        {"dropfold-seed": "-1"},
        {"dropfold-seed": ""},
        {"dropfold-samples": "1e999"},
        {"dropfold-samples": "\0"},
    ),
    *(
        {"dropfold-batch": "b" * 8000},
        {"dropfold-" + "k" * 8000: "v"},
        {"dropfold-\ud800": "\udfff"},
        {"dropfold-": ""},
    ),
    *({f"dropfold-{at}": "x" * 100 for at in range(10_000)}, {"dropfold-seed": "1", "DROPFOLD-SEED": "2"}),
    *({"dropfold-seed": "0" * 999 + "1" + "x" * 8000}, {"dropfold-seed": True}, {"dropfold-samples": 1.5}),
]


@pytest.mark.parametrize("metadata", METADATA)
def test_metadata_of_any_kind_costs_no_upload_its_receipt(metadata: object) -> None:
    with bounded():
        if isinstance(metadata, dict):
            job = rejected("x.yaml", VALID.encode(), metadata=metadata)
            assert all(error.field and error.field.startswith("metadata.dropfold-") for error in job.errors)
        else:
            queued("x.yaml", VALID.encode(), metadata=metadata)


def test_numbers_and_truths_in_metadata_are_read_as_they_are_written() -> None:
    job = queued("x.yaml", VALID.encode(), metadata={"dropfold-seed": 7, "dropfold-potentials": True})
    assert (job.options.seed, job.options.potentials) == (7, True)
