"""Structured logs: a line a request, of figures and names; never a text, a key or a query."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
import threading
import traceback
import warnings
from datetime import datetime, timezone
from typing import TextIO

from edgembed.service.http import Record

logger = logging.getLogger("edgembed.server")
_FIELDS = "fields"


def configure(as_json: bool) -> None:
    """Send all logs and warnings to stderr, as JSON lines or for people to read."""
    handler = Gathered(sys.stderr)
    handler.setFormatter(_JsonLines() if as_json else _Readable())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logger.setLevel(logging.INFO)
    for name in ("uvicorn", "asyncio"):  # at their finest levels they tell headers, with the keys
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.showwarning = _warning
    threading.excepthook = _thread_failure


class Gathered(logging.StreamHandler[TextIO]):
    """Writes the lines of one turn of an event loop with one call, and all others at once.

    Under overload a turn has dozens of lines, and each call lets another thread have Python.
    """

    def __init__(self, stream: TextIO) -> None:
        """Nothing is written yet."""
        super().__init__(stream)
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line until the loop has nothing else to do, or write it."""
        try:
            self._lines.append(self.format(record) + self.terminator)
        except Exception:
            self.handleError(record)
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
            return
        if len(self._lines) == 1:
            loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what is kept. Where nobody reads any more there is nobody to tell."""
        with self.lock or contextlib.nullcontext(), contextlib.suppress(OSError, ValueError):
            lines, self._lines = self._lines, []
            self.stream.write("".join(lines))
            super().flush()


def _warning(message: Warning | str, *_: object, **__: object) -> None:
    logger.warning("%s", message)


def _thread_failure(args: threading.ExceptHookArgs) -> None:
    logger.error("a thread has ended", exc_info=args.exc_value)


def event(message: str, **fields: object) -> None:
    """Log what the server does."""
    logger.info(message, extra={_FIELDS: fields})


def request(record: Record) -> None:
    """Log one request; seconds become milliseconds."""
    if not logger.isEnabledFor(logging.INFO):
        return
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
    # As logger.info, but without a look for the line of ours that it is called from.
    logger.handle(
        logger.makeRecord(
            logger.name, logging.INFO, "", 0, "request", (), None, extra={_FIELDS: fields}
        )
    )


def failure(error: BaseException, request_id: str) -> None:
    """Log a defect."""
    fields = {"request_id": request_id}
    logger.error("internal error", exc_info=error, extra={_FIELDS: fields})


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """A line's own fields; of an error its kind and where it arose, as its words may quote a text.

    So for whatever is logged with an error, by other libraries too.
    """
    fields: dict[str, object] = dict(getattr(record, _FIELDS, {}))
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        fields["error"] = type(error).__name__
        fields["frames"] = [
            f"{frame.filename}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)
        ]
    return fields


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "timestamp": datetime.fromtimestamp(record.created, timezone.utc).isoformat(),
            "level": record.levelname.lower(),
            "target": record.name,
            "message": record.getMessage().rstrip(),
            **_fields(record),
        }
        return json.dumps(line, ensure_ascii=False, default=str)


class _Readable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, timezone.utc).isoformat(
            timespec="milliseconds"
        )
        told = " ".join(f"{name}={value}" for name, value in _fields(record).items())
        return f"{time} {record.levelname:7} {record.getMessage().rstrip()} {told}".rstrip()
