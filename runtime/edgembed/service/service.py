"""The service: requests in, responses out, and no I/O.

Whoever carries the bytes (an ASGI server, a serverless handler) does for each request

    exchange = service.open(method, path, headers)      what can be refused before the body is read
    exchange.begin(body)                                what can be refused before it is tokenised
    ... waits for exchange.future ...
    response = exchange.response()                      always one, never an exception

or all at once, blocking: service.handle(method, path, headers, body).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from concurrent.futures import wait
from threading import Lock
from typing import Any

from edgembed.service import info, openai
from edgembed.service.errors import OVERLOADED, UNAUTHORIZED, UNHEALTHY, ServiceError, given_up
from edgembed.service.exchange import Exchange
from edgembed.service.http import Response
from edgembed.service.model import Model
from edgembed.service.tasks import Piece, Task
from edgembed.service.workers import Batch, Workers
from edgembed.threads import available_threads

_REMEMBERED = 0.95  # what a new text leaves of the mean of those before it
# How many times as long as that mean a text may count: a process that was suspended for a minute
# must not refuse everybody for the next one.
_MOST_SURPRISE = 4
# The cost of a text that is not tokenised yet: its characters, as far as they may count, and a few
# for what every text costs.
_CHARACTERS_PER_TOKEN, _EVERY_TEXT = 4, 20
# For each refusal one of several workers rests so long. The refusal itself takes a third of it; but
# where a CPU is free for the loop only when a text has ended, refusals wait for one another.
_REFUSAL_SECONDS = 0.001
_WARM_UP = "How long does a text take on this machine? " * 4


class Service:
    """One model behind the routes. Safe to share between threads."""

    def __init__(self, model: Model, workers: int | None = None) -> None:
        """workers: texts run at once (default: the threads that this process may use)."""
        self.model = model
        self.settings = model.settings
        self.workers = Workers(workers or available_threads())
        self._lock = Lock()
        self._active = 0
        self._longest = _CHARACTERS_PER_TOKEN * self.model.manifest.max_seq_length
        self._unit_seconds = self._warm_up()
        self._draining = False

    def _warm_up(self) -> float:
        """Seconds that a unit of cost takes; the first text is slower than those after it."""
        batch = self.workers.submit(self.model.runner("", len), [_WARM_UP, _WARM_UP])
        batch.future.result()
        return min(batch.run_seconds) / self._cost([_WARM_UP])

    def _cost(self, texts: Sequence[str]) -> float:
        """What one of the texts costs, on average."""
        return _EVERY_TEXT + sum(min(len(text), self._longest) for text in texts) / len(texts)

    def open(self, method: str, path: str, headers: Mapping[str, str]) -> Exchange:
        """Begin a request; header names are in lower case."""
        return Exchange(self, method, path, headers)

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Response:
        """A whole request, blocking."""
        exchange = self.open(method, path, headers)
        try:
            exchange.begin(body)
            if exchange.future is not None:
                wait([exchange.future])
            return exchange.response()
        finally:
            exchange.close()

    def authorize(self, header: str) -> None:
        """ServiceError unless an Authorization header holds one of the keys, where there are any.

        A key alone will do, without "Bearer ": so LlamaIndex sends it. All keys are compared, each
        in constant time.
        """
        if not self.settings.api_keys:
            return
        scheme, _, rest = header.partition(" ")
        given = (rest if scheme.lower() == "bearer" else header).strip().encode("utf-8", "replace")
        same = [hmac.compare_digest(given, key.encode()) for key in self.settings.api_keys]
        if not any(same):
            raise ServiceError(UNAUTHORIZED, "missing or wrong API key in the Authorization header")

    def check_ready(self) -> None:
        """ServiceError while it drains, or where there is no room for one more request."""
        if self._draining:
            raise ServiceError(UNHEALTHY, "the server is shutting down", retry_after=1)
        if self._active >= self.settings.max_concurrent_requests:
            raise self._overload(1)

    def submit(self, task: Task) -> Batch[Piece]:
        """Put a task in line; each one is to be followed by a `done`. ServiceError: no room."""
        ahead = self.workers.ahead_of(len(task.texts)) * self._unit_seconds / self.workers.count
        late = ahead - self.settings.max_queue_time
        if late > 0:
            raise self._overload(late)
        with self._lock:
            self.check_ready()
            batch = self.workers.submit(task.run, task.texts, self._cost(task.texts))
            self._active += 1
        return batch

    def _overload(self, retry_after: float) -> ServiceError:
        """The refusal, and the room that it takes: refusing is to stay quick beside the workers."""
        self.workers.make_room(_REFUSAL_SECONDS)
        return ServiceError(
            OVERLOADED, "the model is overloaded: try again", retry_after=retry_after
        )

    def done(self, batch: Batch[Piece], task: Task) -> None:
        """Count a task's end, and learn from it how long texts take."""
        succeeded = batch.future.done() and batch.future.exception() is None
        with self._lock:
            self._active -= 1
            if succeeded and task.learn:
                texts = len(task.texts)
                kept = _REMEMBERED**texts
                mean = sum(batch.run_seconds) / texts / batch.cost
                mean = min(mean, _MOST_SURPRISE * self._unit_seconds)
                self._unit_seconds = kept * self._unit_seconds + (1 - kept) * mean

    def drain(self) -> None:
        """From now on new requests are refused; those in work go on."""
        self._draining = True

    def abandon(self) -> None:
        """Refuse what is still in work as well."""
        self.drain()
        self.workers.cancel_all(given_up())

    def close(self) -> None:
        """End the workers."""
        self.abandon()
        self.workers.close()

    def models(self) -> bytes:
        """GET /v1/models."""
        return openai.models(self.model)

    def one_model(self, name: str) -> bytes:
        """GET /v1/models/{model}."""
        return openai.one_model(self.model, name)

    def info(self) -> bytes:
        """GET /info."""
        return info.info(self.model, self.workers.count)

    def health(self) -> bytes:
        """GET /health."""
        if self._draining or not self.workers.are_alive():
            raise ServiceError(UNHEALTHY, "unhealthy")
        return b""

    def tell(self, name: str, *variables: str) -> bytes:
        """The answer of a route that needs no worker; variables: of its path."""
        teller: Any = getattr(self, name)
        told: bytes = teller(*variables)
        return told
