"""Pages for people, and the OpenAPI document; nothing in them is fetched from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgembed.server.docs import render
from edgembed.service.http import JSON
from edgembed.service.openapi import document
from edgembed.service.service import Service

_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


def pages(service: Service) -> list[Route]:
    """/docs, /playground, and the document under TEI's path and the usual one."""
    described = document(service.model)
    openapi = msgspec.json.encode(described)
    return [
        _fixed("/openapi.json", openapi, {"content-type": JSON}),
        _fixed("/api-doc/openapi.json", openapi, {"content-type": JSON}),
        _page("/docs", render(described)),
        _page("/playground", _playground()),
    ]


def _playground() -> str:
    """The page with its style and script inside."""
    static = files("edgembed.server") / "static"
    html, style, script = (
        static.joinpath(f"playground.{kind}").read_text("utf-8") for kind in ("html", "css", "js")
    )
    return html.replace("{{style}}", style).replace("{{script}}", script)


def _page(path: str, html: str) -> Route:
    headers = {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": _policy(html),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
    }
    return _fixed(path, html.encode(), headers)


def _fixed(path: str, body: bytes, headers: dict[str, str]) -> Route:
    async def show(_: Request) -> Response:
        return Response(body, headers=headers)

    return Route(path, show)


def _policy(html: str) -> str:
    """The browser runs this page's own scripts and styles, and talks to this server only."""
    hashes: dict[str, list[str]] = {"script": [], "style": []}
    for name, content in _INLINE.findall(html):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        hashes[name].append(f"'sha256-{digest}'")
    allowed = [f"{name}-src {' '.join(own)}" for name, own in hashes.items() if own]
    rest = ["default-src 'none'", "connect-src 'self'", "img-src data:", "base-uri 'none'"]
    return "; ".join([*rest, "form-action 'none'", "frame-ancestors 'none'", *allowed])
