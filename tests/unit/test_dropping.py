"""`dropfold drop` and `validate`: what is sent, what is not and why, and what the same command does again."""

import os
import signal
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import pytest
from support.commands import run
from support.fakes import MemoryBucket, MemoryCloud, a_job, a_source
from support.inbox import Inbox
from support.inputs import MSA, one_protein

from dropfold import metadata
from dropfold.commands import drop, validate
from dropfold.commands.status import SHOWN
from dropfold.files import LocalFile, found
from dropfold.upload import Outcome, Uploader
from inputs.alignments import MsaServer
from inputs.examine import Rules
from schemas.checks import Checks, Verdict
from schemas.job import Source, State, job_id
from schemas.options import Options, read_metadata

EMPTY, WITH_MSA = one_protein(), one_protein(msa="deep/trp.a3m")
ON_RNA = """sequences:
- rna: {id: R, sequence: GGUCAC}
- ligand: {id: L, ccd: GOL}
properties: [{affinity: {binder: L}}]
"""
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a good input, one with an MSA, a bad one, and files that nobody asked for."""
    screen = tmp_path / "screen"
    texts = {
        "a.yaml": EMPTY,
        "b.yaml": WITH_MSA,
        "deep/trp.a3m": MSA.decode(),
        "bad.yaml": "sequences: [",
        "notes.md": "x",
        "unused.csv": "x",
        ".hidden.yaml": EMPTY,
        ".ipynb_checkpoints/a-checkpoint.yaml": EMPTY,
    }
    for name, text in texts.items():
        (screen / name).parent.mkdir(parents=True, exist_ok=True)
        (screen / name).write_text(text)
    return screen


def test_a_folder_is_sent_with_what_its_inputs_name_and_without_what_will_not_do(folder: Path) -> None:
    cloud = MemoryCloud()
    done = run(drop.command, cloud, folder)
    first, *inputs = cloud.inputs.objects
    assert (first, sorted(inputs)) == ("screen/deep/trp.a3m", ["screen/a.yaml", "screen/b.yaml"])
    assert done.exit_code == 1
    assert "screen/bad.yaml, line 1" in done.stderr
    assert "Left out, since it is no input: " in done.stderr
    identity = job_id("in", "screen/a.yaml", 1)
    assert f"{identity}  sent           gs://in/screen/a.yaml" in done.stdout.splitlines()
    assert "bad" not in done.stdout


def test_the_same_command_again_sends_nothing_and_names_the_same_jobs(folder: Path) -> None:
    cloud = MemoryCloud()
    (folder / "bad.yaml").unlink()
    first = run(drop.command, cloud, folder)
    before = dict(cloud.inputs.objects)
    again = run(drop.command, cloud, folder)
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert cloud.inputs.objects == before
    assert sorted(again.stdout.replace("already there", "sent         ").splitlines()) == sorted(
        first.stdout.splitlines()
    )


def ended(cloud: MemoryCloud, file: Path, checks: Checks | None) -> None:
    """Have the job of a file that is to be dropped end well."""
    name, generation = file.name, 1
    job = a_job(State.SUCCEEDED, job_id=job_id("in", name, generation), source=a_source(name), checks=checks)
    cloud.ledger.create(job)


WRONG = Checks(verdict=Verdict.FAILED, reasons=("L LIG1 1 C57 is inverted.", "It clashes."))


@pytest.mark.parametrize(
    ("checks", "words", "status"),
    [
        (WRONG, [], 0),
        (WRONG, ["--strict"], 1),
        (Checks(verdict=Verdict.WARNINGS), ["--strict"], 0),
        (Checks(verdict=Verdict.UNCHECKED), ["--strict"], 0),
        (None, ["--strict"], 0),
    ],
)
def test_a_structure_that_failed_a_check_is_told_and_counts_where_that_is_wanted(
    folder: Path, checks: Checks | None, words: list[str], status: int
) -> None:
    cloud = MemoryCloud()
    ended(cloud, folder / "a.yaml", checks)
    done = run(drop.command, cloud, folder / "a.yaml", "--wait", *words)
    assert done.exit_code == status
    line = "succeeded, checks failed: a.yaml  L LIG1 1 C57 is inverted."
    assert (line in done.stdout.splitlines()) is (checks is WRONG)


def test_of_many_structures_that_failed_a_check_the_first_are_told(tmp_path: Path) -> None:
    cloud = MemoryCloud()
    for number in range(SHOWN + 2):
        (tmp_path / f"{number:02}.yaml").write_text(EMPTY)
        ended(cloud, tmp_path / f"{number:02}.yaml", WRONG)
    done = run(drop.command, cloud, *sorted(tmp_path.iterdir()), "--wait")
    told = [line for line in done.stdout.splitlines() if line.startswith("succeeded, checks failed: ")]
    assert (len(told), done.exit_code) == (SHOWN + 1, 0)
    assert told[-1] == "succeeded, checks failed: 2 more, see `dropfold results --checks failed`"


def test_to_be_strict_one_has_to_wait(folder: Path) -> None:
    done = run(drop.command, MemoryCloud(), folder / "a.yaml", "--strict")
    assert (done.exit_code, "--strict needs --wait" in done.stderr) == (2, True)


@pytest.mark.parametrize("change", ["content", "options"])
def test_another_object_of_the_same_name_is_left_unless_it_is_to_be_overwritten(
    folder: Path, change: str
) -> None:
    cloud, file = MemoryCloud(), folder / "a.yaml"
    run(drop.command, cloud, file)
    if change == "content":
        file.write_text(EMPTY.replace("id: A", "id: B"))
    more = ["--samples", "2"] if change == "options" else []
    kept = run(drop.command, cloud, file, *more)
    assert (kept.exit_code, kept.stdout, cloud.inputs.generation("a.yaml")) == (1, "", 1)
    assert "--overwrite replaces it" in kept.stderr
    replaced = run(drop.command, cloud, file, *more, "--overwrite")
    assert (replaced.exit_code, cloud.inputs.generation("a.yaml")) == (0, 2)
    assert replaced.stdout.startswith(job_id("in", "a.yaml", 2))


def test_flags_become_metadata_that_the_intake_reads_and_references_get_none(folder: Path) -> None:
    cloud = MemoryCloud()
    done = run(
        drop.command,
        cloud,
        folder,
        "--to",
        "gs://in/run42/",
        "--samples",
        3,
        "--potentials",
        "--batch",
        "mine",
        "--fresh",
        "--seed",
        7,
    )
    assert done.exit_code == 1  # for bad.yaml
    asked = read_metadata(cloud.inputs.metadata["run42/a.yaml"], Options())
    assert not isinstance(asked, tuple)
    assert (asked.batch, asked.fresh) == ("mine", True)
    assert asked.options == Options(samples=3, potentials=True, seed=7)
    assert cloud.inputs.metadata["run42/deep/trp.a3m"] == {}


def test_every_option_has_a_flag_with_its_limits() -> None:
    flags = {parameter.name: parameter for parameter in drop.command.params}
    assert flags.keys() >= Options.model_fields.keys() | {"batch", "fresh"}
    assert run(drop.command, MemoryCloud(), EXAMPLES, "--samples", 26).exit_code == 2
    assert run(drop.command, MemoryCloud(), EXAMPLES, "--output-format", "xyz").exit_code == 2
    assert metadata.metadata({"potentials": False, "samples_affinity": 2, "seed": None}) == {
        "dropfold-potentials": "false",
        "dropfold-samples-affinity": "2",
    }


def test_without_the_check_all_is_sent_as_it_is(folder: Path) -> None:
    cloud = MemoryCloud()
    assert run(drop.command, cloud, folder, "--no-check").exit_code == 0
    assert cloud.inputs.objects.keys() == {
        f"screen/{name}"
        for name in ("a.yaml", "b.yaml", "bad.yaml", "notes.md", "unused.csv", "deep/trp.a3m")
    }


def test_a_file_that_is_named_is_checked_whatever_its_suffix(folder: Path) -> None:
    cloud = MemoryCloud()
    done = run(drop.command, cloud, folder / "notes.md", folder / "deep" / "trp.a3m")
    assert (done.exit_code, list(cloud.inputs.objects)) == (1, ["trp.a3m"])
    assert "UNSUPPORTED_FILE notes.md: files of type .md are no Boltz-2 input." in done.stderr


def test_an_input_goes_without_a_file_that_is_not_here_and_says_so(folder: Path) -> None:
    cloud = MemoryCloud()
    (folder / "deep" / "trp.a3m").unlink()
    done = run(drop.command, cloud, folder / "b.yaml")
    assert (done.exit_code, list(cloud.inputs.objects)) == (0, ["b.yaml"])
    assert "b.yaml waits until the bucket has what is not here: deep/trp.a3m" in done.stderr


def test_two_files_of_one_name_and_another_bucket_are_wrong_usage(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(EMPTY)
    with pytest.raises(click.UsageError, match="would both be"):
        found([folder / "a.yaml", tmp_path / "a.yaml"], None)
    assert run(drop.command, MemoryCloud(), folder, "--to", "gs://other/run/").exit_code == 2


def test_what_can_be_no_input_s_name_is_wrong_usage(tmp_path: Path) -> None:
    hidden, odd = tmp_path / ".hidden.yaml", Path(os.fsdecode(bytes(tmp_path) + b"/\xff.yaml"))
    assert run(drop.command, MemoryCloud(), tmp_path).exit_code == 2  # nothing is there
    for path, why in ((hidden, "hidden file"), (odd, "no UTF-8")):
        path.write_text(EMPTY)
        done = run(drop.command, MemoryCloud(), path)
        assert (done.exit_code, why in done.stderr) == (2, True)


def test_a_hidden_folder_s_files_are_not_sent_since_nobody_would_answer(folder: Path) -> None:
    (folder / ".cache").mkdir()
    (folder / ".cache" / "a.yaml").write_text(EMPTY)
    assert run(drop.command, MemoryCloud(), folder / ".cache").exit_code == 2
    assert [file.name for file in found([folder / ".cache"], "run")] == ["run/a.yaml"]


@pytest.mark.parametrize(
    ("to", "names"), [(None, ["screen/a.yaml"]), ("", ["a.yaml"]), ("run", ["run/a.yaml"])]
)
def test_a_folder_keeps_its_name_unless_another_is_given(
    folder: Path, to: str | None, names: list[str]
) -> None:
    assert [file.name for file in found([folder], to) if file.path.name == "a.yaml"] == names


def test_racing_uploads_of_one_file_make_one_object(folder: Path) -> None:
    bucket = MemoryBucket("in")
    uploader = Uploader(bucket, {}, overwrite=False)
    file = LocalFile(folder / "a.yaml", "a.yaml")
    with ThreadPoolExecutor(8) as pool:
        outcomes = [upload.outcome for upload in pool.map(uploader.send, [file] * 50)]
    assert sorted(outcomes) == [*[Outcome.THERE] * 49, Outcome.SENT]
    assert bucket.generation("a.yaml") == 1


def test_a_signal_ends_it_between_two_files_whatever_holds_which_lock(tmp_path: Path) -> None:
    class Interrupting(MemoryBucket):
        """Is interrupted while it takes one of the first files."""

        def drop(
            self, path: Path, name: str, metadata: Mapping[str, str], if_generation: int = 0
        ) -> Source | None:
            if name == "10.yaml":
                signal.raise_signal(signal.SIGINT)
            return super().drop(path, name, metadata, if_generation)

    files = [LocalFile(tmp_path / f"{number}.yaml", f"{number}.yaml") for number in range(1000)]
    for file in files:
        file.path.write_text(EMPTY)
    bucket = Interrupting("in")
    with pytest.raises(KeyboardInterrupt):
        list(Uploader(bucket, {}, overwrite=False).send_all(files))
    assert "10.yaml" in bucket.objects
    assert len(bucket.objects) < 1000
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_check_says_what_the_intake_says() -> None:
    """The same files, one by one: what is refused here is rejected there, with the same failures."""
    for path in sorted(EXAMPLES.rglob("*.*")):
        if path.suffix == ".a3m":
            continue
        inbox = Inbox()
        if path.name == "crambin.yaml":
            inbox.drop("examples/crambin.a3m", (EXAMPLES / "crambin.a3m").read_bytes())
        name = f"examples/{path.relative_to(EXAMPLES)}"
        inbox.drop(name, path.read_bytes())
        there = inbox.ledger.only()
        checked = drop.plan([LocalFile(path, name, named=True)], {}, Rules())
        assert [each.failures for each in checked.refused] == ([there.errors] if there.errors else [])
        assert bool(checked.inputs) == (there.state is State.QUEUED)


INSULIN = """sequences:
- protein: {id: A, sequence: GIVEQCCTSICSLYQLENYCN}
- protein: {id: [B, C], sequence: FVNQHLCGSHLVEALYLVCGERGFFYTPKT}
"""
A_CHAIN = "sequences:\n- protein: {id: A, sequence: GIVEQCCTSICSLYQLENYCN}\n- ligand: {id: L, ccd: %s}\n"


@pytest.fixture
def unaligned(tmp_path: Path) -> Path:
    """Return a folder with three inputs that name no MSA, of two sequences together, and one that does."""
    texts = {"a.yaml": INSULIN, "b.yaml": A_CHAIN % "IPH", "c.yaml": A_CHAIN % "ZN", "d.yaml": EMPTY}
    (tmp_path / "screen").mkdir()
    for name, text in texts.items():
        (tmp_path / "screen" / name).write_text(text)
    return tmp_path / "screen"


@pytest.fixture
def aligning() -> MemoryCloud:
    """Return a project that has alignments made."""
    cloud = MemoryCloud(rules=Rules(msa_service=True))
    cloud.settings.msa_server = MsaServer("https://msa.example/api")
    return cloud


def test_what_leaves_the_project_is_said_before_anything_is_sent(
    unaligned: Path, aligning: MemoryCloud
) -> None:
    done = run(drop.command, aligning, unaligned)
    assert (done.exit_code, len(aligning.inputs.objects)) == (0, 4)
    first, *rest = done.stderr.splitlines()
    assert first == "2 sequences of 3 files go to msa.example for alignment, but for what was aligned before."
    assert not [line for line in rest if "msa.example" in line]
    one = run(drop.command, aligning, unaligned / "b.yaml")
    assert one.stderr.startswith("1 sequence of 1 file goes to msa.example for alignment, ")


def test_nothing_is_said_where_nothing_leaves(unaligned: Path, aligning: MemoryCloud) -> None:
    assert "msa.example" not in run(drop.command, aligning, unaligned / "d.yaml").stderr
    without = run(drop.command, MemoryCloud(), unaligned)
    assert without.exit_code == 1
    assert "for alignment" not in without.stderr


def test_files_that_nobody_read_may_hold_sequences_that_leave(unaligned: Path, aligning: MemoryCloud) -> None:
    done = run(drop.command, aligning, unaligned, "--no-check")
    said = "Sequences of proteins without `msa` go to msa.example for alignment: --no-check counts none."
    assert done.stderr.splitlines()[0] == said


def test_validate_says_what_would_leave_and_to_whom(unaligned: Path) -> None:
    done = run(validate.command, None, unaligned, "--msa-server", "https://msa.example/api")
    assert (done.exit_code, len(done.stdout.splitlines())) == (0, 4)
    assert done.stderr.startswith("Once dropped: 2 sequences of 3 files go to msa.example for alignment, ")
    wrong = run(validate.command, None, unaligned, "--msa-server", "msa.example")
    assert (wrong.exit_code, "msa.example names no host" in wrong.stderr) == (2, True)


def test_validate_tells_good_files_and_reasons_apart(folder: Path) -> None:
    done = run(validate.command, None, str(folder))
    assert (done.exit_code, done.stdout) == (1, f"ok  {folder}/a.yaml\nok  {folder}/b.yaml\n")
    assert "INVALID_INPUT screen/bad.yaml, line 1" in done.stderr
    well = run(validate.command, None, str(folder / "a.yaml"))
    assert (well.exit_code, well.stderr) == (0, "")


@pytest.mark.parametrize("command", [drop.command, validate.command])
def test_what_to_mind_about_an_affinity_is_told_and_the_file_is_good(
    tmp_path: Path, command: click.Command
) -> None:
    file = tmp_path / "rna.yaml"
    file.write_text(ON_RNA)
    done = run(command, MemoryCloud(), file)
    assert done.exit_code == 0
    assert "rna.yaml: There is no protein in the input" in " ".join(done.stderr.split())


def test_a_file_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "a.yaml").unlink()
    (folder / "a.yaml").symlink_to(folder / "nowhere")
    done = run(validate.command, None, str(folder))
    assert done.exit_code == 1
    assert f"{folder}/a.yaml cannot be read: No such file or directory." in done.stderr
