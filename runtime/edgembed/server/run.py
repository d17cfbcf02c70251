"""Starting the server, and ending it well."""

from __future__ import annotations

import math
import signal
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from edgembed.errors import ArgumentError
from edgembed.server import log
from edgembed.server.app import application
from edgembed.server.protocol import BoundedProtocol
from edgembed.server.system import lower_priority, raise_file_limit
from edgembed.service.service import Service

_LAST_WORDS = 1  # seconds for the answers to what is given up; then the process ends all the same
_BACKLOG = 2048


@dataclass(frozen=True)
class Address:
    """Where to listen; port 0: any that is free."""

    host: str
    port: int

    def bind(self) -> socket.socket:
        """A listening socket. ArgumentError where that is not possible."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            return socket.create_server((self.host, self.port), family=family, backlog=_BACKLOG)
        except (OSError, OverflowError, TypeError, ValueError) as error:
            raise ArgumentError(
                f"cannot listen on {self.host} port {self.port} ({error}): choose others with "
                "--host and --port"
            ) from error


def serve(
    service: Service,
    listening: socket.socket,
    request_timeout: float = 12.0,
    drain_time: float = 8.0,
    cors_origins: Sequence[str] = (),
) -> None:
    """Answer requests until SIGTERM or SIGINT; returns when all accepted ones are answered.

    request_timeout: seconds for a request to come in whole. drain_time: seconds that accepted ones
    may take after the signal; then they are answered with 503.
    """
    raise_file_limit()
    lower_priority(service.workers.thread_ids())
    app = application(service, cors_origins)
    server = _Server(_config(app, request_timeout, drain_time), service, drain_time)

    def end_early(number: int, frame: FrameType | None) -> None:
        if not server.started:
            server.handle_exit(number, frame)

    # For signals before uvicorn looks out for them; and when it is done it raises them once more,
    # which would look like a crash.
    handlers = {s: signal.signal(s, end_early) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        _log_start(service, listening)
        server.run([listening])
    finally:
        service.close()
        for number, handler in handlers.items():
            signal.signal(number, handler)
    log.event("stopped")


def _config(app: ASGIApp, request_timeout: float, drain_time: float) -> uvicorn.Config:
    protocol: Any = partial(BoundedProtocol, request_timeout)
    return uvicorn.Config(
        app,
        http=protocol,
        loop="asyncio",
        lifespan="off",
        ws="none",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing here asks who the client is
        timeout_keep_alive=75,  # longer than clients and proxies keep theirs: they close first
        timeout_graceful_shutdown=math.ceil(drain_time) + _LAST_WORDS,
    )


def _log_start(service: Service, listening: socket.socket) -> None:
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    log.event(
        "listening",
        url=f"http://{shown}:{port}",
        model=service.model.name,
        dtype=service.model.engine.dtype,
        workers=service.workers.count,
    )


class _Server(uvicorn.Server):
    """Tells the service when it is time to end."""

    def __init__(self, config: uvicorn.Config, service: Service, drain_time: float) -> None:
        super().__init__(config)
        self._service, self._drain_time = service, drain_time

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """New requests are refused at once; those in work have drain_time."""
        self._service.drain()
        timer = threading.Timer(self._drain_time, self._service.abandon)
        timer.daemon = True
        timer.start()
        super().handle_exit(sig, frame)
