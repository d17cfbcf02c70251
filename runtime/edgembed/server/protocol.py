"""uvicorn's HTTP protocol, bounded in time and in size.

uvicorn waits for a request as long as the client likes, and takes headers of any length: a
thousand connections that send a byte a second would stay for ever.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD = 32 * 1024  # bytes of request line and headers


def _answer(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".encode()


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, request_timeout: float, *args: Any, **kwargs: Any) -> None:
        """request_timeout: seconds from a request's first byte, or the connection, to its last."""
        super().__init__(*args, **kwargs)
        self._request_timeout = request_timeout
        self._deadline: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._in_head = True

    def connection_made(self, transport: Any) -> None:
        """The first request is due from now on."""
        super().connection_made(transport)
        # asyncio sets it only where the listening socket was made with IPPROTO_TCP spelled out;
        # without it a client's delayed ACK holds every response's body back for 40 ms.
        own: socket.socket = transport.get_extra_info("socket")
        own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is due any more."""
        self._stop_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and refuse a head that goes on and on."""
        super().data_received(data)
        if self._in_head and self._deadline is not None:
            self._head_bytes += len(data)
            if self._head_bytes > LARGEST_HEAD:
                self._refuse("431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        """The clock runs until the request is whole."""
        super().on_message_begin()
        self._head_bytes, self._in_head = 0, True
        self._start_clock()

    def on_headers_complete(self) -> None:
        """A head that came in one piece may be too large as well."""
        self._in_head = False
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > LARGEST_HEAD:
            self._refuse("431 Request Header Fields Too Large")
        if not self.transport.is_closing():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Nothing is left to do for a request that was refused."""
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole; what follows is the service's time."""
        self._stop_clock()
        if not self.transport.is_closing():
            super().on_message_complete()

    def _start_clock(self) -> None:
        self._stop_clock()
        self._deadline = self.loop.call_later(self._request_timeout, self._too_late)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        if self.transport.is_closing():
            return
        if self.cycle is not None and self.cycle.response_started:
            self.transport.close()
        else:
            self._refuse("408 Request Timeout")

    def _refuse(self, status: str) -> None:
        if not self.transport.is_closing():
            self.transport.write(_answer(status))
            self.transport.close()
