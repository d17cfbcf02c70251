"""AWS Lambda's events as requests, and answers as each kind of caller wants them.

version "2.0"     a Function URL, or an HTTP API of API Gateway
httpMethod        a REST API of API Gateway, or an HTTP API with payload format 1.0
neither           a plain invoke: the event is a request's body itself

Source: docs.aws.amazon.com, "Create AWS Lambda proxy integrations for HTTP APIs in API Gateway",
"Lambda proxy integrations in API Gateway", "Lambda quotas".
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from edgembed.errors import ArgumentError, InferenceError
from edgembed.service.errors import (
    BACKEND,
    INTERNAL,
    OVERLOADED,
    TOO_LARGE,
    UNHEALTHY,
    ServiceError,
)
from edgembed.service.http import JSON, Response
from edgembed.service.routes import dialect

LARGEST_ANSWER = 6 * 2**20  # bytes of the JSON that Lambda passes on
_MOST_ESCAPED = 6  # bytes of that JSON for one byte of a body
_AROUND = 4096  # bytes of it for status and headers
_NOT_JSON = b"\xff"
_DONE = 200
_OURS = (BACKEND.metric, INTERNAL.metric, OVERLOADED.metric, UNHEALTHY.metric)


class Request(NamedTuple):
    """What the service is to be asked. Header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


def http_request(event: Any) -> Request | None:
    """The request of a Function URL's or an API Gateway's event; None of a plain invoke.

    ArgumentError for an event that is one of these by half.
    """
    if not isinstance(event, dict) or "requestContext" not in event:
        return None
    try:
        method, path = _target(event)
        # A REST API leaves names as they came.
        headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        if any(not isinstance(part, str) for part in (method, path, *headers.values())):
            raise TypeError("method, path and headers are texts")
        return Request(method, path, headers, _body(event))
    except (KeyError, TypeError, AttributeError) as error:
        raise ArgumentError(
            f"the event is no Function URL's, and none of a proxy integration of API Gateway: "
            f"{error!r}"
        ) from error


def _target(event: Mapping[str, Any]) -> tuple[str, str]:
    """Method and path."""
    if event.get("version") == "2.0":
        context = event["requestContext"]
        return context["http"]["method"], _without_stage(event["rawPath"], context.get("stage"))
    return event["httpMethod"], event["path"]


def _without_stage(path: str, stage: str | None) -> str:
    """An HTTP API's path begins with the stage's name, unless that is $default."""
    own = f"/{stage}"
    return path[len(own) :] or "/" if f"{path}/".startswith(f"{own}/") else path


def _body(event: Mapping[str, Any]) -> bytes:
    """The body's bytes; what cannot be decoded is no JSON either, which the service will say."""
    body = event.get("body") or ""
    try:
        return (
            base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
        )
    except ValueError:
        return _NOT_JSON


def plain_request(event: Any, keys: Sequence[str]) -> Request:
    """The request of a plain invoke, whose event is a body of OpenAI's or of TEI's.

    keys: of which it needs none, as who may invoke a function is IAM's to say. ArgumentError where
    the event is neither body.
    """
    fields = event if isinstance(event, dict) else {}
    if "input" in fields:
        path = "/v1/embeddings"
    elif isinstance(fields.get("inputs"), dict):
        path = "/similarity"
    elif "inputs" in fields:
        path = "/embed"
    else:
        raise ArgumentError(
            'the event is no request: send {"input": ...} as to OpenAI\'s /v1/embeddings, '
            '{"inputs": ...} as to TEI\'s /embed or /similarity, or an event of API Gateway'
        )
    headers = {"content-type": JSON}
    if keys:
        headers["authorization"] = keys[0]
    return Request("POST", path, headers, json.dumps(event).encode())


def bounded(request: Request, response: Response) -> Response:
    """The response, or a refusal in its place where Lambda would not pass it on."""
    body = response.body
    # Looked at closely only where it may be: what counts is the body as a JSON string.
    if len(body) * _MOST_ESCAPED < LARGEST_ANSWER - _AROUND:
        return response
    if len(json.dumps(body.decode())) < LARGEST_ANSWER - _AROUND:
        return response
    message = f"the answer has more than Lambda's {LARGEST_ANSWER} bytes: send fewer texts"
    error, own = ServiceError(TOO_LARGE, message), dialect(request.path)
    headers = {"content-type": JSON, "x-request-id": response.record.request_id}
    record = replace(response.record, status=error.status(own), error=error.kind.metric)
    return Response(record.status, error.body(own), record, headers)


def http_answer(response: Response) -> dict[str, Any]:
    """What a Function URL and API Gateway send on."""
    return {
        "statusCode": response.status,
        "headers": dict(response.headers),
        "body": response.body.decode(),
        "isBase64Encoded": False,
    }


def plain_answer(response: Response) -> Any:
    """The answer's JSON as values; a refusal is raised, so that the invocation fails.

    ArgumentError with what is wrong with the event, InferenceError with what is wrong here.
    """
    told = json.loads(response.body)
    if response.status == _DONE:
        return told
    error = told["error"]  # OpenAI's is an object, TEI's a text
    message = error["message"] if isinstance(error, dict) else error
    raise (InferenceError if response.record.error in _OURS else ArgumentError)(message)
