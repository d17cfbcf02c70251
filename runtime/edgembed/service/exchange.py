"""One request on its way through the service."""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import Future
from random import getrandbits
from statistics import fmean
from time import perf_counter
from typing import TYPE_CHECKING

from edgembed.errors import InferenceError
from edgembed.service.codec import decode
from edgembed.service.errors import (
    BACKEND,
    INTERNAL,
    MEDIA,
    METHOD,
    NOT_FOUND,
    TOO_LARGE,
    ServiceError,
)
from edgembed.service.http import JSON, Record, Response, TextRecord
from edgembed.service.openai import explain
from edgembed.service.routes import BY_PATH, DECODERS, Route, dialect, find
from edgembed.service.tasks import Piece, Task
from edgembed.service.workers import Batch

if TYPE_CHECKING:
    from edgembed.service.service import Service

_REQUEST_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)
_READING = ("GET", "HEAD")
_METHODS = (*_READING, "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Exchange:
    """A request from its head to its response. Whoever opened it closes it."""

    def __init__(
        self, service: Service, method: str, path: str, headers: Mapping[str, str]
    ) -> None:
        """Look at the head; what is wrong with it becomes the response."""
        self._service, self._began = service, perf_counter()
        self.dialect = dialect(path)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else f"{getrandbits(128):032x}"
        self.record = Record(method if method in _METHODS else "unknown", "unknown", request_id)
        self.route: Route | None = None
        self._variables: list[str] = []  # of the path
        self._body = b""
        self._task: Task | None = None
        self._batch: Batch[Piece] | None = None
        self.error: BaseException | None = None
        self._headers: dict[str, str] = {}
        try:
            self._check_head(method, path, headers)
        except Exception as error:  # a defect is answered and logged as well, by `response`
            self.error = error

    @property
    def refused(self) -> bool:
        """Whether the body need not be read any more."""
        return self.error is not None

    @property
    def future(self) -> Future[list[Piece]] | None:
        """Done when `response` may be called; None: at once."""
        return None if self._batch is None else self._batch.future

    def begin(self, body: bytes) -> None:
        """Check the body and put its texts in line."""
        if self.refused or self.route is None:
            return
        try:
            self._begin(self.route, body)
        except Exception as error:  # as above
            self.error = error

    def refuse(self, error: BaseException) -> None:
        """Let `response` say that this went wrong, unless something else did before."""
        self.error = self.error or error

    def response(self) -> Response:
        """The answer, whatever happened."""
        if self.error is None:
            try:
                body, status, defect = self._answer(), 200, None
            except BaseException as error:  # all that goes wrong is answered
                self.error = error
        if self.error is not None:
            body, status, defect = self._refusal(self.error)
        self.record.status = status
        self.record.total_seconds = perf_counter() - self._began
        self._headers["x-request-id"] = self.record.request_id
        if body:
            self._headers["content-type"] = JSON
        if status == 200 and self._task is not None:
            self._headers.update(_figures(self.record))
        return Response(status, body, self.record, self._headers, defect)

    def close(self) -> None:
        """Nobody waits any more: what has not begun is not run."""
        # It knows the frames that it came through, and they know the exchange: in a circle, of
        # thirty objects a refusal, that only the garbage collector would find.
        self.error = None
        if self._batch is not None and self._task is not None:
            if not self._batch.future.done():
                self._service.workers.cancel(self._batch, ServiceError(INTERNAL, "abandoned"))
            self._service.done(self._batch, self._task)
            self._batch = None

    def _check_head(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        path, self._variables = find(path)
        methods = BY_PATH.get(path)
        if methods is None:
            raise ServiceError(NOT_FOUND, f"no such path; there are {', '.join(BY_PATH)}")
        self.record.route = path
        route = methods.get("GET" if method in _READING else method)
        if route is None:
            self._headers["allow"] = ", ".join(methods)
            raise ServiceError(METHOD, f"{path} takes {', '.join(methods)}")
        if not route.public:
            self._service.authorize(headers.get("authorization", ""))
        if route.takes is not None:
            self._service.check_ready()
            _check_body_headers(headers, self._service.settings.payload_limit)
        self.route = route

    def _begin(self, route: Route, body: bytes) -> None:
        if route.work is None:
            self._body = self._service.tell(route.tells, *self._variables)
            return
        check_size(len(body), self._service.settings.payload_limit)
        try:
            request = decode(DECODERS[route.takes], body)
        except ServiceError as error:
            raise (explain(body, error) if self.dialect == "openai" else error) from None
        task = route.work(self._service.model, request)
        self.record.input = "single" if task.single else "batch"
        self.record.texts = len(task.texts)
        self.record.characters = sum(map(len, task.texts))
        self._batch, self._task = self._service.submit(task), task

    def _refusal(self, error: BaseException) -> tuple[bytes, int, BaseException | None]:
        """Body and status; and the error where no one foresaw it, for the log."""
        refusal = _as_service_error(error)
        self.record.error = refusal.kind.metric
        self._headers.update(refusal.headers())
        defect = error if refusal.kind is INTERNAL else None
        return refusal.body(self.dialect), refusal.status(self.dialect), defect

    def _answer(self) -> bytes:
        if self._batch is None or self._task is None:
            return self._body
        pieces = self._batch.future.result(0)
        _count(self.record, self._batch, pieces)
        return self._task.finish(pieces)


def check_size(size: int, limit: int) -> None:
    """ServiceError for a body of more bytes than the limit."""
    if size > limit:
        raise ServiceError(TOO_LARGE, f"the body has more than {limit} bytes: send fewer texts")


def _check_body_headers(headers: Mapping[str, str], limit: int) -> None:
    media = headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if media != JSON and not media.endswith("+json"):
        raise ServiceError(MEDIA, "send JSON, with  Content-Type: application/json")
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise ServiceError(MEDIA, "send the body as it is, without a Content-Encoding")
    length = headers.get("content-length", "0")
    check_size(int(length) if length.isdecimal() and len(length) < 20 else 0, limit)


def _as_service_error(error: BaseException) -> ServiceError:
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, InferenceError):
        return ServiceError(BACKEND, str(error))
    return ServiceError(INTERNAL, "internal error: the server's log has more")


def _count(record: Record, batch: Batch[Piece], pieces: list[Piece]) -> None:
    record.each = [
        TextRecord(
            piece.tokens, piece.tokenization_seconds, queue, run - piece.tokenization_seconds
        )
        for piece, queue, run in zip(pieces, batch.queue_seconds, batch.run_seconds, strict=True)
    ]
    record.tokens = sum(piece.tokens for piece in pieces)
    record.truncated = sum(piece.truncated for piece in pieces)
    record.tokenization_seconds = fmean(text.tokenization_seconds for text in record.each)
    record.queue_seconds = fmean(text.queue_seconds for text in record.each)
    record.inference_seconds = fmean(text.inference_seconds for text in record.each)


def _figures(record: Record) -> dict[str, str]:
    """TEI's headers; and how many texts were cut, where any were."""
    seconds = {
        "total": record.total_seconds,
        "tokenization": record.tokenization_seconds,
        "queue": record.queue_seconds,
        "inference": record.inference_seconds,
    }
    headers = {f"x-{name}-time": str(round(1000 * value)) for name, value in seconds.items()}
    headers["x-compute-type"] = "cpu"
    headers["x-compute-time"] = headers["x-total-time"]
    headers["x-compute-characters"] = str(record.characters)
    headers["x-compute-tokens"] = str(record.tokens)
    # TEI's are whole milliseconds, of which a short text takes one or two: here are parts of them.
    headers["server-timing"] = ", ".join(f"{n};dur={1000 * v:.3f}" for n, v in seconds.items())
    if record.truncated:
        headers["x-truncated-texts"] = str(record.truncated)
    return headers
