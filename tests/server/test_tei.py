"""TEI's routes, over a real connection."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from edgembed import Embedder, __version__
from serving import Server

TEXTS = ["Кошка сидит на окне.", "The cat sits at the window.", "a"]
LONG = "слово " * 200


@pytest.fixture
def model(embedder: Callable[..., Embedder]) -> Embedder:
    return embedder("tiny-frida", "int8")


def refusal(answer: Any, status: int, kind: str) -> str:
    assert answer.status == status, answer.body
    assert list(answer.json) == ["error", "error_type"]
    assert answer.json["error_type"] == kind
    message: str = answer.json["error"]
    return message


@pytest.mark.parametrize("path", ["/embed", "/"])
def test_embed(server: Server, model: Embedder, path: str) -> None:
    many = server.post(path, {"inputs": TEXTS})
    assert many.floats.tobytes() == model.encode(TEXTS).tobytes()
    one = server.post(path, {"inputs": TEXTS[0]})
    assert one.floats.shape == (1, 48)  # a list of vectors, for one text too
    assert one.floats.tobytes() == many.floats[:1].tobytes()


def test_fields(server: Server, model: Embedder) -> None:
    request = {"inputs": TEXTS, "prompt_name": "search_query", "dimensions": 8}
    expected = model.encode(
        TEXTS, prompt_name="search_query", truncate_dim=8, normalize_embeddings=True
    )
    assert server.post("/embed", request).floats.tobytes() == expected.tobytes()


def test_without_normalize_it_is_the_mean_of_the_tokens(server: Server, model: Embedder) -> None:
    raw = server.post("/embed", {"inputs": TEXTS, "normalize": False}).floats
    tokens = model.encode(TEXTS, output_value="token_embeddings")
    means = np.array([np.asarray(own, np.float64).mean(axis=0) for own in tokens])
    np.testing.assert_allclose(raw, means, rtol=0, atol=1e-6)
    assert (np.abs(np.linalg.norm(raw, axis=1) - 1) > 1e-3).all()


def test_embed_all(server: Server, model: Embedder) -> None:
    answer = server.post("/embed_all", {"inputs": TEXTS}).json
    expected = model.encode(TEXTS, output_value="token_embeddings")
    for got, own in zip(answer, expected, strict=True):
        assert np.array(got, np.float32).tobytes() == own.tobytes()


def test_similarity(server: Server, model: Embedder) -> None:
    request = {"inputs": {"source_sentence": TEXTS[0], "sentences": TEXTS}}
    vectors = model.encode(TEXTS)
    np.testing.assert_allclose(
        server.post("/similarity", request).json, vectors @ vectors[0], rtol=0, atol=1e-6
    )
    named = {**request, "parameters": {"prompt_name": "search_query", "truncate": True}}
    vectors = model.encode(TEXTS, prompt_name="search_query")
    np.testing.assert_allclose(
        server.post("/similarity", named).json, vectors @ vectors[0], rtol=0, atol=1e-6
    )
    for source, sentences, named_so in (
        ("a", [], "inputs.sentences"),
        ("a", ["b", ""], "inputs.sentences[1]"),
        ("", ["b"], "inputs.source_sentence"),
    ):
        inputs = {"source_sentence": source, "sentences": sentences}
        answer = server.post("/similarity", {"inputs": inputs})
        refusal(answer, 400, "Empty")
        assert answer.json["error"] == f"`{named_so}` cannot be empty"


@pytest.mark.parametrize("text", [TEXTS[0], LONG, "a [SEP] b", "emoji 😀👍🏽 — «кавычки»"])
@pytest.mark.parametrize("special", [True, False])
@pytest.mark.parametrize("name", ["tiny-frida", "tiny-xlmr"])
def test_tokenize(
    start: Callable[..., Any], server: Server, bundles: Path, name: str, text: str, special: bool
) -> None:
    own = Tokenizer.from_file(str(bundles / name / "tokenizer.json"))
    own.no_truncation()
    own.no_padding()
    expected = own.encode(text, add_special_tokens=special)
    request = {"inputs": text, "prompt": "", "add_special_tokens": special}
    if name == "tiny-frida":
        (tokens,) = server.post("/tokenize", request).json
    else:
        with start(bundles / name) as other:
            (tokens,) = other.post("/tokenize", request).json
    assert [token["id"] for token in tokens] == expected.ids
    assert [token["special"] for token in tokens] == list(map(bool, expected.special_tokens_mask))
    for token, offsets, piece in zip(tokens, expected.offsets, expected.tokens, strict=True):
        assert list(token) == ["id", "text", "special", "start", "stop"]
        if token["special"]:
            assert (token["start"], token["stop"], token["text"]) == (None, None, piece)
        else:
            assert (token["start"], token["stop"]) == offsets
            assert token["text"] == text[slice(*offsets)]


def test_truncation_is_said_or_refused(server: Server, model: Embedder) -> None:
    cut = server.post("/embed", {"inputs": [LONG, "a"], "truncate": True})
    assert cut.headers["x-truncated-texts"] == "1"
    whole = server.post("/embed", {"inputs": "a", "truncate": False})
    assert whole.status == 200
    assert "x-truncated-texts" not in whole.headers
    message = refusal(server.post("/embed", {"inputs": LONG, "truncate": False}), 422, "Validation")
    assert f"at most {model.max_seq_length} tokens" in message
    left = {"inputs": "a", "truncation_direction": "Left"}
    assert server.post("/embed", left).floats.tobytes() == whole.floats.tobytes()
    assert "Right" in refusal(server.post("/embed", {**left, "inputs": LONG}), 422, "Validation")


def test_auto_truncate_off(start: Callable[..., Any], frida: Path) -> None:
    with start(frida, AUTO_TRUNCATE="false") as server:
        assert server.get("/info").json["auto_truncate"] is False
        refusal(server.post("/embed", {"inputs": LONG}), 422, "Validation")
        assert server.post("/v1/embeddings", {"input": LONG}).status == 400
        assert server.post("/embed", {"inputs": LONG, "truncate": True}).status == 200


def test_headers(server: Server) -> None:
    headers = server.post("/embed", {"inputs": TEXTS}, x_request_id="mine-1").headers
    assert headers["x-request-id"] == "mine-1"
    assert headers["x-compute-type"] == "cpu"
    assert int(headers["x-compute-characters"]) == sum(map(len, TEXTS))
    assert int(headers["x-compute-tokens"]) > len(TEXTS)
    for name in ("compute", "total", "tokenization", "queue", "inference"):
        assert int(headers[f"x-{name}-time"]) >= 0
    assert (
        len(server.post("/embed", {"inputs": "a"}, x_request_id="a b").headers["x-request-id"])
        == 32
    )


def test_info(server: Server, model: Embedder) -> None:
    info = server.get("/info").json
    assert info["model_dtype"] == "int8"
    assert info["model_type"] == {"embedding": {"pooling": "mean"}}
    assert info["max_input_length"] == model.max_seq_length
    assert info["max_concurrent_requests"] == 512
    assert info["max_client_batch_size"] == 32
    assert info["max_batch_tokens"] == 16384
    assert info["auto_truncate"] is True
    assert info["version"] == __version__
    assert info["fingerprint"] == model.fingerprint
    assert info["prompts"] == dict(model.prompts)
    assert {"model_id", "model_sha", "served_model_name", "max_batch_requests"} <= set(info)


def test_health(server: Server) -> None:
    for path in ("/health", "/"):
        answer = server.get(path)
        assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize(
    ("path", "request_", "status", "kind"),
    [
        ("/embed", {"inputs": []}, 400, "Empty"),
        ("/embed", {"inputs": ""}, 400, "Empty"),
        ("/embed", {"inputs": ["a", ""]}, 400, "Empty"),
        ("/embed", {}, 422, "Validation"),
        ("/embed", {"inputs": [1, 2]}, 422, "Validation"),
        ("/embed", {"inputs": [["a", "b"]]}, 422, "Validation"),
        ("/embed", {"inputs": "a", "dimensions": 0}, 422, "Validation"),
        ("/embed", {"inputs": "a", "dimensions": 49}, 422, "Validation"),
        ("/embed", {"inputs": "a", "prompt_name": "nobody"}, 422, "Validation"),
        ("/embed", {"inputs": ["a"] * 33}, 422, "Validation"),
        ("/embed_all", {"inputs": ["a"] * 33}, 422, "Validation"),
        ("/tokenize", {"inputs": ["a"] * 33}, 422, "Validation"),
        ("/tokenize", {"inputs": "a" * 200_000}, 422, "Validation"),
        ("/similarity", {"inputs": "a"}, 422, "Validation"),
        ("/rerank", {"query": "a", "texts": ["b"]}, 404, "NotFound"),
    ],
)
def test_refusals(
    server: Server, path: str, request_: dict[str, Any], status: int, kind: str
) -> None:
    assert refusal(server.post(path, request_), status, kind)
