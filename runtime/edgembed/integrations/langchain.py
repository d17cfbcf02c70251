"""LangChain: `EdgembedEmbeddings` is a langchain_core `Embeddings`. Extra: langchain."""

from __future__ import annotations

import os

from edgembed.integrations import missing
from edgembed.integrations.encoder import Encoder

try:
    from langchain_core.embeddings import Embeddings
except ImportError as error:
    raise missing("langchain", "langchain-core") from error


class EdgembedEmbeddings(Embeddings):
    """A bundle as LangChain's Embeddings.

    >>> store = InMemoryVectorStore(EdgembedEmbeddings("bundle/"))

    The asynchronous methods are LangChain's own, which run these in a thread: model and tokenizer
    let go of the interpreter, so the event loop goes on.
    """

    def __init__(
        self,
        bundle: str | os.PathLike[str],
        *,
        dtype: str | None = None,
        threads: int | None = None,
        query_prompt: str | None = None,
        document_prompt: str | None = None,
        truncate_dim: int | None = None,
        normalize_embeddings: bool = False,
    ) -> None:
        """Load a bundle; the arguments are those of `encoder.Encoder`."""
        self._encoder = Encoder(
            os.fspath(bundle),
            dtype,
            threads,
            query_prompt,
            document_prompt,
            truncate_dim,
            normalize_embeddings,
        )
        _ = self._encoder.model  # a bundle that cannot be used is an error here, not at first use

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """A vector a text, with the prompt for documents."""
        vectors: list[list[float]] = self._encoder.documents(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """One vector, with the prompt for queries."""
        vector: list[float] = self._encoder.queries([text])[0].tolist()
        return vector
