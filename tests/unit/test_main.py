import logging
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from functions.alignments.colabfold import ColabFold
from functions.launch import Launcher
from functions.push import Pusher
from functions.rights import RIGHTS
from functions.settings import SettingsError
from schemas.rights import Right

if TYPE_CHECKING:
    from functions.main import Functions

PROJECT = {"GOOGLE_CLOUD_PROJECT": "p", "INPUT_BUCKET": "in", "OUTPUT_BUCKET": "out"}
MODES = {
    "async": {"CLOUD_RUN_JOB_NAME": "job", "CLOUD_RUN_REGION": "region"},
    "sync": {"GPU_WORKER_URL": "https://worker.example"},
}


@pytest.fixture(scope="module")
def kind() -> "type[Functions]":
    """Import the functions, which set logging up, and leave logging as it was."""
    level = logging.root.level
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging.root, "handlers", [])
        from functions.main import Functions  # noqa: PLC0415  see above
    logging.root.setLevel(level)
    return Functions


@pytest.fixture
def verified(kind: "type[Functions]", monkeypatch: pytest.MonkeyPatch) -> list[frozenset[Right]]:
    """Return which rights are verified, each time; nothing is asked for them."""
    asked: list[frozenset[Right]] = []
    monkeypatch.setattr(f"{kind.__module__}.verify", lambda _health, _settings, rights: asked.append(rights))
    return asked


@pytest.fixture
def functions(
    kind: "type[Functions]", verified: list[frozenset[Right]], monkeypatch: pytest.MonkeyPatch
) -> "Functions":
    """Return functions of which nothing is made yet, with the least settings."""
    assert not verified
    for name, value in PROJECT.items():
        monkeypatch.setenv(name, value)
    return kind()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count which of Google's clients are opened; nothing is asked of them."""
    counted: Counter[str] = Counter()

    def opens(name: str) -> Callable[..., Any]:
        def opened(**_: object) -> object:
            counted[name] += 1
            return SimpleNamespace(
                bucket=str, collection=str, topic_path="{}/{}".format, subscription_path="{}/{}".format
            )

        return opened

    monkeypatch.setattr("google.cloud.storage.Client", opens("storage"))
    monkeypatch.setattr("google.cloud.firestore.Client", opens("firestore"))
    monkeypatch.setattr("google.cloud.pubsub_v1.PublisherClient", opens("publisher"))
    monkeypatch.setattr("google.cloud.pubsub_v1.SubscriberClient", opens("subscriber"))
    return counted


def test_all_parts_of_a_function_share_one_client_of_each_service(
    functions: "Functions", opened: Counter[str]
) -> None:
    assert functions.comparison.intake.arrivals
    assert functions.dead_letters
    assert opened == {"storage": 1, "firestore": 1, "publisher": 1}
    assert functions.pages
    assert opened["subscriber"] == 1


def test_what_a_function_uses_is_verified_once_and_nothing_else(
    functions: "Functions", opened: Counter[str], verified: list[frozenset[Right]]
) -> None:
    assert functions.deletion is functions.deletion
    assert functions.sweep
    assert functions.pages
    assert verified == [RIGHTS["on_delete"], RIGHTS["on_sweep"]]
    assert opened["storage"] == 1


@pytest.mark.parametrize(("mode", "who"), [("async", Launcher), ("sync", Pusher)])
def test_the_mode_says_who_has_queued_work_done(
    functions: "Functions", opened: Counter[str], monkeypatch: pytest.MonkeyPatch, mode: str, who: type
) -> None:
    monkeypatch.setenv("GPU_WORKER_MODE", mode)
    for name, value in MODES[mode].items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("functions.main.WorkerJob", lambda *_: None)
    assert isinstance(functions.dispatcher, who)
    assert set(opened) <= {"firestore"}


def test_where_no_msa_server_is_set_nobody_asks_one(
    functions: "Functions", opened: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MSA_SERVER_URL", raising=False)
    assert functions.intake.kept is None
    assert functions.intake.settler.alignments is None
    assert not functions.intake.rules.msa_service
    with pytest.raises(SettingsError, match="MSA_SERVER_URL"):
        assert functions.aligner
    assert opened["publisher"] == 1


def test_an_msa_server_is_asked_with_its_credentials_and_pauses_as_they_are_set(
    functions: "Functions", opened: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = {
        "MSA_SERVER_URL": "https://msa.example/api",
        "MSA_SERVER_KEY": "k",
        "ALIGNMENTS_BUCKET": "alignments",
        "MSA_PAUSE_SECONDS": "3",
        "MSA_RETRY_SECONDS": "4",
    }
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    search = functions.aligner.search
    assert (search.kept.server.host, search.first_pause, search.retry) == ("msa.example", 3, 4)
    assert isinstance(search.server, ColabFold)
    assert search.server.credentials() == {"X-API-Key": "k"}
    assert functions.intake.kept
    assert functions.intake.kept.server == search.kept.server
    assert opened["storage"] == 1
