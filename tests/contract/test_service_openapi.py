"""The committed OpenAPI document is what the Service serves, and its times fit those around it."""

from pathlib import Path

from functions.settings import LaunchSettings
from gcp.pubsub import GIVE_BACK_SECONDS
from local import topology
from schemas.options import Options
from tools.openapi import text
from worker import drain
from worker.settings import ServiceSettings
from worker.web.app import create

DOCUMENT = Path(__file__).parents[2] / "schemas" / "v1" / "service.openapi.json"


def test_the_committed_document_is_the_service_s() -> None:
    # When this fails: `make schemas`, and commit what it wrote, if callers of today can go on as they are.
    assert DOCUMENT.read_text() == text()


def test_every_option_is_a_parameter_with_its_limits() -> None:
    parameters = create().openapi()["paths"]["/predict"]["post"]["parameters"]
    told = {each["name"]: each["schema"] for each in parameters}
    limits = Options.model_json_schema()["properties"]
    assert set(told) == {*limits, "beside"}
    for name, schema in limits.items():
        assert {key: value for key, value in schema.items() if key != "default"}.items() <= told[name].items()


def test_each_waits_longer_than_whom_it_waits_for() -> None:
    service = ServiceSettings.model_fields["request_seconds"].default
    function = LaunchSettings.model_fields["gpu_worker_seconds"].default
    deadline = topology.load().subscriptions["launch"].ack_deadline
    assert service + 30 <= function
    assert function + 60 <= deadline


def test_what_is_done_on_the_way_out_fits_between_cloud_run_s_sigterm_and_its_sigkill() -> None:
    from worker import no_gc, service  # noqa: PLC0415  they import without collecting garbage

    no_gc.collect_again()
    job = drain.GRACE_SECONDS + GIVE_BACK_SECONDS
    pushed = ServiceSettings.model_fields["grace_seconds"].default + service.LAST_SECONDS
    assert max(job, pushed) < 10
