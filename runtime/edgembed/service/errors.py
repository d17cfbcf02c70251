"""What a request can be refused for, and how each API says so.

OpenAI   {"error": {"message", "type", "param", "code"}}
TEI      {"error", "error_type"}
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import msgspec

Dialect = Literal["openai", "tei"]


class Kind(NamedTuple):
    """A class of refusals.

    tei, openai: HTTP statuses in each API. name: TEI's error_type. type, code: OpenAI's.
    metric: the label `err` of te_request_failure.
    """

    tei: int
    openai: int
    name: str
    type: str
    code: str | None
    metric: str


_REQUEST = "invalid_request_error"
EMPTY = Kind(400, 400, "Empty", _REQUEST, None, "validation")
MALFORMED = Kind(400, 400, "Validation", _REQUEST, None, "validation")
VALIDATION = Kind(422, 400, "Validation", _REQUEST, None, "validation")
BATCH_SIZE = Kind(422, 400, "Validation", _REQUEST, None, "batch_size")
UNAUTHORIZED = Kind(401, 401, "Unauthorized", _REQUEST, "invalid_api_key", "unauthorized")
NOT_FOUND = Kind(404, 404, "NotFound", _REQUEST, "not_found", "not_found")
NO_MODEL = Kind(404, 404, "NotFound", _REQUEST, "model_not_found", "not_found")
METHOD = Kind(405, 405, "MethodNotAllowed", _REQUEST, "method_not_allowed", "not_found")
TOO_LARGE = Kind(413, 413, "Validation", _REQUEST, "request_too_large", "payload_size")
MEDIA = Kind(415, 415, "Validation", _REQUEST, "unsupported_media_type", "validation")
BACKEND = Kind(424, 424, "Backend", "server_error", "inference_failed", "inference")
OVERLOADED = Kind(429, 429, "Overloaded", "rate_limit_error", "overloaded", "overloaded")
INTERNAL = Kind(500, 500, "Backend", "server_error", "internal", "internal")
GONE = Kind(499, 499, "Cancelled", _REQUEST, "client_closed_request", "client_gone")
UNHEALTHY = Kind(503, 503, "Unhealthy", "server_error", "unavailable", "unavailable")


class OpenAIErrorDetail(msgspec.Struct):
    """What was wrong; `param` names the field."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class OpenAIError(msgspec.Struct):
    """OpenAI's error body."""

    error: OpenAIErrorDetail


class TEIError(msgspec.Struct):
    """TEI's error body."""

    error: str
    error_type: str


ERROR_TYPES: dict[Dialect, type] = {"openai": OpenAIError, "tei": TEIError}


class ServiceError(Exception):
    """A request that is refused, with the reason that the client is told."""

    def __init__(
        self, kind: Kind, message: str, param: str | None = None, retry_after: float | None = None
    ) -> None:
        """retry_after: seconds after which it is worth trying again."""
        super().__init__(message)
        self.kind, self.message, self.param = kind, message, param
        self.retry_after = retry_after

    def status(self, dialect: Dialect) -> int:
        """The HTTP status."""
        return self.kind.openai if dialect == "openai" else self.kind.tei

    def headers(self) -> dict[str, str]:
        """Headers that belong to the refusal."""
        if self.kind is UNAUTHORIZED:
            return {"www-authenticate": "Bearer"}
        if self.retry_after is not None:
            return {"retry-after": str(max(1, math.ceil(self.retry_after)))}
        return {}

    def body(self, dialect: Dialect) -> bytes:
        """The JSON body."""
        kind = self.kind
        if dialect == "openai":
            detail = OpenAIErrorDetail(self.message, kind.type, self.param, kind.code)
            return msgspec.json.encode(OpenAIError(detail))
        return msgspec.json.encode(TEIError(self.message, kind.name))


def given_up() -> ServiceError:
    """What is told of a request that was not done when the server had to end."""
    return ServiceError(UNHEALTHY, "the server shut down before this was done", retry_after=1)
