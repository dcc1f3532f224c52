"""The Service over HTTP, with a predictor that writes small files of the right form, all else in memory."""

import io
import json
import socket
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import requests
from support.backbones import chain, codes, models
from support.fakes import MemoryBucket, a_job
from support.later import as_the_next
from support.paper import Hook, judged
from support.patience import HANG, until
from support.serving import PLACES, TYPES, YAML, Service, serving

from inputs.alignments import MsaServer
from inputs.read import MAX_INPUT_BYTES, read_input
from inputs.sampling import seed_of
from schemas.checks import ChecksReport, Verdict
from schemas.failure import PERMANENT, RETRYABLE, Code, FailedError, Failure
from schemas.job import State
from schemas.options import Options
from worker.alignments import Alignments
from worker.checks.run import Asking
from worker.web.app import create
from worker.web.problems import STATUSES
from worker.web.request import MAX_BODY_BYTES
from worker.web.response import Format, negotiated

FASTA = ">A|protein|empty\nNLYIQ\n"
WITH_MSA = YAML.replace("empty", "msas/trp.a3m")
MSA = b">q\nNLYIQ\n"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path / "work")
    with serving(create(made.service_state)) as made.served:
        yield made
    made.predictor.device._thread.shutdown()


@pytest.fixture
def together() -> Iterator[ThreadPoolExecutor]:
    """Clients that ask at the same time."""
    with ThreadPoolExecutor(PLACES * 2) as pool:
        yield pool


@pytest.fixture
def gate(service: Service) -> Iterator[Event]:
    """Hold predictions back until the test opens it; it opens at the test's end, so that no thread stays."""
    opened = Event()
    service.predictor.before = lambda _: opened.wait(HANG)
    yield opened
    opened.set()


ALONE = YAML.replace(", msa: empty", "")


def test_a_protein_without_msa_is_predicted_with_the_alignment_that_is_there(tmp_path: Path) -> None:
    kept, server, seen = MemoryBucket("alignments"), MsaServer("http://msa.example"), []
    made = Service(
        tmp_path / "work",
        alignments=Alignments(server, kept),
        read=partial(read_input, msa_service=True),
    )
    made.predictor.before = lambda path: seen.append((path.parent / "dropfold-0.csv").read_text())
    with serving(create(made.service_state)) as made.served:
        refused = error(made.post(body=ALONE), 422)
        assert (refused["code"], refused["field"]) == ("MISSING_REFERENCE", "body.sequences")
        assert "Drop the file into the input bucket" in refused["remedy"]
        kept.put(server.needed(["NLYIQ"]).unpaired[0], b">101\nNLYIQ\n>a\nNLYVQ\n")
        assert made.post(body=ALONE).status_code == 200
    made.predictor.device._thread.shutdown()
    assert seen == ["key,sequence\n-1,NLYIQ\n-1,NLYVQ"]


def problem(answer: requests.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    told = dict(answer.json())
    assert told["status"] == status
    assert told["title"]
    assert told["detail"]
    return told


def error(answer: requests.Response, status: int) -> dict[str, str]:
    [only] = problem(answer, status)["errors"]
    return dict(only)


def failing(code: Code) -> Hook:
    def fail(_input_file: Path) -> None:
        raise FailedError(Failure(code=code, message="It failed.", remedy="Do something else."))

    return fail


@pytest.mark.parametrize(("body", "kind"), [(YAML, "yaml"), (FASTA, "fasta")])
def test_an_input_is_answered_with_its_best_structure(service: Service, body: str, kind: str) -> None:
    answer = service.post(body=body, headers=TYPES[kind])
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("chemical/x-cif")
    assert answer.text.startswith("data_")
    assert answer.headers["Dropfold-Random-Weights"] == "true"
    assert answer.headers["Dropfold-Checks"] == "passed"
    assert len(answer.headers["Dropfold-Job-Id"]) == 16


def test_an_answer_is_the_best_structure_and_says_what_is_wrong_with_it(service: Service) -> None:
    service.check = lambda _asking: judged(Verdict.FAILED, Verdict.WARNINGS)
    answer = service.post("/predict?samples=2", headers={"Accept": "application/json"})
    checks = answer.json()["checks"]
    assert (checks["verdict"], checks["best"], answer.headers["Dropfold-Checks"]) == (
        "warnings",
        1,
        "warnings",
    )


def test_a_prediction_is_not_lost_to_its_checker(service: Service) -> None:
    def stumble(_asking: Asking) -> ChecksReport:
        raise KeyError("surprise")

    service.check = stumble
    answer = service.post()
    assert (answer.status_code, answer.headers["Dropfold-Checks"]) == (200, "unchecked")
    assert answer.text.startswith("data_")


def test_a_client_gets_the_form_that_it_accepts(service: Service) -> None:
    pdb = service.post(headers={"Accept": "chemical/x-pdb"})
    assert pdb.headers["Content-Type"].startswith("chemical/x-pdb")
    assert "ATOM" in pdb.text
    told = service.post("/predict?samples=2&seed=3", headers={"Accept": "application/json"}).json()
    assert told["scores"] == {"confidence_score": 0.5}
    assert (told["checks"]["verdict"], told["checks"]["best"]) == ("passed", 0)
    assert told["model"]["random_weights"] is True
    assert (told["options"]["seed"], told["options"]["samples"]) == (3, 2)
    assert told["timings"]["predict"] == 1.0
    texts = {file["name"]: file["text"] for file in told["files"]}
    assert texts["model_1.cif"].startswith("data_")
    assert texts["pae_model_0.npz"] is None
    archive = zipfile.ZipFile(io.BytesIO(service.post(headers={"Accept": "application/zip"}).content))
    assert archive.testzip() is None
    names = {f"{kind}_model_0.npz" for kind in ("plddt", "pae", "pde")}
    assert set(archive.namelist()) == names | {
        "model_0.cif",
        "confidence_model_0.json",
        "checks.json",
        "prediction.json",
    }
    assert json.loads(archive.read("prediction.json"))["model"]["random_weights"] is True


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("*/*", Format.CIF),
        ("", Format.CIF),
        ("text/html, */*;q=0.1", Format.CIF),
        ("application/*", Format.JSON),
        ("application/zip;q=0.9, application/json;q=0.8", Format.ZIP),
        ("chemical/x-cif;q=0, chemical/*", Format.PDB),
        ("text/html", None),
        ("application/json;q=x", None),
    ],
)
def test_accept_is_read_as_http_says(accept: str, form: Format | None) -> None:
    assert negotiated(accept, list(Format)) is form


def test_options_are_the_deployment_s_unless_asked_for_and_the_seed_is_the_job_s(service: Service) -> None:
    told = service.post("/predict?recycling_steps=1", headers={"Accept": "application/json"}).json()
    seed = seed_of(read_input("a.yaml", YAML.encode()))
    done = Options(sampling_steps=20, recycling_steps=1, seed=seed, potentials=False)
    assert told["options"] == done.model_dump()
    assert told["decided"] == {"potentials": "off: the weights are random"}
    assert service.predictor.seeds == [seed]


@pytest.mark.parametrize(("asked", "done"), [("true", True), ("false", False), ("auto", False)])
def test_potentials_are_as_asked_for_or_left_to_the_worker(service: Service, asked: str, done: bool) -> None:
    told = service.post(f"/predict?potentials={asked}", headers={"Accept": "application/json"}).json()
    assert (told["options"]["potentials"], bool(told["decided"])) == (done, asked == "auto")


def test_every_error_of_an_input_is_listed_with_its_remedy(service: Service) -> None:
    wrong = YAML.replace("NLYIQ", "nlyiq").replace("id: A", "id: AAAAAA")
    told = problem(service.post(body=wrong), 422)
    assert [each["field"] for each in told["errors"]] == [
        "sequences[0].protein.id",
        "sequences[0].protein.sequence",
    ]
    assert all(each["code"] == "INVALID_INPUT" and each["remedy"] for each in told["errors"])
    assert told["errors"][0]["value"] == "AAAAAA"
    assert service.predictor.seen == []


@pytest.mark.parametrize(
    ("query", "names"),
    [("samples=0&seed=x", {"query.samples", "query.seed"}), ("sampels=2", {"query.sampels"})],
)
def test_parameters_are_held_to_the_limits_of_the_options(
    service: Service, query: str, names: set[str]
) -> None:
    told = problem(service.post(f"/predict?{query}"), 422)
    assert {each["field"] for each in told["errors"]} == names


def test_what_cannot_be_an_input_is_refused_before_it_is_read(service: Service) -> None:
    assert error(service.post(headers={"Content-Type": "text/plain"}), 415)["code"] == "UNSUPPORTED_FILE"
    assert error(service.post(body="#" * (MAX_INPUT_BYTES + 1)), 413)["code"] == "TOO_LARGE"
    assert error(service.post(headers={"Accept": "text/html"}), 406)["field"] == "header.Accept"
    assert error(service.post("/predict?output_format=pdb", headers={"Accept": "chemical/x-cif"}), 406)
    two = YAML.replace("id: A", "id: AB")
    assert error(service.post(body=two, headers={"Accept": "chemical/x-pdb"}), 422)["value"] == "pdb"
    problem(service.post(headers={"Content-Type": "multipart/form-data"}), 400)
    problem(service.get("/nowhere"), 404)
    problem(service.get("/predict"), 405)


def parts(files: Mapping[str, bytes], body: str = WITH_MSA) -> list[tuple[str, tuple[str, Any]]]:
    sent = [("files", (name, content)) for name, content in files.items()]
    return [("input", ("any.yaml", body)), *sent]


def test_files_that_the_input_names_come_with_it(service: Service) -> None:
    looked = []

    def look(input_file: Path) -> None:
        looked.append((input_file.parent / "msas" / "trp.a3m").read_bytes())

    service.predictor.before = look
    answer = service.post(files=parts({"msas/trp.a3m": MSA}))
    assert answer.status_code == 200, answer.text
    service.uploads.put("run42/msas/trp.a3m", MSA)
    assert service.post("/predict?beside=gs://in/run42/", WITH_MSA).status_code == 200
    assert looked == [MSA, MSA]


def test_what_was_read_otherwise_of_a_file_is_told(service: Service) -> None:
    model = chain(codes("NLYIQ"))
    files = parts({"t.pdb": models(model, model).encode()}, f"{YAML}templates: [{{pdb: t.pdb}}]\n")
    told = service.post(files=files, headers={"Accept": "application/json"}).json()
    assert told["warnings"] == ["Of the template t.pdb the first of its 2 models was used."]


def test_no_name_from_outside_reaches_the_disk_unchecked(service: Service) -> None:
    missing = error(service.post(body=WITH_MSA), 422)
    assert (missing["code"], missing["value"]) == ("MISSING_REFERENCE", "msas/trp.a3m")
    for name in ("../trp.a3m", "/etc/passwd", "other.a3m"):
        files = parts({"msas/trp.a3m": MSA, name: b"x"})
        assert error(service.post(files=files), 422)["field"] == "body.files"
    outside = WITH_MSA.replace("msas/", "../")
    assert error(service.post(files=parts({"../trp.a3m": MSA}, outside)), 422)["code"] == "INVALID_INPUT"
    for folder in ("gs://other/run42/", "gs://in/../", "gs://in/run42", "run42/"):
        asked = service.post("/predict", WITH_MSA, params={"beside": folder})
        assert error(asked, 422)["field"] == "query.beside"
    assert error(service.post("/predict?beside=gs://in/run42/", WITH_MSA), 422)["code"] == "MISSING_REFERENCE"
    assert service.predictor.seen == []


@pytest.mark.parametrize(
    "sent",
    [
        [("input", ("a.yaml", YAML)), ("input", ("b.yaml", YAML))],
        [("input", (None, YAML))],
        [("files", ("trp.a3m", MSA))],
        [("input", ("a.yaml", YAML)), ("other", ("a.a3m", MSA))],
        [("input", ("a.yaml", YAML)), ("files", ("a.a3m", MSA)), ("files", ("a.a3m", MSA))],
    ],
)
def test_parts_that_nobody_understands_are_refused(service: Service, sent: list[Any]) -> None:
    assert error(service.post(files=sent), 422)["field"].startswith("body.")


def test_every_part_has_a_limit(service: Service) -> None:
    large = [("input", ("a.yaml", "#" * (MAX_INPUT_BYTES + 1)))]
    assert error(service.post(files=large), 413)["code"] == "TOO_LARGE"
    files = parts({"msas/trp.a3m": bytes(MAX_BODY_BYTES)})
    assert error(service.post(files=files), 413)["code"] == "TOO_LARGE"
    assert error(service.post(files=[("input", ("letter.txt", "hello"))]), 415)


def test_each_failure_that_is_final_has_its_status() -> None:
    assert set(STATUSES) == PERMANENT


@pytest.mark.parametrize("code", [*STATUSES, *sorted(RETRYABLE)])
def test_a_failure_is_answered_by_its_code(service: Service, code: Code) -> None:
    service.predictor.before = failing(code)
    told = error(service.post(), STATUSES.get(code, 503))
    assert (told["code"], told["remedy"]) == (code, "Do something else.")


def test_a_defect_is_told_without_its_details(service: Service) -> None:
    def surprise(_input_file: Path) -> None:
        raise KeyError("secret")

    service.predictor.before = surprise
    answer = service.post()
    assert problem(answer, 500)["job_id"] == answer.headers["Dropfold-Job-Id"]
    assert "secret" not in answer.text


def test_nothing_of_a_request_stays(service: Service) -> None:
    assert service.post().status_code == 200
    service.predictor.before = failing(Code.NO_OUTPUT)
    assert service.post().status_code == 500
    assert list(service.folder.iterdir()) == []
    assert len({path.parent for path in service.predictor.seen}) == 2


def test_ten_are_held_and_the_others_are_asked_to_come_again(
    service: Service, gate: Event, together: ThreadPoolExecutor
) -> None:
    held = [together.submit(service.post) for _ in range(PLACES)]
    until(lambda: service.service_state.queue._taken == PLACES)
    for _ in range(3):
        refused = service.post()
        problem(refused, 429)
        assert int(refused.headers["Retry-After"]) > 0
    gate.set()
    assert [each.result().status_code for each in held] == [200] * PLACES
    assert service.post().status_code == 200


def gone(service: Service) -> socket.socket:
    """Ask over a connection that can be broken off."""
    connection = socket.create_connection(("127.0.0.1", service.served.port))
    head = (
        f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: text/yaml\r\nContent-Length: {len(YAML)}\r\n\r\n"
    )
    connection.sendall(head.encode() + YAML.encode())
    return connection


def test_a_client_that_goes_away_frees_its_place_and_is_not_predicted_for(
    service: Service, gate: Event, together: ThreadPoolExecutor
) -> None:
    first = together.submit(service.post)
    until(lambda: len(service.predictor.seen) == 1)
    clients = [gone(service) for _ in range(PLACES - 1)]
    until(lambda: service.service_state.queue._taken == PLACES)
    for client in clients:
        client.close()
    until(lambda: service.service_state.queue._taken == 1)
    second = together.submit(service.post)
    gate.set()
    assert [first.result().status_code, second.result().status_code] == [200, 200]
    assert len(service.predictor.seen) == 2


def limit_requests(service: Service, seconds: float) -> None:
    object.__setattr__(service.service_state, "request_seconds", seconds)


def test_an_answer_that_takes_too_long_is_504_with_the_job_id(
    service: Service, gate: Event, together: ThreadPoolExecutor
) -> None:
    limit_requests(service, 0.3)
    answers: list[requests.Response] = []

    def is_begun() -> bool:
        """Ask; an input that is not ready for the device in time is not begun, and another is asked for."""
        answers.append(service.post())
        return bool(service.predictor.seen)

    until(is_begun)
    answers += [each.result() for each in [together.submit(service.post) for _ in range(4)]]
    assert len({problem(answer, 504)["job_id"] for answer in answers}) == len(answers)
    gate.set()
    until(lambda: not list(service.folder.iterdir()))
    assert len(service.predictor.seen) == 1  # the others were not begun: nobody waited any more


def test_a_dead_device_is_told_to_whoever_looks_and_asks(service: Service) -> None:
    assert [service.get(f"/healthz/{path}").status_code for path in ("live", "ready")] == [200, 200]
    service.predictor.before = failing(Code.CUDA_ERROR)
    answer = service.post()
    assert error(answer, 503)["code"] == "CUDA_ERROR"
    assert answer.headers["Retry-After"]
    for path in ("live", "ready"):
        problem(service.get(f"/healthz/{path}"), 503)
    problem(service.post(), 503)
    assert len(service.predictor.seen) == 1


def test_nothing_is_taken_until_the_model_is_loaded(service: Service) -> None:
    service.service_state.ready.clear()
    problem(service.get("/healthz/ready"), 503)
    assert service.get("/healthz/live").json() == {"status": "ok"}
    problem(service.post(), 503)


def test_who_leaves_takes_nothing_new_and_gives_up_after_the_grace(
    service: Service, gate: Event, together: ThreadPoolExecutor
) -> None:
    service.service_state.shutdown._grace = 0.3
    asked = together.submit(service.post)
    until(lambda: len(service.predictor.seen) == 1)
    service.served.call(service.service_state.shutdown.begin)
    until(lambda: service.service_state.shutdown.begun)
    problem(service.post(), 503)
    problem(service.get("/healthz/ready"), 503)
    problem(asked.result(), 503)
    gate.set()


def test_what_ends_within_the_grace_is_answered(
    service: Service, gate: Event, together: ThreadPoolExecutor
) -> None:
    asked = together.submit(service.post)
    until(lambda: len(service.predictor.seen) == 1)
    service.served.call(service.service_state.shutdown.begin)
    gate.set()
    assert asked.result().status_code == 200


def test_a_pushed_job_is_attempted_and_settled(service: Service) -> None:
    job = service.queue()
    answer = service.post(f"/jobs/{job.job_id}")
    assert answer.json() == {"job_id": job.job_id, "state": "SUCCEEDED"}
    receipt = json.loads(service.results.objects["run42/a/receipt.json"][1])
    assert (receipt["state"], receipt["worker"]) == ("SUCCEEDED", "service-1")
    assert [message.attributes["state"] for message in service.completions.messages] == ["SUCCEEDED"]
    assert service.post(f"/jobs/{job.job_id}").json()["state"] == "SUCCEEDED"
    assert len(service.predictor.seen) == 1


def test_a_job_is_pushed_in_vain_where_there_is_nothing_to_do(service: Service) -> None:
    service.ledger.create(a_job(State.RUNNING, job_id="b" * 16))
    assert service.post(f"/jobs/{'b' * 16}").json()["state"] == "RUNNING"
    problem(service.post(f"/jobs/{'c' * 16}"), 404)
    problem(service.post("/jobs/x"), 422)
    assert service.predictor.seen == []


def test_a_job_that_is_pushed_twice_at_once_is_attempted_once(
    service: Service, together: ThreadPoolExecutor
) -> None:
    job = service.queue()
    answers = list(together.map(service.post, [f"/jobs/{job.job_id}"] * 2))
    assert [answer.status_code for answer in answers] == [200, 200]
    assert (len(service.predictor.seen), service.ledger.only().attempt) == (1, 1)


def test_a_job_that_fails_in_passing_is_asked_for_again(service: Service) -> None:
    service.predictor.before = failing(Code.STORAGE_UNAVAILABLE)
    job = service.queue()
    assert service.post(f"/jobs/{job.job_id}").json()["state"] == "QUEUED"
    assert len(service.asked.messages) == 1


def test_a_job_on_a_dead_device_is_given_back_and_the_push_fails(service: Service) -> None:
    service.predictor.before = failing(Code.CUDA_ERROR)
    job = service.queue()
    problem(service.post(f"/jobs/{job.job_id}"), 503)
    assert service.state() is State.QUEUED
    assert len(service.asked.messages) == 1
    problem(service.get("/healthz/live"), 503)


def test_a_job_attempted_before_is_alone_in_hand(
    service: Service, gate: Event, together: ThreadPoolExecutor
) -> None:
    first = together.submit(service.post)
    until(lambda: len(service.predictor.seen) == 1)
    suspects = [service.queue(name, attempt=1) for name in "ab"]
    pushed = [together.submit(service.post, f"/jobs/{job.job_id}") for job in suspects]
    until(lambda: service.service_state.queue._taken == 3)
    assert service.service_state.jobs._held == set()
    gate.set()
    assert first.result().status_code == 200
    assert [each.result().json()["state"] for each in pushed] == ["SUCCEEDED"] * 2


def test_a_push_whose_time_is_up_goes_on_where_its_job_was_claimed_and_is_dropped_where_not(
    service: Service, gate: Event
) -> None:
    limit_requests(service, 0.3)
    first, second = service.queue("a"), service.queue("b")

    def is_claimed() -> bool:
        """Push; where the device was not reached in time, the job is dropped, and pushed again."""
        assert problem(service.post(f"/jobs/{first.job_id}"), 504)["job_id"] == first.job_id
        return bool(service.predictor.seen)

    until(is_claimed)
    assert problem(service.post(f"/jobs/{second.job_id}"), 504)["job_id"] == second.job_id
    gate.set()
    until(lambda: service.state("a") is State.SUCCEEDED)
    assert service.state("b") is State.QUEUED


def test_who_leaves_gives_claimed_jobs_back_and_claims_no_more(
    service: Service, gate: Event, together: ThreadPoolExecutor
) -> None:
    service.service_state.shutdown._grace = 0.3
    pushed: list[Future[requests.Response]] = []
    for name in "ab":
        job = service.queue(name)
        pushed.append(together.submit(service.post, f"/jobs/{job.job_id}"))
        until(lambda: service.service_state.queue._taken == len(pushed))
    until(lambda: State.RUNNING in {service.state("a"), service.state("b")})
    service.served.call(service.service_state.shutdown.begin)
    for push in pushed:
        problem(push.result(), 503)
    service.service_state.jobs.give_back()
    assert {service.state("a"), service.state("b")} == {State.QUEUED}
    assert len(service.asked.messages) == 1
    gate.set()


@pytest.mark.parametrize("change", [{"state": "HELD"}, {"options": {"step_scale": 1.5}}], ids=str)
def test_a_job_beyond_this_release_is_asked_to_come_again(
    service: Service, change: dict[str, object]
) -> None:
    job = service.queue()
    service.ledger.put(as_the_next(job) | change)
    told = problem(service.post(f"/jobs/{job.job_id}"), 503)
    assert f"cannot read the record of job {job.job_id}" in told["detail"]
    assert service.predictor.seen == []
