"""Cutting very long texts before they are tokenised.

tokenizers truncates after tokenising: ten megabytes cost seconds and a gigabyte, for 512 tokens
kept. Here a head of the text is tokenised instead, and its ids are taken only where it is certain
that the whole text begins with the same ones. `longtext` looks for it:

- `runs` leaves out of a head what has no part in any token: the middle of a run of blanks, of a
  word that is too long to be known, of what the normaliser removes;
- `places` says how far from its end the head still reads as the whole text does;
- `longword` decides inside a word without end (Chinese in a SentencePiece vocabulary, base64),
  whose pieces may depend on what follows;
- `repeats` does so where they depend on all that follows, and that is the same again and again.

Where none of this helps the whole text is tokenised. What is read of a tokenizer for it is read
when the first long text comes, and so is `longtext` itself: its tables of characters take 7 ms.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgembed.textcut.longtext import LongText

# Characters a token: most English and Russian prose has fewer, so that one head is mostly enough.
_CHARACTERS_PER_TOKEN = 6


class TextCut:
    """A tokenizer whose truncation is set to max_tokens."""

    def __init__(self, tokenizer: Any, max_tokens: int) -> None:
        """Nothing is read of the tokenizer yet."""
        self._tokenizer = tokenizer
        self._max_tokens, self._size = max_tokens, max_tokens * _CHARACTERS_PER_TOKEN

    def encode(self, text: str) -> Any:
        """The tokenizer's encoding of a text: the ids that it keeps, and whether it cut any.

        Of a long text it may be a head's, or a shorter text's with the same ids.
        """
        if len(text) <= self._size:
            return self._tokenizer.encode(text)
        return self._long.encode(text)

    @cached_property
    def _long(self) -> LongText:
        from edgembed.textcut.longtext import LongText

        return LongText(self._tokenizer, self._max_tokens, self._size)
