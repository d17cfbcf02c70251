"""Words of millions of characters that repeat themselves up to the text's end, or near it.

"xxxx…" and "....…" are what a stuck key gives, or an attack. Where the pieces of such a word agree
on no border whatever it ends with (see longword), they are those of Unigram's best path through
all of it, which is found without going all of it (see bestpath).
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from typing import Any

from edgembed.textcut.bestpath import Repeated, Scores, borders
from edgembed.textcut.described import Described
from edgembed.textcut.places import last_place

# Characters of what is repeated; twice as many may follow, four times as many be before.
_LONGEST = 1024
_BLOCK = 65_536
_TRIED = 8


class Repeats:
    """Decides for one Unigram tokenizer whose truncation is set to max_tokens."""

    def __init__(self, described: Described, max_tokens: int) -> None:
        """Nothing is read of the tokenizer yet."""
        self._described, self._max_tokens = described, max_tokens

    def encode(self, text: str) -> Any:
        """The encoding of a head that has the whole text's ids, or None where none is certain."""
        if (parts := _parts(text)) is None or (found := self._word(parts)) is None:
            return None
        word, is_last = found
        path = borders(word, self._scores, self._max_tokens + 2)
        if path is None:
            return None
        for end, head in islice(_heads(parts, word, path.ends), _TRIED):
            if self._described.words(head)[-1] != word.first(end):
                continue
            encoding = self._described.tokenizer.encode(head)
            # All that is behind the head may be one unknown token, with the head's last.
            unknown = is_last and path.last_known < end
            return encoding if encoding.overflowing or unknown else None
        return None

    @cached_property
    def _scores(self) -> Scores:
        pairs = json.loads(self._described.model.__getstate__())["vocab"]
        scores = array("d", (score for _, score in pairs))

        def of(piece: str) -> float | None:
            index = self._described.model.token_to_id(piece)
            return None if index is None else scores[index]

        longest, _ = self._described.vocabulary
        return Scores(of, min(scores), longest)

    def _word(self, parts: Repeated) -> tuple[Repeated, bool] | None:
        """The word that repeats itself, as the model sees it, and whether it is the last one."""
        start, unit, times, tail = parts
        if any(token in start + unit * 3 + tail for token in self._described.added):
            return None
        words = self._described.words
        if not (before := words(start)):  # all of it only parts words
            return None
        *others, first = before
        normal = words(start + unit)[-1][len(first) :]
        twice = words(start + unit * 2 + tail)[len(others) :]
        end = twice[0][len(first + normal * 2) :] if twice else ""
        rest = twice[1:]
        # Mostly it is a sentence, of several words, that comes again and again: that is seen here.
        thrice = [*others, first + normal * 3 + end, *rest]
        if not normal or words(start + unit * 3 + tail) != thrice:
            return None
        return Repeated(first, normal, times, end), not rest


def _heads(parts: Repeated, word: Repeated, ends: list[int]) -> Iterator[tuple[int, str]]:
    """Heads of the text that seem to end where the word has these ends."""
    for end in ends:
        times, rest = divmod(end - len(word.start), len(word.unit))
        # Characters of the unit may be several of the word's, or none.
        if times >= 0 and (not rest or len(word.unit) == len(parts.unit)):
            yield end, parts.first(len(parts.start) + times * len(parts.unit) + rest)


def _parts(text: str) -> Repeated | None:
    """What a text repeats from near its beginning to near its end; None if it does not."""
    middle = len(text) // 2
    sample = text[middle : middle + _LONGEST]
    period = text.find(sample, middle + 1, middle + 2 * _LONGEST) - middle
    if period <= 0:
        return None
    first = middle - _alike(text, middle, period, -1)
    stop = middle + _alike(text, middle, period, 1) + period
    place = last_place(text, first + period)
    if place is None or place <= first or place > 4 * _LONGEST:
        return None
    times = (stop - place) // period
    tail = place + times * period
    if len(text) - tail > 2 * _LONGEST:
        return None
    return Repeated(text[:place], text[place : place + period], times, text[tail:])


def _alike(text: str, place: int, period: int, way: int) -> int:
    """How many characters before `place` (way -1) or from it on (1) come again after a period."""
    count, block = 0, _BLOCK
    most = place if way < 0 else len(text) - period - place
    while block and count < most:
        block = min(block, most - count)
        start = place + count if way > 0 else place - count - block
        if text[start : start + block] == text[start + period : start + period + block]:
            count += block
        else:
            block //= 2
    return count
