"""Errors of Google's clients, each in one line for a person."""

import re
from urllib.parse import urlsplit

from google.api_core.exceptions import (
    Forbidden,
    GoogleAPICallError,
    GoogleAPIError,
    NotFound,
    ServiceUnavailable,
)
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, RefreshError
from requests.exceptions import ConnectionError as NoConnectionError
from requests.exceptions import RequestException

ERRORS = (GoogleAPIError, GoogleAuthError, RequestException)
LONGEST = 300
ASKED = re.compile(r"^[A-Z]+ https?://\S+: ")


def explained(error: Exception) -> str:
    """Return what went wrong, and what to do about it."""
    match error:
        case DefaultCredentialsError() | RefreshError():
            remedy = "run `gcloud auth application-default login`"
        case Forbidden():
            remedy = "ask the project's owner for the right, or choose another project"
        case NotFound():
            remedy = "compare the names in the environment with the project"
        case ServiceUnavailable() | RequestException():
            remedy = "see whether the network, or for a local stack `make up`, is still there"
        case _:
            remedy = "try again"
    return f"{said(error)} ({type(error).__name__}): {remedy}; `dropfold doctor` looks at each part."


def said(error: Exception) -> str:
    """Return the first line of what an error says, without the address that was asked."""
    if isinstance(error, NoConnectionError) and error.request:
        return f"no connection to {urlsplit(str(error.request.url)).netloc}"
    text = error.message if isinstance(error, GoogleAPICallError) else str(error)
    first = next(iter((text or "it gives no reason").splitlines()))
    return ASKED.sub("", first)[:LONGEST].rstrip(".")
