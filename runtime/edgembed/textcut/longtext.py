"""A text longer than what its kept tokens are expected to take (see textcut)."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from edgembed.textcut.described import Described
from edgembed.textcut.longword import LongWord
from edgembed.textcut.places import last_place, steady_end
from edgembed.textcut.runs import Shortened, runs_of

if TYPE_CHECKING:
    from edgembed.textcut.repeats import Repeats

# The largest head, in first ones. A word without end is decided early or not at all (see longword).
_LARGEST, _LARGEST_OF_PIECES, _LARGEST_DECIDED = 128, 16, 4


class LongText:
    """What is known of one tokenizer, whose truncation is set to max_tokens."""

    def __init__(self, tokenizer: Any, max_tokens: int, size: int) -> None:
        """Nothing is read of the tokenizer yet. size: characters of the first head tried."""
        self._tokenizer, self._max_tokens, self._size = tokenizer, max_tokens, size

    def encode(self, text: str) -> Any:
        """As TextCut.encode."""
        if not self._described.is_known:
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
        from edgembed.textcut.repeats import Repeats  # for few texts

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
