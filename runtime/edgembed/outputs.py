"""encode's options, checked before any work is done, and what they make of each embedding."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edgembed.engine import Embedding
from edgembed.errors import ArgumentError
from edgembed.pooling import Float32, normalize
from edgembed.precision import Precision, check_precision, quantize_embeddings

OutputValue = Literal["sentence_embedding", "token_embeddings"]
Container = Literal["array", "list", "tensor"]


def _as_dict(embedding: Embedding) -> dict[str, npt.NDArray[Any]]:
    return {
        "input_ids": embedding.ids,
        "attention_mask": np.ones_like(embedding.ids),
        "token_embeddings": embedding.token_embeddings,
        "sentence_embedding": embedding.vector,
    }


# What is kept of an embedding for each output_value, so that nothing more stays behind.
KEEP: dict[OutputValue | None, Callable[[Embedding], Any]] = {
    "sentence_embedding": lambda embedding: embedding.vector,
    "token_embeddings": lambda embedding: embedding.token_embeddings,
    None: _as_dict,
}


@dataclass(frozen=True)
class EncodeOptions:
    """The arguments of encode that remain of interest once all have been checked."""

    output_value: OutputValue | None
    precision: Precision
    truncate_dim: int | None
    normalize_embeddings: bool
    container: Container

    def __post_init__(self) -> None:
        """ArgumentError for a value that sentence-transformers refuses."""
        check_precision(self.precision)
        if self.output_value not in tuple(KEEP):  # == and not a hash: it may be anything
            raise ArgumentError(f"output_value {self.output_value!r} is none of {tuple(KEEP)}")
        if self.truncate_dim is not None:
            check_positive("truncate_dim", self.truncate_dim)
        if self.container == "tensor":
            _torch()

    def finish(self, kept: list[Any], dimension: int, ranges: Float32 | None) -> Any:
        """What encode returns for many texts, from what KEEP kept of each.

        ranges: (2, dim), what quantize_embeddings takes.
        Source of the order (truncate, normalise, quantise): SentenceTransformer.encode.
        """
        if self.output_value is None:
            for item in kept:
                item["sentence_embedding"] = item["sentence_embedding"][: self.truncate_dim]
        if self.output_value != "sentence_embedding":
            return kept
        matrix = np.array(kept, np.float32).reshape(len(kept), dimension)[:, : self.truncate_dim]
        if self.normalize_embeddings:
            matrix = normalize(matrix)
        vectors = quantize_embeddings(matrix, self.precision, ranges)
        if self.container == "tensor":
            return _torch().from_numpy(vectors)
        return vectors if self.container == "array" else list(vectors)


def check_positive(name: str, value: Any) -> None:
    """ArgumentError unless value is a whole number from 1."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
        raise ArgumentError(f"{name} must be a whole number from 1, not {value!r}")


def check_free(batch_size: Any, chunk_size: Any, device: Any, pool: Any) -> None:
    """ArgumentError for values of the arguments that change nothing which could not be meant."""
    check_positive("batch_size", batch_size)
    check_positive("chunk_size", 1 if chunk_size is None else chunk_size)
    if device not in (None, "cpu"):
        raise ArgumentError(f"device {device!r} cannot be used: edgembed runs on the CPU")
    if pool is not None:
        raise ArgumentError("pool belongs to torch's processes: share one Embedder instead")


def _torch() -> Any:
    """torch, where the caller has it: for code written for sentence-transformers' tensors."""
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise ArgumentError(
            "convert_to_tensor needs torch, which is not installed and edgembed does not carry: "
            "leave it out, encode() gives numpy arrays"
        ) from error
