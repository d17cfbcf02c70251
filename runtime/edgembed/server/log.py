"""Structured logs: a line a request, of figures and names; never a text, a key or a query."""

from __future__ import annotations

import json
import logging
import sys
import traceback
import warnings
from datetime import datetime, timezone

from edgembed.service.http import Record

logger = logging.getLogger("edgembed.server")
_FIELDS = "fields"


def configure(as_json: bool) -> None:
    """Send all logs and warnings to stderr, as JSON lines or for people to read."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if as_json else _Readable())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logger.setLevel(logging.INFO)
    warnings.showwarning = _warning


def _warning(message: Warning | str, *_: object, **__: object) -> None:
    logger.warning("%s", message)


def event(message: str, **fields: object) -> None:
    """Log what the server does."""
    logger.info(message, extra={_FIELDS: fields})


def request(record: Record) -> None:
    """Log one request; seconds become milliseconds."""
    seconds = {
        "total": record.total_seconds,
        "queue": record.queue_seconds,
        "inference": record.inference_seconds,
    }
    fields: dict[str, object] = {
        "method": record.method,
        "route": record.route,
        "status": record.status,
        "texts": record.texts,
        "tokens": record.tokens,
        "truncated": record.truncated,
        **{f"{name}_ms": round(1000 * value, 3) for name, value in seconds.items()},
        "request_id": record.request_id,
    }
    if record.error is not None:
        fields["error"] = record.error
    logger.info("request", extra={_FIELDS: fields})


def failure(error: BaseException, request_id: str) -> None:
    """Log a defect: the kind of the error and where it arose, as its words may quote a text."""
    frames = [
        f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)
    ]
    fields = {"error": type(error).__name__, "frames": frames, "request_id": request_id}
    logger.error("internal error", extra={_FIELDS: fields})


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "timestamp": datetime.fromtimestamp(record.created, timezone.utc).isoformat(),
            "level": record.levelname.lower(),
            "target": record.name,
            "message": record.getMessage(),
            **getattr(record, _FIELDS, {}),
        }
        return json.dumps(line, ensure_ascii=False, default=str)


class _Readable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, timezone.utc).isoformat(
            timespec="milliseconds"
        )
        fields = getattr(record, _FIELDS, {})
        told = " ".join(f"{name}={value}" for name, value in fields.items())
        return f"{time} {record.levelname:7} {record.getMessage()} {told}".rstrip()
