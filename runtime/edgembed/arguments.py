"""encode's arguments, checked before any work is done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from edgembed.errors import ArgumentError, TextError
from edgembed.precision import Precision, check_precision
from edgembed.tokenize import surrogate_indices

_OUTPUT_VALUES = ("sentence_embedding", "token_embeddings", None)
_SHOWN = 10  # how many bad indices an error message lists


@dataclass(frozen=True)
class EncodeOptions:
    """The arguments of encode that remain of interest once all have been checked."""

    output_value: str | None
    precision: Precision
    truncate_dim: int | None

    @classmethod
    def check(
        cls,
        *,
        batch_size: int,
        output_value: str | None,
        precision: str,
        convert_to_tensor: bool,
        device: Any,
        truncate_dim: int | None,
        pool: Any,
        chunk_size: int | None,
    ) -> EncodeOptions:
        """ArgumentError for a value that sentence-transformers refuses, or that needs torch."""
        _check_positive("batch_size", batch_size)
        if truncate_dim is not None:
            _check_positive("truncate_dim", truncate_dim)
        if chunk_size is not None:
            _check_positive("chunk_size", chunk_size)
        if output_value not in _OUTPUT_VALUES:
            raise ArgumentError(f"output_value {output_value!r} is none of {_OUTPUT_VALUES}")
        if convert_to_tensor:
            raise ArgumentError(
                "convert_to_tensor needs torch, which edgembed carries not: "
                "call torch.from_numpy() on what encode() returns"
            )
        if device not in (None, "cpu"):
            raise ArgumentError(f"device {device!r} cannot be used: edgembed runs on the CPU")
        if pool is not None:
            raise ArgumentError("pool belongs to torch's processes: share one Embedder instead")
        return cls(output_value, check_precision(precision), truncate_dim)


def _check_positive(name: str, value: Any) -> None:
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
        raise ArgumentError(f"{name} must be a whole number from 1, not {value!r}")


def as_texts(inputs: str | Iterable[str] | None, kwargs: dict[str, Any]) -> tuple[list[str], bool]:
    """The input as a list, and whether it was one single text.

    `sentences=` in kwargs stands for a missing `inputs`, as in sentence-transformers; any other
    keyword is an ArgumentError. TextError names each item that is not a text or cannot be encoded.
    """
    extra = dict(kwargs)
    if inputs is None:
        inputs = extra.pop("sentences", None)
    if extra:
        raise ArgumentError(f"encode has no argument {', '.join(map(repr, extra))}")
    if isinstance(inputs, str):
        _refuse("hold lone surrogates", surrogate_indices([inputs]))
        return [inputs], True
    if inputs is None or isinstance(inputs, (bytes, dict)) or not isinstance(inputs, Iterable):
        raise TextError(f"encode takes one text or a list of texts, not {type(inputs).__name__}")
    texts = list(inputs)
    _refuse("are not texts", [i for i, text in enumerate(texts) if not isinstance(text, str)])
    _refuse("hold lone surrogates", surrogate_indices(texts))
    return texts, False


def _refuse(what: str, indices: list[int]) -> None:
    if not indices:
        return
    shown = ", ".join(map(str, indices[:_SHOWN])) + (", ..." if len(indices) > _SHOWN else "")
    remedy = {
        "are not texts": "turn them into str, or leave them out",
        "hold lone surrogates": "they are no valid Unicode; repair them with "
        "text.encode('utf-8', 'replace').decode(), or leave them out",
    }[what]
    raise TextError(f"{len(indices)} item(s) {what}, at index {shown}: {remedy}", indices)
