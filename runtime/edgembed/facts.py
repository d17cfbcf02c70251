"""What a loaded bundle says of itself, and what it does without running its model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from edgembed.engine import Engine
from edgembed.manifest import Manifest
from edgembed.pooling import Float32
from edgembed.prompts import Prompts
from edgembed.similarity import similarity, similarity_pairwise
from edgembed.texts import as_texts
from edgembed.tokenize import padded


class BundleFacts:
    """Embedder's properties, its tokenizer and its similarity."""

    _engine: Engine
    _manifest: Manifest
    _prompts: Prompts

    def __repr__(self) -> str:
        """Which model, for a notebook or a log."""
        model = f"{self._manifest.model.id!r}, dtype={self.dtype!r}"
        return f"<{type(self).__name__} of {model}, dimension={self.dimension}>"

    @property
    def dtype(self) -> str:
        """The weights in use: "int8" or "float32"."""
        return self._engine.dtype

    @property
    def dimension(self) -> int:
        """Numbers in one vector."""
        return self._manifest.dimension

    @property
    def prompts(self) -> Mapping[str, str]:
        """The checkpoint's prompts by key."""
        return MappingProxyType(dict(self._prompts.texts))

    @property
    def prompt_names(self) -> tuple[str, ...]:
        """Every name that prompt_name takes: keys, and prefixes such as "search_query"."""
        return tuple(self._prompts.by_name)

    @property
    def default_prompt_name(self) -> str | None:
        """The key of the prompt that a call takes when it names none."""
        return self._prompts.default_name

    @property
    def max_seq_length(self) -> int:
        """Tokens of a text that count, special ones included; the rest is cut, with a warning."""
        return self._manifest.max_seq_length

    @property
    def similarity_fn_name(self) -> str:
        """cosine, dot, euclidean or manhattan: what similarity() computes."""
        return self._manifest.similarity_fn_name

    @property
    def fingerprint(self) -> str:
        """One id of the vector space: vectors of the same fingerprint may be compared."""
        return self._engine.fingerprint

    def get_embedding_dimension(self) -> int:
        """The same as `dimension`, by sentence-transformers' name."""
        return self.dimension

    get_sentence_embedding_dimension = get_embedding_dimension

    def tokenize(self, texts: str | Iterable[str]) -> dict[str, npt.NDArray[np.int64]]:
        """input_ids and attention_mask, (n, longest) int64, padded with 0 where the mask is 0."""
        return padded([self._engine.tokenizer.encode(text).ids for text in as_texts(texts, {})[0]])

    def similarity(self, embeddings1: npt.ArrayLike, embeddings2: npt.ArrayLike) -> Float32:
        """All pairs, by the checkpoint's similarity: (n, dim), (m, dim) -> (n, m) float32."""
        return similarity(self.similarity_fn_name, embeddings1, embeddings2)

    def similarity_pairwise(
        self, embeddings1: npt.ArrayLike, embeddings2: npt.ArrayLike
    ) -> Float32:
        """Row by row: (n, dim), (n, dim) -> (n,) float32."""
        return similarity_pairwise(self.similarity_fn_name, embeddings1, embeddings2)

    def ranges(
        self, truncate_dim: int | None = None, normalize_embeddings: bool = False
    ) -> Float32 | None:
        """The fixed ranges that int8 and uint8 output of these options is cut from, (2, dim).

        They were found on the export's texts, under every prompt (see precision.fixed_ranges).
        With them a text's numbers do not depend on what else is in the call. None
        where the bundle has none, and for vectors that are scaled after they were cut, which are
        not of that size: there each call takes its own, as sentence-transformers always does.
        """
        ranges = self._manifest.ranges.get(self.dtype)
        whole = truncate_dim is None or truncate_dim >= self.dimension
        if ranges is None or (normalize_embeddings and not (whole and self._manifest.normalize)):
            return None
        return ranges[:, :truncate_dim]
