"""What the Service's OpenAPI document promises holds, for data that it allows and data that it forbids.

The predictor writes small files of the right form. Which text is an input is more than a schema can say, so
that a request within the schema may be refused; the document's examples may not.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import positive_data_acceptance
from support.paper import PaperPredictor
from support.patience import HANG
from support.serving import Service, serving

from worker.web.app import create
from worker.web.request import SUFFIXES

DOCUMENT = json.loads((Path(__file__).parents[2] / "schemas" / "v1" / "service.openapi.json").read_text())
EXAMPLES = 40
EXAMPLE_RESIDUES = 20  # of the inputs that the document gives as examples
schema = schemathesis.openapi.from_dict(DOCUMENT)
load_all_checks()


@schemathesis.serializer(*SUFFIXES)
def as_text(_context: Any, value: Any) -> Any:  # noqa: ANN401  whatever was generated, a text where valid
    return value.encode(errors="surrogatepass") if isinstance(value, str) else str(value).encode()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    service = Service(tmp_path_factory.mktemp("work"), PaperPredictor(residues=EXAMPLE_RESIDUES))
    service.queue("a")
    with serving(create(service.service_state)) as served:
        yield served.url


def test_the_document_is_served(url: str) -> None:
    assert requests.get(f"{url}/openapi.json", timeout=HANG).json() == DOCUMENT


@schema.parametrize()
@settings(max_examples=EXAMPLES, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_service_keeps_what_its_document_promises(case: "schemathesis.Case[Any]", url: str) -> None:
    case.call_and_validate(base_url=url, timeout=HANG, excluded_checks=[positive_data_acceptance])
