"""Lone surrogates: code points that are valid in a Python str and in no encoding of it."""

from __future__ import annotations

from collections.abc import Sequence

_AT_ONCE = 2**16  # characters, so that the copies which are made to look stay small


def is_encodable(text: str) -> bool:
    """Whether a text is valid Unicode, which all that tokenizers reads must be."""
    if text.isascii():
        return True
    try:
        for start in range(0, len(text), _AT_ONCE):
            text[start : start + _AT_ONCE].encode()
    except UnicodeEncodeError:
        return False
    return True


def surrogate_indices(texts: Sequence[str]) -> list[int]:
    """Positions of the texts that hold lone surrogates."""
    return [i for i, text in enumerate(texts) if not is_encodable(text)]
