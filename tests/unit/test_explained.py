"""What the command says of errors of Google's clients: in one line, with what to do about it."""

import pytest
from google.api_core.exceptions import Forbidden, GoogleAPICallError, NotFound, ServiceUnavailable
from google.auth.exceptions import DefaultCredentialsError, RefreshError
from requests import ConnectionError as NoConnectionError

from gcp.errors import explained

LOGIN = "gcloud auth application-default login"


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (DefaultCredentialsError("None found."), LOGIN),
        (RefreshError("Reauthentication is needed."), LOGIN),
        (Forbidden("403 Missing permission."), "ask the project's owner"),
        (NotFound("404 No such bucket."), "compare the names in the environment"),
        (ServiceUnavailable("503 Later."), "see whether the network"),
        (NoConnectionError("refused"), "`make up`"),
        (GoogleAPICallError("500 Ouch."), "try again"),
    ],
)
def test_an_error_is_explained_with_its_remedy(error: Exception, remedy: str) -> None:
    line = explained(error)
    assert remedy in line
    assert line.endswith("`dropfold doctor` looks at each part.")


def test_only_the_first_line_is_said_and_no_error_is_without_a_reason() -> None:
    assert explained(NotFound("No such bucket.\nTraceback")).startswith("No such bucket (NotFound): ")
    assert explained(RefreshError("")).startswith("it gives no reason (RefreshError): ")
