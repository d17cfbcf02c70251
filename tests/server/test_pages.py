"""The OpenAPI document and the pages made of it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from edgembed.service.routes import ROUTES
from serving import Server


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_the_document_has_every_route(server: Server) -> None:
    document = server.get("/openapi.json").json
    assert document == server.get("/api-doc/openapi.json").json  # TEI's name for it
    shown = {(route.path, route.method.lower()) for route in ROUTES if not route.hidden}
    described = {(path, m) for path, methods in document["paths"].items() for m in methods}
    assert described == shown
    schemas = document["components"]["schemas"]
    assert references(document) <= {f"#/components/schemas/{name}" for name in schemas}
    embeddings = document["paths"]["/v1/embeddings"]["post"]
    assert {"400", "401", "408", "413", "415", "424", "429", "503"} <= set(embeddings["responses"])
    many = schemas["EmbeddingsRequest"]["properties"]["input"]["anyOf"][-1]
    assert (many["minItems"], many["maxItems"]) == (1, 2048)
    limit = server.get("/info").json["max_client_batch_size"]
    (several,) = [
        part
        for part in schemas["EmbedRequest"]["properties"]["inputs"]["anyOf"]
        if part["type"] == "array"
    ]
    assert several["maxItems"] == limit


def test_the_documents_examples_of_types_hold(server: Server) -> None:
    """Every field that a response has is in the document, and the other way round."""
    document = server.get("/openapi.json").json
    schemas = document["components"]["schemas"]
    for path, schema in (("/info", "Info"), ("/v1/models", "ModelsResponse")):
        assert set(server.get(path).json) == set(schemas[schema]["properties"])
    body = server.post("/v1/embeddings", {"input": "a"}).json
    assert set(body) == set(schemas["EmbeddingsResponse"]["properties"])
    body = server.post("/playground/compare", {"texts": ["a"]}).json
    assert set(body) == set(schemas["CompareResponse"]["properties"])
    assert set(body["texts"][0]) == set(schemas["ComparedText"]["properties"])


@pytest.mark.parametrize("path", ["/docs", "/playground"])
def test_pages_fetch_nothing_from_elsewhere(server: Server, path: str) -> None:
    answer = server.get(path)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    page = answer.body.decode()
    linked = re.findall(r"""(?:src|href|action)=["']([^"']*)|url\(([^)]*)\)|(https?://\S+)""", page)
    for found in linked:
        address = "".join(found)
        assert address.startswith(("/", "#", "data:,")) or address == ""
        assert not address.startswith("//")


def test_the_docs_page_tells_every_route(server: Server) -> None:
    page = server.get("/docs").body.decode()
    assert "{{" not in page
    for route in ROUTES:
        if not route.hidden:
            assert f"<code>{route.path}</code>" in page
    for field in ("encoding_format", "prompt_name", "truncation_direction", "add_special_tokens"):
        assert f"<code>{field}</code>" in page
