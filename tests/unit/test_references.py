"""Files that inputs refer to: in any order, at once, one for many, and such as cannot be used."""

import hashlib
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.backbones import chain, codes, ligand, mmcif
from support.fakes import CountingBucket, MemoryBucket, MemoryLedger, TroubledBucket
from support.inbox import FIRST, Inbox
from support.inputs import MSA, TRP_CAGE, one_protein

from functions.errors import WakeError
from inputs.references import BEGINNING, TEMPLATE_BEGINNING
from inputs.suffixes import SIDECARS
from schemas.failure import Code, FailedError
from schemas.job import Job, ReadFile, State
from schemas.storage import ObjectHead, ObjectUnreadableError
from worker.prepare import prepare

A3M = MSA + f">1\n{TRP_CAGE[:-1]}-\n".encode()
OTHER_A3M = A3M.replace(b"NLYIQ", b"NLYIG")
CIF = b"data_x\nloop_\n_atom_site.id\n1\n"


def an_input(msa: str = "trp.a3m", more: str = "") -> bytes:
    return f"{one_protein(msa=msa)}{more}".encode()


def the(inbox: Inbox, name: str) -> Job:
    [job] = [job for job in inbox.ledger.all() if job.source.name == name]
    return job


@pytest.mark.parametrize("order", itertools.permutations(["in.yaml", "trp.a3m", "t.cif"]))
def test_files_come_in_any_order(order: tuple[str, ...]) -> None:
    inbox = Inbox()
    content = {"in.yaml": an_input(more="templates: [{cif: t.cif}]\n"), "trp.a3m": A3M, "t.cif": CIF}
    for name in order:
        inbox.drop(f"run/{name}", content[name])
    job = inbox.ledger.only()
    assert (job.state, job.waits_for) == (State.QUEUED, ())
    assert inbox.asked_for(job) == 1


def test_an_input_and_its_msa_that_are_taken_in_at_once_meet() -> None:
    for _ in range(50):
        inbox, together = Inbox(), threading.Barrier(2)

        def drop(
            name: str, content: bytes, inbox: Inbox = inbox, together: threading.Barrier = together
        ) -> None:
            together.wait()
            inbox.announce(inbox.put(name, content))

        with ThreadPoolExecutor(2) as pool:
            assert inbox.intake
            list(pool.map(drop, ["run/in.yaml", "run/trp.a3m"], [an_input(), A3M]))
        assert inbox.ledger.only().state is State.QUEUED
        assert inbox.asked_for(inbox.ledger.only()) == 1


def test_one_file_wakes_more_inputs_than_a_page_of_the_ledger_holds() -> None:
    inbox = Inbox(ledger=MemoryLedger(page=20))
    for at in range(70):
        inbox.drop(f"run/{at}.yaml", an_input())
    inbox.drop("run/also.yaml", an_input(more="templates: [{cif: t.cif}]\n"))
    inbox.drop("run/trp.a3m", A3M)
    states = [job.state for job in inbox.ledger.all()]
    assert (states.count(State.QUEUED), states.count(State.WAITING)) == (70, 1)


def test_an_input_that_fails_to_go_on_does_not_keep_the_others() -> None:
    inbox = Inbox()
    for at in range(3):
        inbox.drop(f"run/{at}.yaml", an_input())
    bucket = TroubledBucket("in", objects=inbox.uploads.objects, unreadable={"run/1.yaml": ConnectionError()})
    troubled = Inbox(inbox.ledger, uploads=bucket)
    with pytest.raises(WakeError, match="1 jobs still wait"):
        troubled.announce(inbox.put("run/trp.a3m", A3M))
    states = {job.source.name: job.state for job in inbox.ledger.all()}
    assert states == {
        "run/0.yaml": State.QUEUED,
        "run/1.yaml": State.WAITING,
        "run/2.yaml": State.QUEUED,
    }


@pytest.mark.parametrize("first", ["in.yaml", "trp.a3m"])
def test_an_msa_of_another_protein_rejects_the_input_before_any_worker_starts(first: str) -> None:
    inbox = Inbox()
    content = {"in.yaml": an_input(), "trp.a3m": OTHER_A3M}
    for name in sorted(content, key=lambda name: name != first):
        inbox.drop(f"run/{name}", content[name])
    job = inbox.ledger.only()
    assert (job.state, job.errors[0].code) == (State.REJECTED, Code.INVALID_INPUT)
    assert "trp.a3m has G at position 5 of its first row, where chain A has Q" in job.errors[0].message
    assert job.errors[0].field == "sequences[0].protein.msa"
    assert inbox.receipt(job)["state"] == "REJECTED"
    assert not inbox.requests.messages


@pytest.mark.parametrize(
    ("msa", "why"),
    [
        (A3M + b">2\nNLY\n", "has 3 columns in line 6, but 20 in its first row"),
        (A3M.replace(b">1", b">1\xff"), "is not UTF-8 text"),
        (TRP_CAGE.encode() + b"\n" + A3M, "has a row in line 1 before any header"),
    ],
)
def test_all_of_a_small_msa_is_checked_before_any_worker_starts(msa: bytes, why: str) -> None:
    inbox = Inbox()
    inbox.drop("run/trp.a3m", msa)
    job = inbox.drop("run/in.yaml", an_input())
    assert job is not None
    assert job.state is State.REJECTED
    assert why in job.errors[0].message


def test_an_input_whose_msa_was_corrected_is_taken_in_as_a_new_upload() -> None:
    inbox = Inbox()
    inbox.drop("run/in.yaml", an_input())
    inbox.drop("run/trp.a3m", OTHER_A3M)
    inbox.drop("run/trp.a3m", A3M)
    again = inbox.drop("run/in.yaml", an_input())
    assert again is not None
    assert again.state is State.QUEUED
    assert sorted(job.state for job in inbox.ledger.all()) == [State.QUEUED, State.REJECTED]


def test_chains_share_an_msa_where_it_is_that_of_each() -> None:
    inbox = Inbox()
    chain = "- protein: {{id: {}, sequence: {}, msa: trp.a3m}}\n"
    inbox.drop("run/trp.a3m", A3M)
    same = inbox.drop("run/same.yaml", an_input(more=chain.format("B", TRP_CAGE)))
    other = inbox.drop("run/other.yaml", an_input(more=chain.format("B", TRP_CAGE[::-1])))
    assert same is not None
    assert other is not None
    assert (same.state, other.state) == (State.QUEUED, State.REJECTED)
    assert "is also that of chain A" in other.errors[0].message


def test_only_the_beginning_of_an_msa_is_read() -> None:
    bucket = CountingBucket("in")
    inbox = Inbox(uploads=bucket)
    inbox.uploads.put("run/trp.a3m", A3M + b">x\n" * 1_000_000)
    job = inbox.drop("run/in.yaml", an_input())
    assert job is not None
    assert job.state is State.QUEUED
    assert bucket.most == BEGINNING


def test_a_query_behind_the_beginning_is_left_to_the_worker(tmp_path: Path) -> None:
    inbox = Inbox()
    inbox.uploads.put("run/trp.a3m", b"#" * BEGINNING + b"\n" + OTHER_A3M)
    job = inbox.drop("run/in.yaml", an_input())
    assert job is not None
    assert job.state is State.QUEUED
    with pytest.raises(FailedError, match=r"INVALID_INPUT: The MSA trp\.a3m has G at position 5"):
        prepare(job, inbox.uploads, tmp_path / "input")


def test_an_msa_that_was_replaced_meanwhile_fails_the_job_at_the_worker(tmp_path: Path) -> None:
    inbox = Inbox()
    inbox.drop("run/trp.a3m", A3M)
    job = inbox.drop("run/in.yaml", an_input())
    assert job is not None
    prepare(job, inbox.uploads, tmp_path / "first")
    inbox.uploads.put("run/trp.a3m", OTHER_A3M)
    with pytest.raises(FailedError, match=r"trp\.a3m has G at position 5"):
        prepare(job, inbox.uploads, tmp_path / "second")


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("t.cif", b"hello", "The template t.cif is no mmCIF file: it does not begin with data_"),
        ("t.cif", b"", "does not begin with data_"),
        ("t.cif", b"# comment\n\n  DATA_x\n_cell.length_a 1\n", "has no table _atom_site of atoms"),
        ("t.cif", b"hello\n" * TEMPLATE_BEGINNING, "does not begin with data_"),
        ("t.cif", b"\x1f\x8b\x08\x00data_x\n_atom_site.id\n", "t.cif is packed by gzip"),
        ("t.pdb", b"hello", "The template t.pdb is no PDB file: it has no line that begins with ATOM"),
        ("t.pdb", CIF, "The template t.pdb is no PDB file: it begins with data_, as mmCIF does"),
        ("t.pdb", mmcif(chain(codes(TRP_CAGE), "A")).encode(), "it begins with data_, as mmCIF does"),
        ("t.pdb", b"data_x\n" * TEMPLATE_BEGINNING, "it begins with data_, as mmCIF does"),
        ("t.pdb", b"\xff\xfe\x00" * 1000, "no PDB file"),
    ],
)
def test_a_template_that_is_none_is_refused_by_name_before_any_worker_starts(
    name: str, content: bytes, why: str
) -> None:
    inbox = Inbox()
    inbox.drop(f"run/{name}", content)
    job = inbox.drop("run/in.yaml", an_input("empty", f"templates: [{{{name[2:]}: {name}}}]\n"))
    assert job is not None
    assert (job.state, job.errors[0].code) == (State.REJECTED, Code.INVALID_INPUT)
    assert why in job.errors[0].message


@pytest.mark.parametrize(
    ("name", "long", "why"),
    [
        ("t.cif", b"#" * TEMPLATE_BEGINNING + b"\nhello\n", "does not begin with data_"),
        ("t.cif", b"data_x\n" * TEMPLATE_BEGINNING, "has no table _atom_site of atoms"),
        ("t.pdb", b"HEADER\n" * TEMPLATE_BEGINNING, "has no line that begins with ATOM"),
    ],
)
def test_what_a_long_template_shows_late_is_refused_by_the_worker(
    tmp_path: Path, name: str, long: bytes, why: str
) -> None:
    inbox = Inbox()
    inbox.drop(f"run/{name}", long)
    job = inbox.drop("run/in.yaml", an_input("empty", f"templates: [{{{name[2:]}: {name}}}]\n"))
    assert job is not None
    assert job.state is State.QUEUED
    with pytest.raises(FailedError, match=f"^INVALID_INPUT: .*{why}"):
        prepare(job, inbox.uploads, tmp_path / "input")


CHAINS = (chain(codes(TRP_CAGE), "B") + chain(codes(TRP_CAGE), "C") + ligand("CA", "D", 1)).encode()


@pytest.mark.parametrize(
    ("name", "asked", "why"),
    [
        ("t.pdb", "B", None),
        ("t.pdb", "C1", None),
        ("t.pdb", "A", "no protein of the name A; it has B (to Boltz-2 B1), C (to Boltz-2 C1)"),
        ("t.pdb", "D", "no protein of the name D; it has B (to Boltz-2 B1), C (to Boltz-2 C1)"),
        ("t.cif", "C", None),
        ("t.cif", "C1", "no protein of the name C1; it has B, C."),
    ],
)
def test_a_chain_that_a_template_lacks_is_refused_with_those_it_has(
    name: str, asked: str, why: str | None
) -> None:
    inbox = Inbox()
    inbox.drop(f"run/{name}", CHAINS if name == "t.pdb" else mmcif(CHAINS.decode()).encode())
    template = f"{{{name[2:]}: {name}, chain_id: A, template_id: {asked}}}"
    job = inbox.drop("run/in.yaml", an_input("empty", f"templates: [{template}]\n"))
    assert job is not None
    assert job.state is (State.REJECTED if why else State.QUEUED)
    assert why is None or why in job.errors[0].message
    assert why is None or job.errors[0].field == "templates[0].template_id"


def test_the_chains_of_a_template_that_is_read_in_part_are_left_to_the_worker() -> None:
    inbox = Inbox()
    inbox.drop("run/t.pdb", CHAINS + b"REMARK\n" * TEMPLATE_BEGINNING)
    job = inbox.drop("run/in.yaml", an_input("empty", "templates: [{pdb: t.pdb, template_id: A}]\n"))
    assert job is not None
    assert job.state is State.QUEUED


def test_a_label_and_the_author_s_name_of_a_chain_are_both_known() -> None:
    lines = mmcif(CHAINS.decode()).splitlines(keepends=True)
    labelled = "".join(
        line.replace(" B   ", " AA   ", 1) if line.startswith("ATOM") else line for line in lines
    )
    for asked, state in (("AA", State.QUEUED), ("B", State.QUEUED), ("A", State.REJECTED)):
        inbox = Inbox()
        inbox.drop("run/t.cif", labelled.encode())
        job = inbox.drop(
            "run/in.yaml", an_input("empty", f"templates: [{{cif: t.cif, template_id: {asked}}}]\n")
        )
        assert job is not None
        assert job.state is state, job.errors


@pytest.mark.parametrize(
    ("name", "content"), [("t.cif", CIF), ("t.pdb", b"HEADER\nATOM      1  N   GLY A\n")]
)
def test_a_template_is_laid_down_as_it_is(tmp_path: Path, name: str, content: bytes) -> None:
    inbox = Inbox()
    inbox.drop(f"run/{name}", content)
    job = inbox.drop("run/in.yaml", an_input("empty", f"templates: [{{{name[2:]}: {name}}}]\n"))
    assert job is not None
    prepared = prepare(job, inbox.uploads, tmp_path / "input")
    assert (tmp_path / "input" / name).read_bytes() == content
    digest = hashlib.sha256(content).hexdigest()
    read = ReadFile(name=f"run/{name}", generation=FIRST, size=len(content), sha256=digest)
    assert prepared.files == (read,)


class VastBucket(MemoryBucket):
    """Says that its alignments and templates are larger than they are."""

    def head(self, name: str, most: int) -> ObjectHead | None:
        look = super().head(name, most)
        return look and look._replace(size=max(kind.most_bytes for kind in SIDECARS.values()) + 1)


def test_a_file_over_its_limit_rejects_the_input() -> None:
    inbox = Inbox(uploads=VastBucket("in"))
    inbox.drop("run/trp.a3m", A3M)
    inbox.drop("run/t.cif", CIF)
    job = inbox.drop("run/in.yaml", an_input(more="templates: [{cif: t.cif}]\n"))
    assert job is not None
    assert [error.code for error in job.errors] == [Code.TOO_LARGE, Code.TOO_LARGE]
    assert "An MSA may have 268,435,456" in job.errors[0].message
    assert "A template may have 67,108,864" in job.errors[1].message


class OddlyStoredBucket(MemoryBucket):
    """Keeps an alignment in an encoding that is none."""

    def head(self, name: str, most: int) -> ObjectHead | None:
        look = super().head(name, most)
        if look is not None:
            raise ObjectUnreadableError(f"{name} is stored with the Content-Encoding 'br'.")
        return look

    def download(self, name: str, to: Path, limit: int) -> int:
        raise ObjectUnreadableError(f"{to.name} is stored with the Content-Encoding 'br', {name}, {limit}.")


@pytest.mark.parametrize("first", ["in.yaml", "trp.a3m"])
def test_a_file_in_an_unknown_encoding_rejects_the_input(first: str) -> None:
    inbox = Inbox(uploads=OddlyStoredBucket("in"))
    content = {"in.yaml": an_input(), "trp.a3m": A3M}
    for name in sorted(content, key=lambda name: name != first):
        inbox.drop(f"run/{name}", content[name])
    job = inbox.ledger.only()
    assert (job.state, job.errors[0].code) == (State.REJECTED, Code.INVALID_INPUT)
    assert "gsutil cp -z" in job.errors[0].remedy


def test_a_worker_says_so_too_of_an_unknown_encoding(tmp_path: Path) -> None:
    inbox = Inbox()
    inbox.drop("run/trp.a3m", A3M)
    job = inbox.drop("run/in.yaml", an_input())
    assert job is not None
    with pytest.raises(FailedError, match=r"INVALID_INPUT: trp\.a3m is stored with"):
        prepare(job, OddlyStoredBucket("in", objects=inbox.uploads.objects), tmp_path / "input")


def test_an_input_that_is_gone_when_its_file_comes_ends_as_deleted() -> None:
    inbox = Inbox()
    inbox.drop("run/in.yaml", an_input())
    del inbox.uploads.objects["run/in.yaml"]
    inbox.drop("run/trp.a3m", A3M)
    job = inbox.ledger.only()
    assert job.state is State.CANCELLED
    assert inbox.receipt(job)["state"] == "CANCELLED"


@pytest.mark.parametrize("name", [".trp.a3m", ".msa/trp.a3m"])
def test_a_file_that_is_hidden_wakes_the_input_that_names_it(name: str) -> None:
    inbox = Inbox()
    inbox.drop("run/in.yaml", an_input(name))
    inbox.drop(f"run/{name}", A3M)
    assert inbox.ledger.only().state is State.QUEUED


def test_files_lie_beside_their_input_whatever_slashes_its_name_has(tmp_path: Path) -> None:
    for folder in ("", "/", "a//", "a//b/", "a/./", "a/../"):
        inbox = Inbox()
        inbox.drop(f"{folder}in.yaml", an_input("./msa//trp.a3m"))
        assert inbox.ledger.only().waits_for == (f"{folder}msa/trp.a3m",)
        inbox.drop(f"{folder}msa/trp.a3m", A3M)
        job = inbox.ledger.only()
        assert job.state is State.QUEUED
        at = tmp_path / job.job_id
        prepare(job, inbox.uploads, at)
        assert sorted(path.relative_to(at).as_posix() for path in at.rglob("*.*")) == [
            f"{job.job_id}.yaml",
            "msa/trp.a3m",
        ]
