"""Chroma: `EdgembedEmbeddingFunction`. Extra: chroma.

Chroma keeps the function's configuration beside a collection. Importing this module registers the
function under its name, so that a collection opened again finds it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal

import numpy.typing as npt

from edgembed.errors import ArgumentError
from edgembed.integrations import missing
from edgembed.integrations.encoder import Encoder

try:
    from chromadb.api.types import EmbeddingFunction
    from chromadb.utils.embedding_functions import register_embedding_function
except ImportError as error:
    raise missing("chroma", "chromadb") from error

Vectors = list[npt.NDArray[Any]]  # float32; Chroma's own type has integers as well
Space = Literal["cosine", "ip", "l2"]
_SPACES: dict[str, Space] = {"cosine": "cosine", "dot": "ip"}


@register_embedding_function
class EdgembedEmbeddingFunction(EmbeddingFunction[list[str]]):
    """A bundle as Chroma's embedding function.

    >>> client.create_collection("notes", embedding_function=EdgembedEmbeddingFunction("bundle/"))
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
        _ = self._encoder.model

    def __call__(self, input: Sequence[str]) -> Vectors:  # noqa: A002  (Chroma checks the name)
        """(dim,) float32 for each document."""
        return list(self._encoder.documents(input))

    def embed_query(self, input: Sequence[str]) -> Vectors:  # noqa: A002
        """(dim,) float32 for each query."""
        return list(self._encoder.queries(input))

    @staticmethod
    def name() -> str:
        """What Chroma knows the function by."""
        return "edgembed"

    def default_space(self) -> Space:
        """The distance that belongs to the checkpoint's own similarity function."""
        return _SPACES.get(self._encoder.model.similarity_fn_name, "l2")

    def get_config(self) -> dict[str, Any]:
        """What Chroma keeps: the settings, and the fingerprint of the vectors in the collection."""
        return {**self._encoder.settings(), "fingerprint": self._encoder.model.fingerprint}

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> EdgembedEmbeddingFunction:
        """The function that a collection was filled by.

        ArgumentError where its folder now holds a bundle that gives other vectors.
        """
        settings = dict(config)
        expected = settings.pop("fingerprint")
        function = EdgembedEmbeddingFunction(**settings)
        function._encoder.must_give(expected)
        return function

    def validate_config_update(
        self, old_config: dict[str, Any], new_config: dict[str, Any]
    ) -> None:
        """The bundle may move and threads may change; what decides a vector may not."""
        free = ("bundle", "dtype", "threads")  # the fingerprint speaks for bundle and dtype
        for name in sorted({*old_config, *new_config} - set(free)):
            if old_config.get(name) != new_config.get(name):
                raise ArgumentError(
                    f"{name} cannot be changed in a collection that has vectors: make a new one"
                )
