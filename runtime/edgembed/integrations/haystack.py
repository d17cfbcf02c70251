"""Haystack: `EdgembedTextEmbedder` and `EdgembedDocumentEmbedder`. Extra: haystack."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from edgembed.errors import ArgumentError
from edgembed.integrations import missing
from edgembed.integrations.encoder import Encoder

try:
    from haystack import Document, component, default_from_dict, default_to_dict
except ImportError as error:
    raise missing("haystack", "haystack-ai") from error

_Embedder = TypeVar("_Embedder")


@component
class EdgembedTextEmbedder:
    """A bundle as the component that embeds a query."""

    def __init__(
        self,
        bundle: str | os.PathLike[str],
        *,
        dtype: str | None = None,
        threads: int | None = None,
        prompt: str | None = None,
        truncate_dim: int | None = None,
        normalize_embeddings: bool = False,
    ) -> None:
        """Keep the settings of `encoder.Encoder`; prompt None takes the checkpoint's for queries.

        warm_up, which pipelines call, loads the bundle; so does the first run.
        """
        self._encoder = Encoder(
            os.fspath(bundle),
            dtype,
            threads,
            query_prompt=prompt,
            truncate_dim=truncate_dim,
            normalize_embeddings=normalize_embeddings,
        )

    def warm_up(self) -> None:
        """Load the bundle."""
        _ = self._encoder.model

    def to_dict(self) -> dict[str, Any]:
        """The settings, for a pipeline's YAML."""
        return _to_dict(self, self._encoder, prompt=self._encoder.query_prompt)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> EdgembedTextEmbedder:
        """The inverse of to_dict."""
        return _from_dict(cls, data)

    @component.output_types(embedding=list[float])
    def run(self, text: str) -> dict[str, Any]:
        """Embed a query: {"embedding": dim numbers}."""
        if not isinstance(text, str):
            raise TypeError(
                f"EdgembedTextEmbedder embeds one text, not {type(text).__name__}: "
                "for Documents use EdgembedDocumentEmbedder"
            )
        return {"embedding": self._encoder.queries([text])[0].tolist()}

    @component.output_types(embedding=list[float])
    async def run_async(self, text: str) -> dict[str, Any]:
        """The same without blocking the event loop."""
        return await asyncio.to_thread(self.run, text)


@component
class EdgembedDocumentEmbedder:
    """A bundle as the component that embeds documents."""

    def __init__(
        self,
        bundle: str | os.PathLike[str],
        *,
        dtype: str | None = None,
        threads: int | None = None,
        prompt: str | None = None,
        truncate_dim: int | None = None,
        normalize_embeddings: bool = False,
        meta_fields_to_embed: Sequence[str] = (),
        embedding_separator: str = "\n",
    ) -> None:
        """Keep the settings of `encoder.Encoder`; None takes the checkpoint's for documents.

        meta_fields_to_embed: fields of a document's meta to put before its content, joined by
        embedding_separator, as Haystack's own embedders do. ArgumentError for one name alone.
        """
        if isinstance(meta_fields_to_embed, str):
            raise ArgumentError(
                "meta_fields_to_embed takes many names: put a single one into a list, "
                f"[{meta_fields_to_embed!r}]"
            )
        self._fields, self._separator = list(meta_fields_to_embed), embedding_separator
        self._encoder = Encoder(
            os.fspath(bundle),
            dtype,
            threads,
            document_prompt=prompt,
            truncate_dim=truncate_dim,
            normalize_embeddings=normalize_embeddings,
        )

    def warm_up(self) -> None:
        """Load the bundle."""
        _ = self._encoder.model

    def to_dict(self) -> dict[str, Any]:
        """The settings, for a pipeline's YAML."""
        return _to_dict(
            self,
            self._encoder,
            prompt=self._encoder.document_prompt,
            meta_fields_to_embed=self._fields,
            embedding_separator=self._separator,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> EdgembedDocumentEmbedder:
        """The inverse of to_dict."""
        return _from_dict(cls, data)

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]) -> dict[str, Any]:
        """Embed documents: {"documents": copies that have their embedding}.

        ArgumentError names a document without content (an image, say).
        """
        if not isinstance(documents, list) or not all(isinstance(d, Document) for d in documents):
            raise TypeError(
                "EdgembedDocumentEmbedder embeds a list of Documents: "
                "for one text use EdgembedTextEmbedder"
            )
        vectors = self._encoder.documents(map(self._text, documents))
        return {
            "documents": [
                replace(document, embedding=vector.tolist())
                for document, vector in zip(documents, vectors, strict=True)
            ]
        }

    @component.output_types(documents=list[Document])
    async def run_async(self, documents: list[Document]) -> dict[str, Any]:
        """The same without blocking the event loop."""
        return await asyncio.to_thread(self.run, documents)

    def _text(self, document: Document) -> str:
        values = [document.meta.get(name) for name in self._fields]
        parts = [str(value) for value in values if value is not None]
        if document.content is None and not parts:
            raise ArgumentError(
                f"document {document.id} has no content to embed: leave it out, or name fields of "
                "its meta in meta_fields_to_embed"
            )
        return self._separator.join([*parts, document.content or ""])


def _to_dict(embedder: object, encoder: Encoder, **own: Any) -> dict[str, Any]:
    settings = encoder.settings()
    del settings["query_prompt"], settings["document_prompt"]  # `prompt` of the one class each
    written: dict[str, Any] = default_to_dict(embedder, **settings, **own)
    return written


def _from_dict(kind: type[_Embedder], data: dict[str, Any]) -> _Embedder:
    read: _Embedder = default_from_dict(kind, data)
    return read
