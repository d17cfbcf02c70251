"""uvicorn's HTTP protocol, bounded in time and in size, and strict about where a request ends.

uvicorn waits as long as the client likes, for a request and for the reading of its answer; it takes
heads and trailers of any length, and any number of requests at once. A thousand connections that
send a byte a second would stay for ever. And where a client asks for another protocol ("Upgrade:
h2c", as Java's own client does) it loses the request's body.

A request that is refused here ends its connection. What came whole before it is answered first, and
the refusal is then left unsaid: no client shall take one request's answer for another's.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from edgembed.server import log
from edgembed.server.framing import LARGEST_HEAD, fault, without_upgrade
from edgembed.server.reader import SlowReader
from edgembed.server.system import has_input, set_no_delay

_MOST_PIPELINED = 128  # requests that wait on one connection for the answers before theirs


def _answer(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".encode()


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, request_timeout: float, *args: Any, **kwargs: Any) -> None:
        """request_timeout: seconds from a request's first byte, or the connection, to its last."""
        super().__init__(*args, **kwargs)
        self._request_timeout = request_timeout
        self._due: float | None = None  # when the request that is coming in has to be whole
        self._clock: asyncio.TimerHandle | None = None
        self._reader: SlowReader
        self._in_head = self._in_body = False
        self._ended = False  # nothing that comes in is looked at any more
        self._unfinished = 0  # bytes of a head, or of chunk sizes and trailers, without an end
        self._counted = True  # whether all that came in last belongs to these
        self._upgrading = False
        self._last_call = False
        self._running: Any = None  # the cycle that is to answer next

    # --- the connection

    def connection_made(self, transport: Any) -> None:
        """The first request is due from now on."""
        super().connection_made(transport)
        set_no_delay(transport)
        self._reader = SlowReader(transport, self.loop, self._request_timeout)
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is due any more."""
        self._ended = True
        if self._clock is not None:
            self._clock.cancel()
        self._reader.stop()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Close when all is answered, also what has come but was not read yet."""
        self._last_call = True
        if self._owes_answer() or not has_input(self.transport):
            super().shutdown()

    # --- what comes in

    def data_received(self, data: bytes) -> None:
        """Parse what came, and refuse a head that goes on and on."""
        if self._ended:
            return
        self._unset_keepalive_if_required()
        if self._due is None and not self._owes_answer():
            self._start_clock()  # blank lines between requests shall not keep the connection
        self._counted = True
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self._refuse("400 Bad Request")
        if self._counted and (self._in_head or self._in_body):
            self._unfinished += len(data)
            if self._unfinished > LARGEST_HEAD:
                self._refuse("431 Request Header Fields Too Large")
        if self._last_call:
            super().shutdown()
        elif self._due is None and not self._owes_answer():
            self._rest()

    def _rest(self) -> None:
        """Wait for the next request, as uvicorn does after an answer.

        An answer that went out before its request was whole, a refusal, leaves that undone: the
        rest of the request ends the wait.
        """
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def _feed(self, data: bytes) -> None:
        while True:
            try:
                return self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                if self._ended:
                    return None
                rest = data[upgrade.args[0] :]
                data = without_upgrade(*self._head()) + rest
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn

    def _head(self) -> tuple[bytes, bytes, str, list[tuple[bytes, bytes]]]:
        return (
            self.parser.get_method(),
            self.url,
            self.parser.get_http_version(),
            self.headers,
        )

    def on_message_begin(self) -> None:
        """The clock runs until the request is whole."""
        if self._ended:
            return
        if len(self.pipeline) >= _MOST_PIPELINED:
            self._refuse("503 Service Unavailable")
            return
        super().on_message_begin()
        self._unfinished, self._in_head = 0, True
        if not self._upgrading:
            self._start_clock()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Trailers are no headers, and not kept."""
        if self._in_head and not self._ended:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Refuse what should not go on."""
        if self._ended:
            return
        status = fault(*self._head())
        if status is not None:
            self._refuse(status)
            return
        self._upgrading = self.parser.should_upgrade()
        if self._upgrading:
            return  # httptools gives up after this head: see _feed
        self._in_head, self._in_body = False, True
        super().on_headers_complete()
        if self.expect_100_continue:
            # Whether a body follows a refusal is for the client to choose, and not to be told from
            # the next request.
            self.cycle.keep_alive = False

    def on_chunk_header(self) -> None:
        """Chunks may be many."""
        self._counted, self._unfinished = False, 0

    def on_body(self, body: bytes) -> None:
        """Nothing is left to do for a request that was refused."""
        self._counted, self._unfinished = False, 0
        if not self._ended:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole; what follows is the service's time."""
        if self._ended or self._upgrading:
            return
        self._counted = self._in_body = False
        self._stop_clock()
        super().on_message_complete()

    # --- what goes out

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """All is handed over: see that the client takes it."""
        if self.pipeline and self._due is not None:
            self._start_clock()  # the next one was not read while it waited for this answer
        super().on_response_complete()
        self._reader.watch()

    def _owes_answer(self) -> bool:
        return self._running is not None and not self._running.response_complete

    # --- the end

    def _start_clock(self) -> None:
        self._due = self.loop.time() + self._request_timeout
        if self._clock is None:
            self._clock = self.loop.call_at(self._due, self._look_at_clock)

    def _stop_clock(self) -> None:
        """The timer runs on, for the requests to come: one for each took too long to make."""
        self._due = None

    def _look_at_clock(self) -> None:
        self._clock = None
        if self._due is None:
            return
        if self._due > self.loop.time():
            self._clock = self.loop.call_at(self._due, self._look_at_clock)
        else:
            self._due = None
            self._too_late()

    def _too_late(self) -> None:
        if self.pipeline:
            self._start_clock()  # uvicorn has stopped reading until what is before it is answered
        else:
            self._refuse("408 Request Timeout")

    def _refuse(self, status: str) -> None:
        """End the connection because of the request that is coming in."""
        if self._ended or self.transport.is_closing():
            return
        log.event("connection refused", status=status)
        self._ended = True
        self._stop_clock()
        faulty: Any = self.cycle if self._in_body else None
        if self.pipeline and self.pipeline[0][0] is faulty:
            self.pipeline.popleft()
        last = self.pipeline[0][0] if self.pipeline else self._running
        unbegun = last is None or (last is faulty and not last.response_started)
        if last is not None and not unbegun and not last.response_complete:
            last.keep_alive = False  # and so its end closes the connection
            return
        if unbegun or last is not faulty:
            self.transport.write(_answer(status))
        self.transport.close()
