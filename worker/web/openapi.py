"""The OpenAPI document beside the types: bodies, answers, problems."""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from inputs.read import MAX_INPUT_BYTES
from schemas.checks import Verdict
from worker.web.problems import MEDIA_TYPE, Problem
from worker.web.request import FILES, INPUT, MULTIPART, SUFFIXES
from worker.web.response import Format, Prediction

DESCRIPTION = """\
Boltz-2 over HTTP: an input in, its structure out. Every error is a problem (RFC 9457) with all reasons, each
with code, field, value and remedy. `docs/service.md` has examples."""

EXAMPLE = {
    ".yaml": "sequences:\n- protein: {id: A, sequence: NLYIQWLKDGGPSSGRPPPS, msa: empty}\n",
    ".fasta": ">A|protein|empty\nNLYIQWLKDGGPSSGRPPPS\n",
}
COMPONENTS = "#/components/schemas/{model}"
WHYS: Mapping[int, str] = {
    400: "The body is not the multipart that it says it is.",
    404: "No job has this id.",
    406: "Nothing that can be answered is accepted.",
    413: "The body, or a file that it refers to, is too large.",
    415: "The body is no Boltz-2 input.",
    422: "The input or a parameter cannot be used; every reason is listed.",
    429: "Every place in the queue is taken.",
    500: "The model ended without a whole result, or the Service failed.",
    503: "This instance cannot serve the request; another may.",
    504: "The answer took too long.",
}
_ABOUT = {
    "Dropfold-Job-Id": {"description": "Finds the request in the logs.", "schema": {"type": "string"}},
    "Dropfold-Random-Weights": {
        "description": "`true`: the model has random weights, the result means nothing.",
        "schema": {"enum": ["true", "false"]},
    },
    "Dropfold-Checks": {
        "description": "Verdict on the structures; the JSON form says why.",
        "schema": {"enum": list(Verdict)},
    },
}
_AGAIN = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    content = {MEDIA_TYPE: {"schema": {"$ref": COMPONENTS.format(model="Problem")}}}
    return {
        status: {"description": WHYS[status], "content": content}
        | ({"headers": _AGAIN} if status in {429, 503} else {})
        for status in statuses
    }


def _text(suffix: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": MAX_INPUT_BYTES}
    return {"schema": schema, "example": EXAMPLE[suffix]}


_BINARY = {"type": "string", "contentMediaType": "application/octet-stream"}
_PARTS = {
    "type": "object",
    "required": [INPUT],
    "properties": {
        INPUT: _BINARY | {"description": "The input; its file name or media type tells YAML from FASTA."},
        FILES: {
            "type": "array",
            "items": _BINARY,
            "description": "Files that the input names, each with that name as its file name.",
        },
    },
}
_ANSWERS = {
    Format.CIF.value: {"schema": {"type": "string", "description": "The best structure."}},
    Format.PDB.value: {"schema": {"type": "string", "description": "The best structure."}},
    Format.JSON.value: {"schema": {"$ref": COMPONENTS.format(model="Prediction")}},
    Format.ZIP.value: {"schema": _BINARY | {"description": "All files."}},
}

PREDICT: dict[str, Any] = {
    "responses": {
        200: {"description": "Predicted.", "content": _ANSWERS, "headers": _ABOUT},
        **_problems(400, 406, 413, 415, 422, 429, 500, 503, 504),
    },
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {kind: _text(suffix) for kind, suffix in SUFFIXES.items()}
            | {MULTIPART: {"schema": _PARTS}},
        }
    },
}
JOB: dict[str, Any] = {"responses": _problems(404, 422, 429, 500, 503, 504)}
HEALTH: dict[str, Any] = {"responses": _problems(503)}


def document(app: FastAPI, described: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Describe an app, with the models that are told of by hand."""
    if app.openapi_schema is None:
        schema = described()
        told: Any = [(Problem, "serialization"), (Prediction, "serialization")]
        _, definitions = models_json_schema(told, ref_template=COMPONENTS)
        schema["components"]["schemas"] |= definitions["$defs"]
        schema["components"]["schemas"] = dict(sorted(schema["components"]["schemas"].items()))
        app.openapi_schema = schema
    return app.openapi_schema
