"""The parts of a stack: commands and environments, derived from the topology and the caller's choices."""

import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from local import emulators, parts, topology
from local.functions import Function
from local.parts import Ports, Site

SOURCE = Path("functions/main.py")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Return a site on a machine that has an SDK, so that this needs none and fetches nothing."""
    for jar in (emulators.PUBSUB, emulators.FIRESTORE):
        file = tmp_path / "sdk" / jar.member
        file.parent.mkdir(parents=True)
        zipfile.ZipFile(file, "w").close()
    monkeypatch.setenv("CLOUDSDK_ROOT_DIR", str(tmp_path / "sdk"))
    plan = topology.load()
    return Site(tmp_path, Ports.pick(list(plan.functions)), plan, real_weights=None)


def option(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


def test_every_function_of_the_topology_is_served_with_the_signature_that_its_caller_needs(
    site: Site,
) -> None:
    command = parts.commands(site, SOURCE)[parts.FUNCTIONS]
    served = [Function.of(word.partition("=")[2]) for word in command if word.startswith("--function=")]
    events = ("on_upload", "on_delete", "on_wake", "on_request", "on_align", "on_dead")
    called_by_events = dict.fromkeys(events, "cloudevent")
    signatures = {each.name: each.signature for each in served}
    assert signatures == called_by_events | {"on_sweep": "http", "on_compare": "http"}
    assert {each.name: each.port for each in served} == site.ports.functions


def test_the_trigger_has_a_part_that_delivers_as_the_topology_says(site: Site) -> None:
    command = list(parts.commands(site, SOURCE)["trigger-upload"])
    assert option(command, "--event-type") == "google.cloud.storage.object.v1.finalized"
    assert option(command, "--bucket") == "dropfold-in"
    assert option(command, "--url") == f"http://127.0.0.1:{site.ports.functions['on_upload']}/"
    assert option(command, "--max-delivery-attempts") == "10"
    assert option(command, "--dead-letter-topic") == "dropfold-dead"


def test_events_are_about_the_one_bucket_that_triggers_watch_or_about_all(site: Site) -> None:
    def watched(plan: topology.Topology) -> str:
        changed = Site(site.run_dir, site.ports, plan, real_weights=None)
        return option(list(parts.commands(changed, SOURCE)["storage"]), "-event.bucket")

    trigger = site.plan.triggers["upload"]
    of_output = trigger.model_copy(update={"bucket": "output"})
    more = site.plan.model_copy(update={"triggers": site.plan.triggers | {"output": of_output}})
    assert (watched(site.plan), watched(more)) == ("dropfold-in", "")


def test_only_functions_get_the_key_and_no_part_gets_that_of_the_caller(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/home/me/real-key.json")
    keys = {
        name: parts.part_env(site, name).get("GOOGLE_APPLICATION_CREDENTIALS")
        for name in parts.commands(site, SOURCE)
    }
    assert {name for name, key in keys.items() if key} == {parts.FUNCTIONS}
    assert {key for key in keys.values() if key} == {str(site.run_dir / "credentials.json")}
    assert "GOOGLE_APPLICATION_CREDENTIALS" not in parts.task_env(site, Path("weights"))


def test_the_caller_may_choose_how_many_workers_there_are(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MAX_WORKERS", raising=False)
    monkeypatch.setenv("JOBS_PER_WORKER", "7")
    env = parts.part_env(site, parts.FUNCTIONS)
    assert (env["MAX_WORKERS"], env["JOBS_PER_WORKER"]) == ("2", "7")


def test_the_small_model_gets_one_thread_and_few_steps_and_real_weights_the_product_s_defaults(
    site: Site,
) -> None:
    assert parts.task_env(site, Path("w")).items() >= parts.ONE_OF_TWO_WORKERS.items()
    assert parts.part_env(site, parts.FUNCTIONS)["DEFAULT_OPTIONS"] == parts.FEW_STEPS
    real = Site(site.run_dir, site.ports, site.plan, real_weights=Path("/weights"))
    assert real.weights == Path("/weights")
    assert not parts.ONE_OF_TWO_WORKERS.keys() & parts.task_env(real, real.weights).keys()
    assert "DEFAULT_OPTIONS" not in parts.part_env(real, parts.FUNCTIONS)


def test_real_weights_get_no_msa_server_unless_the_caller_names_one(site: Site) -> None:
    local = f"http://127.0.0.1:{site.ports.msa_server}"
    real = Site(site.run_dir, site.ports, site.plan, real_weights=Path("/weights"))
    named = replace(real, msa_server="https://msa.example")
    for each, url in ((site, local), (real, ""), (named, "https://msa.example")):
        started = [name for name in parts.commands(each, SOURCE) if name == parts.MSA_SERVER]
        assert bool(started) is (url == local)
        envs = (parts.part_env(each, parts.FUNCTIONS), parts.task_env(each, Path("w")))
        assert [env["MSA_SERVER_URL"] for env in envs] == [url, url]
    assert "on_align" not in topology.load(msa_server=False).functions


def test_the_service_is_a_part_only_where_jobs_are_pushed_to_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "service" not in parts.commands(site, SOURCE)
    assert "SERVICE_URL" not in parts.client_env(site)
    monkeypatch.setenv("GPU_WORKER_MODE", "sync")
    pushed = Site(site.run_dir, site.ports, site.plan, Path("/weights"), sync=parts.is_sync())
    assert list(parts.commands(pushed, SOURCE)["service"])[-1] == "worker.service"
    env = parts.part_env(pushed, "service")
    assert (env["BIND_ADDRESS"], env["PORT"]) == ("127.0.0.1", str(site.ports.service))
    asked = parts.part_env(pushed, parts.FUNCTIONS)
    assert asked["GPU_WORKER_URL"] == parts.client_env(pushed)["SERVICE_URL"]
    assert parts.part_env(pushed, parts.FUNCTIONS)["GPU_WORKER_MODE"] == "sync"


def test_a_mode_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_WORKER_MODE", "both")
    with pytest.raises(emulators.MissingError, match="GPU_WORKER_MODE=both"):
        parts.is_sync()


def test_weights_are_real_only_where_the_folder_that_the_caller_names_holds_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("BOLTZ_CACHE", raising=False)
    assert parts.real_weights() is None
    monkeypatch.setenv("BOLTZ_CACHE", str(tmp_path))
    assert parts.real_weights() is None
    (tmp_path / "boltz2_conf.ckpt").touch()
    assert parts.real_weights() == tmp_path


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("  work: {topic: t, ack_deadline: 60, retention: 600, acknowledge: 5}", "acknowledge"),
        ("  work: {topic: t, ack_deadline: 5, retention: 600}", "greater than or equal to 10"),
        ("  work: {topic: t, ack_deadline: 60, retention: 600, minimum_backoff: 1}", "come together"),
        ("  work: {topic: t, ack_deadline: 60, retention: 600, dead_letter_topic: d}", "come together"),
        ("  work: {topic: t, ack_deadline: 60, retention: 600, push: f, exactly_once: true}", "are pulled"),
    ],
)
def test_a_topology_that_says_what_pubsub_does_not_know_is_refused(
    wrong: str, says: str, tmp_path: Path
) -> None:
    file = tmp_path / "topology.yaml"
    file.write_text(f"topics: {{t: {{}}}}\ntriggers: {{}}\nschedules: {{}}\nsubscriptions:\n{wrong}\n")
    with pytest.raises(ValidationError, match=says):
        topology.load(file)
