"""Which pieces of a word are certain before its end has been seen.

Unigram and BPE cut a word into pieces that may all depend on its last character. But whichever
pieces the whole word has, one of their borders is the last at or before any place, and the piece
behind it begins within a token's length of that place. The pieces up to a border are those that
the word has if it ends there. So all places where that border can be are tried: what all of them
begin with, the whole word begins with.
"""

from __future__ import annotations

from typing import Any

from edgembed.textcut.described import Described

Pieces = list[tuple[int, tuple[int, int]]]


class LongWord:
    """Decides for one tokenizer."""

    def __init__(self, described: Described) -> None:
        """Of a tokenizer that splits by pieces."""
        self._described = described

    def is_certain(self, encoding: Any, head: str, steady: int) -> bool:
        """Whether the kept tokens and one more of a head are those of every text that goes on.

        steady: up to where the head's characters are certain. False if not decided.
        """
        if any(token in head for token in self._described.added):
            return False
        words = self._described.words(head)
        if any(token in word for word in words[-1:] for token in self._described.added):
            return False
        before = [id_ for word in words[:-1] for id_, _ in self._pieces(word)]
        pieces = self._pieces(words[-1])
        if [*before, *(id_ for id_, _ in pieces)] != _own_ids([encoding, *encoding.overflowing]):
            return False
        wanted = len(_own_ids([encoding])) + 1 - len(before)
        # Bytes count at least as much as characters, whatever the word is written in.
        unsteady = len(self._described.normalize(head[steady:]).encode())
        return self._agree(words[-1], len(words[-1]) - unsteady, wanted, len(pieces))

    def _agree(self, word: str, steady: int, wanted: int, pieces: int) -> bool:
        """Whether all endings of word[:steady] give the same first `wanted` pieces."""
        longest, _ = self._described.vocabulary
        most = steady - longest
        likely = round(len(word) * (wanted + 2) / pieces) + 2 * longest
        return any(
            2 * longest < end <= most and self._certain_pieces(word, end, longest) >= wanted
            for end in dict.fromkeys((min(likely, most), most))
        )

    def _certain_pieces(self, word: str, end: int, longest: int) -> int:
        """How many pieces all borders agree on of which one is the last before word[end]."""
        borders = [*self._straddled(word, end, longest), end]
        first, *others = (self._pieces(word[:border]) for border in borders)
        count = len(first)
        for other in others:
            count = min(count, _common(first, other))
        return count - 1  # unknown characters are put together: the last piece may go on

    def _straddled(self, word: str, end: int, longest: int) -> list[int]:
        """Places before `end` where a token of the vocabulary begins that goes beyond it."""
        is_token = self._described.tokenizer.token_to_id
        return [
            start
            for start in range(max(1, end - longest + 1), end)
            if any(is_token(word[start:stop]) is not None
                   for stop in range(end + 1, start + longest + 1))
        ]  # fmt: skip

    def _pieces(self, word: str) -> Pieces:
        return [(token.id, token.offsets) for token in self._described.model.tokenize(word)]


def _common(a: Pieces, b: Pieces) -> int:
    return next((i for i, pair in enumerate(zip(a, b, strict=False)) if pair[0] != pair[1]),
                min(len(a), len(b)))  # fmt: skip


def _own_ids(parts: list[Any]) -> list[int]:
    """Ids of the text's own tokens, without those that the tokenizer puts around them."""
    return [
        id_
        for part in parts
        for id_, word in zip(part.ids, part.word_ids, strict=True)
        if word is not None
    ]
