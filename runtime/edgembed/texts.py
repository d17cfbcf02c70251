"""encode's texts, checked before any work is done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeGuard

from edgembed.errors import ArgumentError, TextError
from edgembed.unicode import surrogate_indices

_SHOWN = 10  # how many bad indices an error message lists


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
    if not _is_many(inputs):
        raise TextError(f"encode takes one text or a list of texts, not {type(inputs).__name__}")
    texts: list[str] = list(inputs)
    _refuse("are not texts", [i for i, text in enumerate(texts) if not isinstance(text, str)])
    _refuse("hold lone surrogates", surrogate_indices(texts))
    return texts, False


def _is_many(inputs: object) -> TypeGuard[Iterable[str]]:
    """Whether it can be gone through item by item; a numpy scalar looks so and cannot."""
    refused = isinstance(inputs, (bytes, dict)) or getattr(inputs, "shape", None) == ()
    return isinstance(inputs, Iterable) and not refused


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
