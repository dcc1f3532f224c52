"""What can go wrong with one input, provoked for real: its failure says what, and the next input is unharmed.

Boltz itself ends many of these with exit status 0, or with another input's structure under this input's name.
"""

import itertools
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread
from typing import Any, NamedTuple, NoReturn

import numpy as np
import pytest
import torch
from support import plan
from support.inputs import PEPTIDE, one_protein
from support.paper import nothing
from support.patience import HANG, NEVER, until

from benchmarks.exactness import warm_predictor
from inputs.size import USUAL_TOKENS
from local.small_model import DEFAULT, ensure
from schemas.failure import RETRYABLE, Code, FailedError
from schemas.options import Options
from worker import outputs
from worker.boltz2 import weights
from worker.boltz2.featurise import featurise
from worker.boltz2.manifest import COMPONENTS, STRUCTURE
from worker.boltz2.predictor import Boltz2Predictor
from worker.boltz2.workspace import Workspace
from worker.child_pool import PRELOAD, ChildPool
from worker.device import Device
from worker.errors import DeviceLostError

QUICK = Options(recycling_steps=0, sampling_steps=2)
ALIGNED = one_protein("MKTAYIAKQR", "shared.a3m")
MSA = ">query\nMKTAYIAKQR\n>1\nMKTAYLAKQR\n>2\nMKSAYIaaAK-R\n"
ENDLESS = PEPTIDE + f"- ligand: {{id: B, smiles: {'C' * 300}}}\n"
"""RDKit looks for a conformer of 300 carbons for minutes."""

CPU_SECONDS = 20
"""Of a processor: no refusal comes near; Boltz's own answer to an input without residues takes 90."""


class Bad(NamedTuple):
    """An input that nobody can predict, and how the message says so."""

    text: str
    message: str
    msa: str = MSA


BAD = {
    "ragged MSA": Bad(
        ALIGNED,
        "Chain A has 10 residues, but 1 of 4 sequences in its MSA span another number of columns",
        f"{MSA}>3\nMKTAY\n",
    ),
    "empty MSA": Bad(ALIGNED, "Boltz-2 cannot featurise the input: ", ""),
    "no residues": Bad(one_protein("''"), "Boltz-2 cannot featurise the input: "),
    "unknown component": Bad(
        f"{PEPTIDE}- ligand: {{id: B, ccd: QQQ}}\n",
        "Boltz-2 has no component QQQ: its Chemical Component Dictionary lacks it.",
    ),
    "no SMILES": Bad(f"{PEPTIDE}- ligand: {{id: B, smiles: C1CC}}\n", "Boltz-2 cannot read the input: "),
    "missing MSA": Bad(
        ALIGNED.replace("shared", "other"),
        "Boltz-2 cannot read the input: MSA file other.a3m not found",
    ),
    "letters in an MSA": Bad(
        ALIGNED, "Boltz-2 cannot read the input: there is no '1'", ">query\nMKTAY1AKQR\n"
    ),
    "no template": Bad(
        f"{PEPTIDE}templates: [{{cif: shared.a3m}}]\n",
        "Boltz-2 cannot read the input: shared.a3m:1:1: expected block header (data_) "
        "(it refers to shared.a3m)",
    ),
}


@pytest.fixture(scope="module")
def cache() -> Path:
    return ensure(DEFAULT)


@pytest.fixture(scope="module")
def predictor(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boltz2Predictor]:
    """Yield the predictor for every test that leaves it in order; it has predicted something."""
    folder = tmp_path_factory.mktemp("first")
    with warm_predictor(cache) as predictor:
        assert works(predictor, write_good(folder), folder / "out")
        yield predictor


@pytest.fixture
def loaded_once(predictor: Boltz2Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give whatever predictor the test makes the model that has been loaded."""
    structure = predictor._structure.result()
    monkeypatch.setattr(weights, "load", lambda *_args, **_kwargs: structure)


@pytest.fixture
def own_predictor(cache: Path, loaded_once: None) -> Iterator[Boltz2Predictor]:
    """Yield one that the test may lose, but for its model."""
    assert loaded_once is None
    with warm_predictor(cache) as predictor:
        yield predictor


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write_good(tmp_path)


def write_good(folder: Path) -> Path:
    path = folder / "good.yaml"
    path.write_text(PEPTIDE)
    return path


@pytest.fixture(params=BAD)
def bad(request: pytest.FixtureRequest, tmp_path: Path) -> Bad:
    return write(BAD[request.param], tmp_path)


def write(bad: Bad, folder: Path) -> Bad:
    (folder / "bad.yaml").write_text(bad.text)
    (folder / "shared.a3m").write_text(bad.msa)
    return bad


def failure(predictor: Boltz2Predictor, path: Path, out: Path, options: Options = QUICK) -> tuple[Code, str]:
    """Return code and message with which an input fails; every failure has a remedy."""
    with pytest.raises(FailedError) as caught:
        predictor.predict(path, options, 1, out, nothing)
    assert caught.value.failure.remedy
    return caught.value.failure.code, caught.value.failure.message


def works(predictor: Boltz2Predictor, path: Path, out: Path) -> bool:
    predicted = predictor.predict(path, QUICK, 1, out, nothing)
    return bool(outputs.checked(predicted.files, outputs.Expected({"A": 15})))


@pytest.mark.usefixtures("loaded_once")
def test_an_input_that_takes_too_much_memory_to_read_says_so(cache: Path, tmp_path: Path, good: Path) -> None:
    large = tmp_path / "large.yaml"
    large.write_text(one_protein("MKTAYIAKQR" * 60))
    with ChildPool(NEVER, *PRELOAD, memory=256 * 2**20) as children:
        predictor = Boltz2Predictor(cache, children, Device(NEVER), "cpu")
        code, message = failure(predictor, large, tmp_path / "out")
        assert code is Code.OUT_OF_MEMORY
        assert message.startswith("The input does not fit into the memory of this machine: ")
        assert works(predictor, good, tmp_path / "next")


@pytest.mark.extra
def test_the_largest_input_that_is_let_in_is_read_within_a_child_s_memory(
    cache: Path, tmp_path: Path
) -> None:
    large = tmp_path / "large.yaml"
    large.write_text(one_protein("MKTAYIAKQR" * (USUAL_TOKENS // 10)))
    memory = plan.local_values()["accelerators"]["nvidia-l4"]["child"] * 2**20
    workspace = Workspace(large, QUICK, 1, tmp_path / "out", cache / COMPONENTS)
    with ChildPool(NEVER, *PRELOAD, memory=memory) as children:
        assert children.run(featurise, workspace, ()).timings["featurise"] > 0
    assert workspace.features.stat().st_size < 600 * USUAL_TOKENS**2


def test_an_input_that_cannot_be_read_is_refused_soon_and_nothing_is_predicted_for_it(
    predictor: Boltz2Predictor, tmp_path: Path, bad: Bad
) -> None:
    before = sum(map(cpu_seconds, pids(predictor)))
    code, message = failure(predictor, tmp_path / "bad.yaml", tmp_path / "out")
    assert code is Code.INVALID_INPUT
    assert message.startswith(bad.message)
    assert sum(map(cpu_seconds, pids(predictor))) - before < CPU_SECONDS
    assert not list((tmp_path / "out" / "predictions").iterdir())


def test_a_refusal_prints_little(
    cache: Path, tmp_path: Path, bad: Bad, capfd: pytest.CaptureFixture[str]
) -> None:
    workspace = Workspace(tmp_path / "bad.yaml", QUICK, 1, tmp_path / "out", cache / COMPONENTS)
    with pytest.raises(FailedError) as caught:
        featurise(workspace, ())  # here, where what it prints is seen
    assert len(caught.value.failure.message) <= 2000
    printed = capfd.readouterr()
    assert len(printed.out + printed.err) < 2000, bad


def test_bad_inputs_do_not_touch_what_runs_beside_them(
    predictor: Boltz2Predictor, tmp_path: Path, good: Path
) -> None:
    alone = tmp_path / "alone"
    assert works(predictor, good, alone)
    with ThreadPoolExecutor(3) as pool:
        refused, unharmed = [], []
        for number, each in enumerate(BAD.values()):
            folder = tmp_path / f"{number}"
            folder.mkdir()
            write(each, folder)
            refused.append(pool.submit(failure, predictor, folder / "bad.yaml", folder / "out"))
            unharmed.append(pool.submit(works, predictor, good, folder / "good"))
    assert {each.result()[0] for each in refused} == {Code.INVALID_INPUT}
    assert all(each.result() for each in unharmed)
    name = Path("predictions", "good", "good_model_0.cif")
    assert {(tmp_path / f"{number}" / "good" / name).read_bytes() for number in range(len(BAD))} == {
        (alone / name).read_bytes()
    }


CUDA_MEMORY = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
ILLEGAL_ACCESS = torch.AcceleratorError("CUDA error: an illegal memory access was encountered")


def raising(error: Exception) -> Callable[..., NoReturn]:
    def fail(*_args: Any, **_kwargs: Any) -> NoReturn:  # noqa: ANN401 (stands in for any method)
        raise error

    return fail


def too_large(*_args: object, **_kwargs: object) -> torch.Tensor:
    """Ask for an exabyte: what the CPU's own allocator says to that is no OutOfMemoryError."""
    return torch.empty(2**60, dtype=torch.uint8)


def replace(patch: pytest.MonkeyPatch, predictor: Boltz2Predictor, method: str, function: object) -> None:
    patch.setattr(predictor._structure.result().net, method, function)


@pytest.mark.parametrize(
    ("where", "what"),
    [
        ("forward", raising(CUDA_MEMORY)),  # Boltz catches it and returns a flag
        ("predict_step", raising(CUDA_MEMORY)),  # raised past Boltz
        ("forward", too_large),
    ],
)
def test_too_little_memory_on_the_device_is_out_of_memory_and_the_next_input_is_unharmed(
    *,
    predictor: Boltz2Predictor,
    good: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    what: Callable[..., object],
) -> None:
    with monkeypatch.context() as patch:
        replace(patch, predictor, where, what)
        code, message = failure(predictor, good, tmp_path / "failed")
    assert code is Code.OUT_OF_MEMORY
    assert "does not fit into the memory of this machine" in message
    assert not predictor.lost
    assert works(predictor, good, tmp_path / "next")


@pytest.mark.parametrize(
    "where", ["boltz.main.parse_yaml", "boltz.data.feature.featurizerv2.Boltz2Featurizer.process"]
)
def test_too_little_memory_while_reading_is_not_blamed_on_the_input(
    cache: Path, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr(where, lambda *_args, **_kwargs: np.zeros(2**50, dtype=np.uint8))
    with pytest.raises(FailedError) as caught:
        featurise(Workspace(good, QUICK, 1, tmp_path / "out", cache / COMPONENTS), ())
    assert caught.value.failure.code is Code.OUT_OF_MEMORY


def test_too_little_memory_for_an_affinity_is_out_of_memory_too(
    predictor: Boltz2Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binder = tmp_path / "binder.yaml"
    binder.write_text(f"{PEPTIDE}- ligand: {{id: B, ccd: GOL}}\nproperties:\n- affinity: {{binder: B}}\n")
    net = predictor._load_affinity().result().net
    monkeypatch.setattr(net, "forward", raising(CUDA_MEMORY))
    assert failure(predictor, binder, tmp_path / "out")[0] is Code.OUT_OF_MEMORY


@pytest.mark.parametrize("error", [ILLEGAL_ACCESS, RuntimeError("CUDA error: device-side assert triggered")])
def test_a_device_that_fails_is_lost_for_every_later_input(
    own_predictor: Boltz2Predictor,
    good: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: RuntimeError,
) -> None:
    replace(monkeypatch, own_predictor, "forward", raising(error))
    code, message = failure(own_predictor, good, tmp_path / "failed")
    assert code is Code.CUDA_ERROR
    assert str(error) in message
    assert own_predictor.lost
    monkeypatch.undo()
    with pytest.raises(DeviceLostError):
        own_predictor.predict(good, QUICK, 1, tmp_path / "next", nothing)
    assert not (tmp_path / "next" / "raw.pt").exists()


def test_an_unforeseen_error_is_raised_as_it_is(
    predictor: Boltz2Predictor, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace(monkeypatch, predictor, "forward", raising(RuntimeError("shapes do not match")))
    with pytest.raises(RuntimeError, match="shapes do not match"):
        predictor.predict(good, QUICK, 1, tmp_path / "out", nothing)


@pytest.mark.usefixtures("loaded_once")
def test_a_prediction_over_its_limit_is_a_timeout_and_the_device_is_lost(
    *, cache: Path, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gate: Event
) -> None:
    with warm_predictor(cache, turn_limit=0.2) as hurried:
        replace(monkeypatch, hurried, "forward", lambda *_args, **_kwargs: gate.wait(HANG))
        code, message = failure(hurried, good, tmp_path / "slow")
        assert (code, hurried.lost) == (Code.TIMEOUT, True)
        assert message == "The prediction took longer than 0 s and was given up."
        gate.set()
        with pytest.raises(DeviceLostError):
            hurried.predict(good, QUICK, 1, tmp_path / "next", nothing)


def test_an_input_that_cannot_be_parsed_in_time_is_a_timeout_its_child_is_gone_and_its_neighbours_are_not(
    predictor: Boltz2Predictor, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "endless.yaml").write_text(ENDLESS)
    children, rounds, slow = set(pids(predictor)), itertools.count(), Future[tuple[Code, str]]()

    def read_endless() -> None:
        slow.set_result(failure(predictor, tmp_path / "endless.yaml", tmp_path / "slow"))

    def neighbour_works() -> bool:
        assert works(predictor, good, tmp_path / f"{next(rounds)}")
        return slow.done()

    with monkeypatch.context() as patch:
        patch.setattr(predictor._children, "_limit", 1)  # for this one alone
        Thread(target=read_endless, daemon=True).start()
        until(lambda: (tmp_path / "slow").exists() or slow.done())
    until(neighbour_works)
    assert slow.result()[0] is Code.TIMEOUT
    assert works(predictor, good, tmp_path / "after")
    until(lambda: len(gone(children)) == 1)
    assert not predictor.lost


def test_a_child_that_is_killed_at_work_is_a_lost_worker_and_the_next_input_works(
    predictor: Boltz2Predictor, good: Path, tmp_path: Path
) -> None:
    (tmp_path / "endless.yaml").write_text(ENDLESS)
    with ThreadPoolExecutor(1) as pool:
        killed = pool.submit(failure, predictor, tmp_path / "endless.yaml", tmp_path / "killed")
        kill(busy(predictor))
        code, message = killed.result()
    assert code is Code.WORKER_LOST
    assert code in RETRYABLE
    assert f"died with status -{int(signal.SIGKILL)}" in message
    assert works(predictor, good, tmp_path / "next")
    assert not predictor.lost


def test_a_child_that_is_killed_while_nothing_is_read_is_replaced(
    own_predictor: Boltz2Predictor, good: Path, tmp_path: Path
) -> None:
    assert works(own_predictor, good, tmp_path / "before")
    idle = pids(own_predictor)[0]
    kill(idle)
    until(lambda: idle not in pids(own_predictor) or not own_predictor._children._pool.active)
    assert works(own_predictor, good, tmp_path / "after")


def pids(predictor: Boltz2Predictor) -> list[int]:
    """Return the process ids of the pool's children."""
    return list(predictor._children._pool._pool_manager.worker_manager.workers)


def gone(processes: set[int]) -> set[int]:
    return {pid for pid in processes if not Path(f"/proc/{pid}").exists()}


def busy(predictor: Boltz2Predictor) -> int:
    """Wait for the child that computes: the one that uses a second more than it had."""
    before = {pid: cpu_seconds(pid) for pid in pids(predictor)}

    def computing() -> list[int]:
        return [pid for pid in pids(predictor) if cpu_seconds(pid) - before.get(pid, 0) > 1]

    return until(computing)[0]


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("part", ["structure_module.", "confidence_module."])
def test_weights_that_give_no_numbers_give_no_output(
    cache: Path, good: Path, tmp_path: Path, part: str
) -> None:
    spoil(cache, tmp_path, part)
    with warm_predictor(tmp_path) as broken, pytest.raises(FailedError) as caught:
        works(broken, good, tmp_path / "out")
    assert caught.value.failure.code is Code.NO_OUTPUT


def spoil(cache: Path, to: Path, part: str) -> None:
    """Copy a model, with nothing but NaN in one of its parts."""
    content = torch.load(cache / STRUCTURE, weights_only=False)
    for name, tensor in content["state_dict"].items():
        if name.startswith(part):
            tensor.fill_(torch.nan)
    torch.save(content, to / STRUCTURE)
    (to / COMPONENTS).symlink_to(cache / COMPONENTS)


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        (outputs.Expected({"A": 15, "B": None}), "model_0.cif is not usable: chains A instead of A, B"),
        (outputs.Expected({"A": 14}), "model_0.cif is not usable: chain A has 15 residues instead of 14"),
        (outputs.Expected({"A": 15}, samples=2), "model_1.cif is missing"),
        (outputs.Expected({"A": 15}, affinity=True), "affinity.json is missing"),
        (outputs.Expected({"A": 15}, output_format="pdb"), "model_0.pdb is missing"),
    ],
)
def test_another_result_than_the_one_that_was_asked_for_is_no_output(
    predictor: Boltz2Predictor, good: Path, tmp_path: Path, expected: outputs.Expected, said: str
) -> None:
    predicted = predictor.predict(good, QUICK, 1, tmp_path / "out", nothing)
    with pytest.raises(FailedError) as caught:
        outputs.checked(predicted.files, expected)
    assert caught.value.failure.code is Code.NO_OUTPUT
    assert said in caught.value.failure.message


def test_what_does_not_fit_into_pdb_is_no_output(predictor: Boltz2Predictor, tmp_path: Path) -> None:
    path, options = tmp_path / "long.yaml", QUICK.model_copy(update={"output_format": "pdb"})
    path.write_text(PEPTIDE.replace("id: A", "id: LONG"))
    predicted = predictor.predict(path, options, 1, tmp_path / "out", nothing)
    with pytest.raises(FailedError, match="does not fit into PDB's columns") as caught:
        outputs.checked(predicted.files, outputs.Expected({"LONG": 15}, output_format="pdb"))
    assert caught.value.failure.code is Code.NO_OUTPUT
