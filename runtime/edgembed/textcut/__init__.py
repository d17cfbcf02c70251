"""Cutting very long texts before they are tokenised.

tokenizers truncates after tokenising: ten megabytes cost seconds and a gigabyte, for 512 tokens
kept. Here a head of the text is tokenised instead, and its ids are taken only where it is certain
that the whole text begins with the same ones:

- `runs` leaves out of a head what has no part in any token: the middle of a run of blanks, of a
  word that is too long to be known, of what the normaliser removes;
- `places` says how far from its end the head still reads as the whole text does;
- `longword` decides inside a word without end (Chinese in a SentencePiece vocabulary, base64),
  whose pieces may depend on what follows;
- `repeats` does so where they depend on all that follows, and that is the same again and again.

Where none of this helps the whole text is tokenised. What is read of a tokenizer for it is read
when the first long text comes.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from edgembed.textcut.described import Described
from edgembed.textcut.longword import LongWord
from edgembed.textcut.places import last_place, steady_end
from edgembed.textcut.runs import Shortened, runs_of

if TYPE_CHECKING:
    from edgembed.textcut.repeats import Repeats

# Characters a token: most English and Russian prose has fewer, so that one head is mostly enough.
_CHARACTERS_PER_TOKEN = 6
# The largest head, in first ones. A word without end is decided early or not at all (see longword).
_LARGEST, _LARGEST_OF_PIECES, _LARGEST_DECIDED = 128, 16, 4


class TextCut:
    """What is known of one tokenizer, whose truncation is set to max_tokens."""

    def __init__(self, tokenizer: Any, max_tokens: int) -> None:
        """Nothing is read of the tokenizer yet."""
        self._tokenizer = tokenizer
        self._max_tokens, self._size = max_tokens, max_tokens * _CHARACTERS_PER_TOKEN

    def encode(self, text: str) -> Any:
        """The tokenizer's encoding of a text: the ids that it keeps, and whether it cut any.

        Of a long text it may be a head's, or a shorter text's with the same ids.
        """
        if len(text) <= self._size or not self._described.is_known:
            return self._tokenizer.encode(text)
        # First, because it is soon seen whether a text repeats itself, and deciding inside of a
        # word that does takes longest and comes to nothing.
        repeats = self._repeats if len(text) > self._size * _LARGEST_OF_PIECES else None
        if repeats and (found := repeats.encode(text)) is not None:
            return found
        if (found := self._certain(text, self._size)) is not None:
            return found
        stream = Shortened(text, self._runs)
        size = self._size
        largest = _LARGEST_OF_PIECES if self._long_word else _LARGEST
        while size <= self._size * largest:
            head = stream.head(size)
            if stream.is_whole:
                break
            if (found := self._certain(head, size)) is not None:
                return found
            size *= 2
        return self._tokenizer.encode(stream.whole())

    @cached_property
    def _described(self) -> Described:
        return Described(self._tokenizer)

    @cached_property
    def _runs(self) -> Any:
        return runs_of(self._described)

    @cached_property
    def _long_word(self) -> LongWord | None:
        return LongWord(self._described) if self._described.splits_by_pieces else None

    @cached_property
    def _repeats(self) -> Repeats | None:
        if not self._described.is_unigram:
            return None
        from edgembed.textcut.repeats import Repeats  # for few texts, and not for the first vector

        return Repeats(self._described, self._max_tokens)

    def _certain(self, text: str, size: int) -> Any:
        """The encoding of a head of text, or None where the whole text might begin otherwise."""
        end = last_place(text, size)
        if end is None:
            return None
        steady = steady_end(text, end, self._described.reach)
        if steady is None:
            return None
        head = text[:end]
        encoding = self._tokenizer.encode(head)
        if not encoding.overflowing:
            return None
        if _is_steady(encoding, steady):
            return encoding
        decide = size <= self._size * _LARGEST_DECIDED and self._long_word
        if decide and decide.is_certain(encoding, head, steady):
            return encoding
        return None


def _is_steady(encoding: Any, steady: int) -> bool:
    """Whether the first token that is not kept belongs to a word that ends before `steady`.

    Words before the last are those of the whole text: a word begins where the one before it ends.
    """
    first = None
    for part in encoding.overflowing:
        for word, (start, _) in zip(part.word_ids, part.offsets, strict=True):
            if word is None:
                continue
            if first is None:
                first = word
            elif word != first:
                return bool(start <= steady)
    return False
