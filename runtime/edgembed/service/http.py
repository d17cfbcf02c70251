"""Requests and responses as plain values, whatever carries them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

JSON = "application/json"


class TextRecord(NamedTuple):
    """One text that was embedded: its tokens, and the seconds that it took."""

    tokens: int
    tokenization_seconds: float
    queue_seconds: float
    inference_seconds: float


@dataclass
class Record:
    """What may be counted and logged of a request: figures and names, never a text or a key."""

    method: str
    route: str  # the path of a route that is there, or "unknown"
    request_id: str
    input: Literal["single", "batch"] | None = None
    status: int = 0
    error: str | None = None  # the label `err` of te_request_failure
    texts: int = 0
    characters: int = 0
    tokens: int = 0
    truncated: int = 0
    total_seconds: float = 0.0
    tokenization_seconds: float = 0.0  # these three are means over the texts, as TEI's are
    queue_seconds: float = 0.0
    inference_seconds: float = 0.0
    each: list[TextRecord] = field(default_factory=list)  # where the texts were embedded


@dataclass(frozen=True)
class Response:
    """A whole answer. Header names are in lower case.

    defect: an error that no one foresaw, for the log.
    """

    status: int
    body: bytes
    record: Record
    headers: Mapping[str, str] = field(default_factory=dict)
    defect: BaseException | None = None
