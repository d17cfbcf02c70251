"""Who is let in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from serving import Server

KEYS = ("first-key-1", "second-key-2")


@pytest.fixture(scope="module")
def guarded(
    start: Callable[..., Any], frida: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    path = tmp_path_factory.mktemp("keys") / "keys"
    path.write_text("\n".join(KEYS) + "\n\n")
    with start(frida, "--api-key-file", str(path)) as server:
        yield server


@pytest.mark.parametrize(
    "header", [*(f"Bearer {key}" for key in KEYS), f"bearer {KEYS[0]}", KEYS[1]]
)
def test_any_key_opens(guarded: Server, header: str) -> None:
    assert guarded.post("/embed", {"inputs": "a"}, authorization=header).status == 200
    assert guarded.get("/v1/models", authorization=header).status == 200


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", f"Bearer {KEYS[0]}x", f"Basic {KEYS[0]}",
     f"Bearer {KEYS[0][:-1]}", "Bearer \u00e9\u00e9"],
)  # fmt: skip
@pytest.mark.parametrize(
    ("path", "body"), [("/v1/embeddings", {"input": "a"}), ("/embed", {"inputs": "a"})]
)
def test_nothing_else_does(
    guarded: Server, header: str | None, path: str, body: dict[str, str]
) -> None:
    headers = {} if header is None else {"authorization": header}
    answer = guarded.post(path, body, **headers)
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    if path.startswith("/v1"):
        assert answer.json["error"]["code"] == "invalid_api_key"
    else:
        assert answer.json["error_type"] == "Unauthorized"


def test_a_wrong_key_is_refused_before_the_body_counts(guarded: Server) -> None:
    assert guarded.post("/embed", b"{").status == 401
    assert guarded.post("/embed", b"{", authorization=KEYS[0]).status == 400


@pytest.mark.parametrize(
    "path", ["/health", "/", "/metrics", "/docs", "/openapi.json", "/playground"]
)
def test_open_to_all(guarded: Server, path: str) -> None:
    assert guarded.get(path).status == 200


def test_the_document_says_that_a_key_is_needed(guarded: Server, server: Server) -> None:
    document = guarded.get("/openapi.json").json
    assert document["paths"]["/embed"]["post"]["security"] == [{"key": []}]
    assert "security" not in document["paths"]["/health"]["get"]
    assert "securitySchemes" not in server.get("/openapi.json").json["components"]
