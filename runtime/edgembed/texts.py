"""encode's texts, checked before any work is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from edgembed.errors import (
    ArgumentError,
    EdgembedError,
    InferenceError,
    TextError,
    TruncationWarning,
)
from edgembed.unicode import surrogate_indices
from edgembed.warn import warn

_SHOWN = 10  # how many bad indices an error message lists

# What is told of each text that cannot be embedded, where the others are to go on: its index in
# the call's input, and the error.
OnError = Callable[[int, EdgembedError], None]


def as_texts(inputs: str | Iterable[str] | None, kwargs: dict[str, Any]) -> tuple[list[str], bool]:
    """The input as a list, and whether it was one single text.

    `sentences=` in kwargs stands for a missing `inputs`, as in sentence-transformers; any other
    keyword is an ArgumentError. TextError names each item that is not a text or cannot be encoded.
    """
    texts, single = as_items(inputs, kwargs)
    check_texts(texts)
    return texts, single


def as_items(inputs: str | Iterable[str] | None, kwargs: dict[str, Any]) -> tuple[list[str], bool]:
    """As as_texts, but the items are whatever they are."""
    extra = dict(kwargs)
    if inputs is None:
        inputs = extra.pop("sentences", None)
    if extra:
        raise ArgumentError(f"encode has no argument {', '.join(map(repr, extra))}")
    if isinstance(inputs, str):
        return [inputs], True
    return list(as_many(inputs)), False


def as_many(inputs: object) -> Iterable[str]:
    """What can be gone through text by text; TextError for anything else.

    A numpy scalar looks so and cannot; a table (pandas, polars) and a dict can, and give the names
    of their columns in place of the texts.
    """
    shape = getattr(inputs, "shape", (0,))
    of_one_row = isinstance(shape, tuple) and len(shape) == 1
    if isinstance(inputs, Iterable) and of_one_row and not isinstance(inputs, (bytes, dict)):
        return inputs
    kind, remedy = type(inputs).__name__, ""
    if isinstance(shape, tuple) and len(shape) > 1:
        kind, remedy = f"{kind} of shape {shape}", ": give one column of it"
    raise TextError(f"encode takes one text or a list of texts, not {kind}{remedy}")


def check_texts(texts: list[str]) -> None:
    """TextError names each item that is not a text or cannot be encoded."""
    _refuse("are not texts", [i for i, text in enumerate(texts) if not isinstance(text, str)])
    _refuse("hold lone surrogates", surrogate_indices(texts))


def good_indices(texts: list[str], on_error: OnError) -> list[int]:
    """The indices of the texts that can be embedded; on_error is told of the others."""
    good = []
    for index, text in enumerate(texts):
        try:
            check_texts([text])
        except TextError as error:
            on_error(index, TextError(f"text {index}: {error}", [index]))
        else:
            good.append(index)
    return good


def report_failed(
    on_error: OnError | None, indices: Sequence[int], place: int, error: InferenceError
) -> None:
    """Tell on_error of the failed text at indices[place], or raise where there is none."""
    index = indices[place]
    named = InferenceError(f"text {index}: {error}", [index])
    if on_error is None:
        raise named from error
    on_error(index, named)


def warn_of_cut(cut: int, texts: int, most: int) -> None:
    """A TruncationWarning where `cut` of the texts had more than `most` tokens."""
    if cut:
        message = (
            f"{cut} of {texts} text(s) had more than {most} tokens and were cut: split long texts, "
            "or export with a larger --max-seq-length"
        )
        warn(message, TruncationWarning)


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
