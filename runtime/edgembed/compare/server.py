"""A server that speaks OpenAI's /v1/embeddings: edgembed serve, TEI, and many others."""

from __future__ import annotations

import base64
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from edgembed.errors import ArgumentError, InferenceError
from edgembed.pooling import Float32

_BATCH = 32  # what TEI takes at once by default
_TIMEOUT = 300.0


class Server:
    """Its first model. The API key is sent as a bearer token."""

    def __init__(self, url: str, key: str | None) -> None:
        """Ask it for its models; ArgumentError where it does not answer."""
        self._url = url.rstrip("/").removesuffix("/v1")
        self._headers = {"Content-Type": "application/json"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._model = self._first_model()
        self.name = f"{self._model} at {urlsplit(self._url).netloc}"

    def _first_model(self) -> str:
        listed = self._ask("/v1/models", None)
        try:
            return str(listed["data"][0]["id"])
        except (KeyError, IndexError, TypeError) as error:
            raise ArgumentError(f"{self._url}/v1/models lists no model: {listed!r}") from error

    def encode(self, texts: Sequence[str], prompt: str | None) -> Float32:
        """See Side. A prompt goes as the request's prompt_name, or its prompt where it is none."""
        rows = [row for batch in _batches(texts) for row in self._batch(batch, prompt)]
        shapes = {row.shape for row in rows}
        if len(shapes) > 1 or any(len(shape) != 1 for shape in shapes):
            raise InferenceError(f"{self._url} gave vectors of the shapes {sorted(shapes)}")
        return np.stack(rows)

    def _batch(self, texts: Sequence[str], prompt: str | None) -> list[Float32]:
        request: dict[str, Any] = {
            "model": self._model,
            "input": list(texts),
            "encoding_format": "base64",
        }
        if prompt is not None:
            request["prompt" if not prompt or prompt[-1].isspace() else "prompt_name"] = prompt
        answer = self._ask("/v1/embeddings", request)
        try:
            rows = sorted(answer["data"], key=lambda item: item["index"])
            vectors = [_vector(row["embedding"]) for row in rows]
        except (KeyError, TypeError, ValueError) as error:
            raise InferenceError(f"{self._url} answered with no embeddings: {error!r}") from error
        if len(vectors) != len(texts):
            raise InferenceError(f"{self._url} gave {len(vectors)} vectors for {len(texts)} texts")
        return vectors

    def _ask(self, path: str, body: dict[str, Any] | None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, self._headers)
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            said = error.read(500).decode("utf-8", "replace")
            hint = " (the key is taken from EDGEMBED_API_KEY)" if error.code == 401 else ""
            raise ArgumentError(f"{self._url}{path}: {error.code} {said}{hint}") from error
        except (OSError, ValueError, RecursionError, http.client.HTTPException) as error:
            raise ArgumentError(
                f"{self._url}{path} does not answer as a server with OpenAI's routes: {error!r}"
            ) from error


def _vector(embedding: Any) -> Float32:
    """Base64 of little-endian float32, or a list of numbers where a server knows no base64."""
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding), "<f4").astype(np.float32)
    return np.array(embedding, np.float32)


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(texts), _BATCH):
        yield texts[start : start + _BATCH]
