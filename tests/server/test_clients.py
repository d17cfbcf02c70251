"""Clients that people use already, as they come: nothing is set but the address."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable

import numpy as np
import pytest
from huggingface_hub import AsyncInferenceClient, InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from openai import AsyncOpenAI, AuthenticationError, BadRequestError, OpenAI

from edgembed import Embedder
from serving import Server

TEXTS = ["Кошка сидит на окне.", "The cat sits at the window.", "a"]


@pytest.fixture
def model(embedder: Callable[..., Embedder]) -> Embedder:
    return embedder("tiny-frida", "int8")


def test_openai(server: Server, model: Embedder) -> None:
    with OpenAI(base_url=f"{server.url}/v1", api_key="unused") as client:
        response = client.embeddings.create(model="any", input=TEXTS)
        got = np.array([item.embedding for item in response.data], np.float32)
        assert got.tobytes() == model.encode(TEXTS).tobytes()
        assert response.usage.prompt_tokens > 0
        floats = client.embeddings.create(model="any", input=TEXTS[0], encoding_format="float")
        assert np.array(floats.data[0].embedding, np.float32).tobytes() == got[0].tobytes()
        prompted = client.embeddings.create(
            model="any", input=TEXTS, dimensions=8, extra_body={"input_type": "query"}
        )
        expected = model.encode_query(TEXTS, truncate_dim=8, normalize_embeddings=True)
        got = np.array([item.embedding for item in prompted.data], np.float32)
        assert got.tobytes() == expected.tobytes()
        (listed,) = client.models.list().data
        assert client.models.retrieve(listed.id) == listed
        assert listed.id == response.model
        with pytest.raises(BadRequestError, match="check_embedding_ctx_length=False"):
            client.embeddings.create(model="any", input=[[1, 2]])


def test_openai_async_and_many_at_once(server: Server, model: Embedder) -> None:
    async def ask() -> list[np.ndarray]:
        async with AsyncOpenAI(base_url=f"{server.url}/v1", api_key="unused") as client:
            calls = [
                client.embeddings.create(model="any", input=[f"{t} {n}" for t in TEXTS])
                for n in range(40)
            ]
            responses = await asyncio.gather(*calls)
        return [np.array([i.embedding for i in r.data], np.float32) for r in responses]

    for number, got in enumerate(asyncio.run(ask())):
        expected = model.encode([f"{text} {number}" for text in TEXTS])
        assert got.tobytes() == expected.tobytes()


def test_huggingface_hub(server: Server, model: Embedder) -> None:
    client = InferenceClient(server.url)
    one = client.feature_extraction(TEXTS[0])
    assert np.asarray(one, np.float32).tobytes() == model.encode(TEXTS[:1]).tobytes()
    named = client.feature_extraction(TEXTS[0], prompt_name="search_query", truncate=True)
    expected = model.encode(TEXTS[:1], prompt_name="search_query")
    assert np.asarray(named, np.float32).tobytes() == expected.tobytes()
    vectors = model.encode(TEXTS)
    client = InferenceClient(f"{server.url}/similarity")
    close = client.sentence_similarity(TEXTS[0], other_sentences=TEXTS[1:])
    np.testing.assert_allclose(close, vectors[1:] @ vectors[0], rtol=0, atol=1e-6)


def test_huggingface_hub_async(server: Server, model: Embedder) -> None:
    async def ask() -> np.ndarray:
        async with AsyncInferenceClient(server.url) as client:
            return np.asarray(await client.feature_extraction(TEXTS[1]), np.float32)

    assert asyncio.run(ask()).tobytes() == model.encode(TEXTS[1:2]).tobytes()


def test_clients_and_keys(start: Callable[..., object], frida: object) -> None:
    with start(frida, API_KEY="right-key") as server:  # type: ignore[attr-defined]
        with OpenAI(base_url=f"{server.url}/v1", api_key="right-key") as client:
            assert client.embeddings.create(model="any", input="a").data
        wrong = OpenAI(base_url=f"{server.url}/v1", api_key="wrong-key")
        with wrong as client, pytest.raises(AuthenticationError):
            client.embeddings.create(model="any", input="a")
        assert InferenceClient(server.url, token="right-key").feature_extraction("a").shape
        with pytest.raises(HfHubHTTPError):
            InferenceClient(server.url, token="wrong-key").feature_extraction("a")


@pytest.mark.parametrize("key", [None, "a-key"])
def test_curl(
    start: Callable[..., object], frida: object, model: Embedder, key: str | None
) -> None:
    flags = [] if key is None else ["--api-key", key]
    with start(frida, *flags) as server:  # type: ignore[attr-defined]
        command = ["curl", "-sS", "--fail", f"{server.url}/embed"]
        command += ["-H", "Content-Type: application/json", "-d", '{"inputs": "кот"}']
        if key is not None:
            command += ["-H", f"Authorization: Bearer {key}"]
        done = subprocess.run(command, capture_output=True, check=True)
        got = np.array(json.loads(done.stdout), np.float32)
        assert got.tobytes() == model.encode(["кот"]).tobytes()
