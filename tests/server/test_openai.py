"""OpenAI's routes, over a real connection."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgembed import Embedder
from serving import Server

TEXTS = ["Кошка сидит на окне.", "The cat sits at the window.", "a", "   ", "слово " * 200]


@pytest.fixture
def model(embedder: Callable[..., Embedder]) -> Embedder:
    return embedder("tiny-frida", "int8")


def vectors(answer: Any) -> np.ndarray:
    assert answer.status == 200, answer.body
    items = answer.json["data"]
    assert [item["index"] for item in items] == list(range(len(items)))
    return np.array([item["embedding"] for item in items], np.float32)


@pytest.mark.filterwarnings("ignore::edgembed.TruncationWarning")
def test_floats_are_encodes_bits(server: Server, model: Embedder) -> None:
    answer = server.post("/v1/embeddings", {"input": TEXTS, "model": "any"})
    assert vectors(answer).tobytes() == model.encode(TEXTS).tobytes()
    body = answer.json
    assert list(body) == ["object", "data", "model", "usage"]
    assert body["object"] == "list"
    assert body["data"][0]["object"] == "embedding"
    prompted = [model.prompts[model.default_prompt_name or ""] + text for text in TEXTS]
    tokens = int(model.tokenize(prompted)["attention_mask"].sum())
    assert body["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}
    assert answer.headers["x-truncated-texts"] == "1"


def test_base64_is_little_endian_float32(server: Server, model: Embedder) -> None:
    body = server.post("/v1/embeddings", {"input": "кот", "encoding_format": "base64"}).json
    raw = base64.b64decode(body["data"][0]["embedding"])
    assert raw == model.encode("кот").astype("<f4").tobytes()


def test_one_text_and_a_list_of_one(server: Server) -> None:
    one = server.post("/v1/embeddings", {"input": "кот"}).json
    assert one == server.post("/v1/embeddings", {"input": ["кот"]}).json
    assert one == server.post("/embeddings", {"input": ["кот"]}).json  # TEI's other name for it


@pytest.mark.parametrize("dimensions", [1, 7, 47, 48])
def test_dimensions(server: Server, model: Embedder, dimensions: int) -> None:
    got = vectors(server.post("/v1/embeddings", {"input": TEXTS[:3], "dimensions": dimensions}))
    if dimensions < model.dimension:
        expected = model.encode(TEXTS[:3], truncate_dim=dimensions, normalize_embeddings=True)
    else:
        expected = model.encode(TEXTS[:3])
    assert got.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("fields", "arguments"),
    [
        ({"prompt_name": "search_query"}, {"prompt_name": "search_query"}),
        ({"prompt_name": "query"}, {"prompt_name": "query"}),
        ({"input_type": "query"}, {"prompt_name": "search_query"}),
        ({"input_type": "document"}, {"prompt_name": "search_document"}),
        ({"input_type": "passage"}, {"prompt_name": "search_document"}),
        ({"input_type": "categorize_topic"}, {"prompt_name": "categorize_topic"}),
        ({"prompt": ""}, {"prompt": ""}),
        ({"prompt": "so: ", "prompt_name": "query"}, {"prompt": "so: "}),
        ({"prompt_name": None, "user": "me", "unknown": [1]}, {}),
    ],
)
def test_prompts(
    server: Server, model: Embedder, fields: dict[str, Any], arguments: dict[str, str]
) -> None:
    got = vectors(server.post("/v1/embeddings", {"input": TEXTS[:2], **fields}))
    assert got.tobytes() == model.encode(TEXTS[:2], **arguments).tobytes()


def test_a_model_without_normalize_is_normalised(
    start: Callable[..., Any], bundles: Any, embedder: Callable[..., Embedder]
) -> None:
    model = embedder("tiny-xlmr", "int8")
    with start(bundles / "tiny-xlmr") as server:
        got = vectors(server.post("/v1/embeddings", {"input": TEXTS[:3]}))
        expected = model.encode(TEXTS[:3], prompt="", normalize_embeddings=True)
        assert got.tobytes() == expected.tobytes()
        raw = server.post("/embed", {"inputs": TEXTS[:3], "normalize": False}).floats
        assert raw.tobytes() == model.encode(TEXTS[:3], prompt="").tobytes()


def test_2048_texts_and_one_more(server: Server, model: Embedder) -> None:
    texts = [f"text {number}" for number in range(2048)]
    answer = server.post("/v1/embeddings", {"input": texts})
    assert vectors(answer).tobytes() == model.encode(texts).tobytes()
    assert server.post("/v1/embeddings", {"input": [*texts, "x"]}).status == 400


@pytest.mark.parametrize("ids", [[1, 2, 3], [[1, 2], [3]], [[]]])
def test_token_ids_are_refused_with_the_remedy(server: Server, ids: Any) -> None:
    answer = server.post("/v1/embeddings", {"input": ids})
    assert answer.status == 400
    assert "check_embedding_ctx_length=False" in answer.json["error"]["message"]
    assert answer.json["error"]["param"] == "input"


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        ({}, "input"),
        ({"input": []}, "input"),
        ({"input": ""}, "input"),
        ({"input": ["a", ""]}, "input"),
        ({"input": None}, "input"),
        ({"input": {"a": 1}}, "input"),
        ({"input": ["a", 1]}, "input"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": "a", "dimensions": 49}, "dimensions"),
        ({"input": "a", "dimensions": 10**40}, "dimensions"),
        ({"input": "a", "dimensions": "7"}, "dimensions"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
        ({"input": "a", "prompt_name": "nobody"}, "prompt_name"),
        ({"input": "a", "input_type": "nobody"}, "input_type"),
    ],
)
def test_wrong_fields(server: Server, request_: dict[str, Any], param: str | None) -> None:
    answer = server.post("/v1/embeddings", request_)
    assert answer.status == 400
    error = answer.json["error"]
    assert list(error) == ["message", "type", "param", "code"]
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert error["message"]


def test_models(server: Server) -> None:
    body = server.get("/v1/models").json
    assert body["object"] == "list"
    (item,) = body["data"]
    assert set(item) == {"id", "object", "created", "owned_by"}
    assert item["object"] == "model"
    answer = server.post("/v1/embeddings", {"input": "a", "model": "text-embedding-3-small"})
    assert answer.json["model"] == item["id"]


@pytest.mark.parametrize("name", ["", "text-embedding-3-small", "a/b", "{model}", "%00"])
def test_a_model_by_its_name(server: Server, name: str) -> None:
    (item,) = server.get("/v1/models").json["data"]
    assert server.get(f"/v1/models/{item['id']}").json == item
    own = f"by-name-{name.encode().hex()}"
    answer = server.get(f"/v1/models/{name}", x_request_id=own)
    assert answer.status == 404
    assert answer.json["error"]["code"] == ("model_not_found" if name else "not_found")
    (line,) = server.logged(f"request_id={own} ")
    assert f"route={'/v1/models/{model}' if name else 'unknown'} " in line


def test_an_unknown_path_of_openai(server: Server) -> None:
    answer = server.post("/v1/chat/completions", {})
    assert answer.status == 404
    assert answer.json["error"]["type"] == "invalid_request_error"
    wrong = server.get("/v1/embeddings")
    assert wrong.status == 405
    assert wrong.headers["allow"] == "POST"
