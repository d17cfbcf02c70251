"""LlamaIndex: `EdgembedEmbedding` is a llama_index.core `BaseEmbedding`. Extra: llama-index."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from edgembed.integrations import missing
from edgembed.integrations.encoder import Encoder

try:
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.bridge.pydantic import ConfigDict, Field, PrivateAttr
except ImportError as error:
    raise missing("llama-index", "llama-index-core") from error


class EdgembedEmbedding(BaseEmbedding):
    """A bundle as LlamaIndex's embedding model.

    >>> Settings.embed_model = EdgembedEmbedding("bundle/")

    to_dict keeps the settings and the bundle's fingerprint, by which LlamaIndex's caches know
    vectors of another bundle in the same folder; from_dict refuses such a one. A copy in another
    process loads the bundle there. Fields that are set later, or by model_copy, count from then on.
    """

    # A misspelt query_prompt would be passed over, and the vectors be others without a word.
    model_config = ConfigDict(extra="forbid")

    bundle: str = Field(description="The folder that edgembed-export wrote.")
    dtype: str | None = Field(default=None, description="int8 or float32.")
    threads: int | None = Field(default=None, description="How many the model may use.")
    query_prompt: str | None = Field(default=None, description="Put before queries.")
    document_prompt: str | None = Field(default=None, description="Put before documents.")
    truncate_dim: int | None = Field(default=None, description="Dimensions to keep.")
    normalize_embeddings: bool = Field(default=False, description="Scale to norm 1.")

    _encoder: Encoder = PrivateAttr()

    def __init__(self, bundle: str | os.PathLike[str], **settings: Any) -> None:
        """Load a bundle; settings: the fields of `encoder.Encoder` and of BaseEmbedding."""
        folder = os.fspath(bundle)
        super().__init__(**{"model_name": folder, **settings, "bundle": folder})
        self._encoder = self._wanted()
        _ = self._encoder.model

    @classmethod
    def class_name(cls) -> str:
        """The name that serialised settings carry."""
        return "EdgembedEmbedding"

    def to_dict(self, **kwargs: Any) -> dict[str, Any]:
        """The settings and the fingerprint, JSON-ready."""
        written: dict[str, Any] = super().to_dict(**kwargs)
        return {**written, "fingerprint": self._current().model.fingerprint}

    @classmethod
    def from_dict(cls, data: dict[str, Any], **kwargs: Any) -> EdgembedEmbedding:
        """The same again. ArgumentError where its folder now holds a bundle of other vectors."""
        settings = dict(data)
        expected = settings.pop("fingerprint", None)
        made: EdgembedEmbedding = super().from_dict(settings, **kwargs)
        if expected is not None:
            made._current().must_give(expected)
        return made

    def _wanted(self) -> Encoder:
        return Encoder(**{name: getattr(self, name) for name in Encoder.__dataclass_fields__})

    def _current(self) -> Encoder:
        """What the fields say now; the model is kept, and loaded again only where it is another."""
        wanted = self._wanted()
        if wanted != self._encoder:
            self._encoder = wanted
        return self._encoder

    def _get_query_embedding(self, query: str) -> list[float]:
        vector: list[float] = self._current().queries([query])[0].tolist()
        return vector

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = self._current().documents(texts).tolist()
        return vectors

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return (await self._aget_text_embeddings([text]))[0]
