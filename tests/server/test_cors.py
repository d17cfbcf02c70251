"""What a browser lets pages of other origins do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from serving import Server

PAGE, OTHER = "http://page.example", "http://other.example"


@pytest.fixture(scope="module")
def shared(start: Callable[..., Any], frida: Path) -> Iterator[Server]:
    with start(frida, "--cors-allow-origin", f"{PAGE}, http://second.example", API_KEY="k") as own:
        yield own


def preflight(server: Server, origin: str) -> Any:
    asked = {
        "origin": origin,
        "access_control_request_method": "POST",
        "access_control_request_headers": "authorization,content-type",
    }
    return server.ask("OPTIONS", "/v1/embeddings", **asked)


def test_a_page_may_ask_first_and_then_read_all_headers(shared: Server) -> None:
    asked = preflight(shared, PAGE)  # which a browser sends without the key
    assert asked.status == 200
    assert asked.headers["access-control-allow-origin"] == PAGE
    assert asked.headers["access-control-allow-headers"] == "authorization,content-type"
    cut = {"inputs": "слово " * 200}
    answer = shared.post("/embed", cut, origin=PAGE, authorization="Bearer k")
    assert (answer.status, answer.headers["x-truncated-texts"]) == (200, "1")
    assert answer.headers["access-control-expose-headers"] == "*"
    refused = shared.post("/embed", cut, origin=PAGE)
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (401, PAGE)


def test_no_other_page_may(shared: Server, server: Server) -> None:
    for own, origin in ((shared, OTHER), (server, PAGE)):
        for answer in (preflight(own, origin), own.post("/embed", {"inputs": "a"}, origin=origin)):
            assert "access-control-allow-origin" not in answer.headers
