"""The ASGI application: bytes to the service and back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from edgembed.server import log
from edgembed.server.metrics import Metrics
from edgembed.server.pages import pages
from edgembed.service.errors import GONE, ServiceError, given_up
from edgembed.service.exchange import Exchange, check_size
from edgembed.service.http import Response as Answer
from edgembed.service.service import Service

_PATIENCE = 0.1  # seconds before a client that waits is looked after


def application(service: Service, cors_origins: Sequence[str] = ()) -> ASGIApp:
    """The routes of the service, /metrics, and the pages."""
    metrics = Metrics(service)

    def show_metrics(_: Request) -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    told = Starlette(routes=[Route("/metrics", show_metrics), *pages(service)])
    places = {route.path for route in told.routes if isinstance(route, Route)}
    endpoint = _Endpoint(service, metrics)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # Not all by Starlette's router: it would take a tenth of the time of a refusal.
        is_told = scope["path"] in places and scope["method"] in ("GET", "HEAD")
        await (told if is_told else endpoint)(scope, receive, send)

    if not cors_origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=cors_origins,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["*"],  # x-truncated-texts and retry-after are for pages, too
    )


class _Endpoint:
    """Whatever the service answers, with any method."""

    def __init__(self, service: Service, metrics: Metrics) -> None:
        self._service, self._metrics = service, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, then count and log it."""
        headers = {n.decode("latin-1"): v.decode("latin-1") for n, v in reversed(scope["headers"])}
        exchange = self._service.open(scope["method"], scope["path"], headers)
        try:
            await self._work(exchange, receive)
            answer = exchange.response()
        finally:
            exchange.close()
        await _send(answer, send)
        self._metrics.observe(answer.record, exchange.route is not None and exchange.route.embeds)
        log.request(answer.record)
        if answer.defect is not None:
            log.failure(answer.defect, answer.record.request_id)

    async def _work(self, exchange: Exchange, receive: Receive) -> None:
        try:
            body = b"" if exchange.refused else await self._body(receive)
            exchange.begin(body)
            await _settled(exchange, receive)
        except ServiceError as error:
            exchange.refuse(error)
        except ClientDisconnect:
            exchange.refuse(ServiceError(GONE, "the client has gone"))
        except asyncio.CancelledError:  # uvicorn waits no longer: see run
            exchange.refuse(given_up())

    async def _body(self, receive: Receive) -> bytes:
        chunks, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            check_size(size, self._service.settings.payload_limit)
            more = message.get("more_body", False)
        return b"".join(chunks)


async def _send(answer: Answer, send: Send) -> None:
    """As Starlette's Response does, with less in between: a refusal should cost little."""
    headers = {**answer.headers, "content-length": str(len(answer.body))}
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    await send({"type": "http.response.body", "body": answer.body})


async def _settled(exchange: Exchange, receive: Receive) -> None:
    """Wait until the exchange can be answered; ClientDisconnect: nobody waits for it any more.

    Most are answered before it is worth looking whether the client is still there.
    """
    if exchange.future is None:
        return
    loop = asyncio.get_running_loop()
    settled: asyncio.Future[None] = loop.create_future()
    watching: list[asyncio.Task[None]] = []

    def settle(*_: object) -> None:
        if not settled.done():
            settled.set_result(None)

    def watch() -> None:
        watching.append(loop.create_task(_gone(receive)))
        watching[0].add_done_callback(settle)

    exchange.future.add_done_callback(lambda _: loop.call_soon_threadsafe(settle))
    timer = loop.call_later(_PATIENCE, watch)
    try:
        await settled
    finally:
        timer.cancel()
        for task in watching:
            task.cancel()
    if not exchange.future.done():
        raise ClientDisconnect


async def _gone(receive: Receive) -> None:
    """Returns when the client has closed the connection; its request is whole already."""
    await receive()
