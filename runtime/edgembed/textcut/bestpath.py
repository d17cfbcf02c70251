"""Unigram's best path through a word that repeats itself, without going all of the way.

Which pieces such a word begins with may depend on its very end, and on how the sums of millions
of scores are rounded. But while all sums lie between two powers of two, they are multiples of one
unit in the last place, and adding a score moves any two of them alike. So once the last sums stand
to each other as they did some repetitions before, everything goes on as it did since, up to the
next power of two: that is leapt over, sums and ways back. A leap moves by an even number of units,
so that sums which are halfway between two neighbours are rounded as they were (to the even one).

The sums and their order are those of tokenizers' `Unigram::encode_optimized`: double precision,
a later way must be better than an earlier one; what is in no piece costs 10 more than the worst.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

_STEPS = 30_000  # characters looked at one by one; more are seldom of use, and take too long
_UNKNOWN_COSTS = 10.0


@dataclass(frozen=True)
class Scores:
    """What pieces cost: `of` gives a piece's score or None, `least` is the least of all."""

    of: Callable[[str], float | None]
    least: float
    longest: int  # characters of the longest piece


class Repeated(NamedTuple):
    """A text or a word: start + unit * times + tail."""

    start: str
    unit: str
    times: int
    tail: str

    def first(self, count: int) -> str:
        """Its first characters, so many, which are before its tail."""
        return (self.start + self.unit * (count // len(self.unit) + 1))[:count]


class Borders(NamedTuple):
    """Where the first pieces of a word end, in characters, last one first.

    last_known: where the last piece of all ends that is in the vocabulary; if that is behind these
    first pieces, only that it is.
    """

    ends: list[int]
    last_known: int


class _Way(NamedTuple):
    length: int
    score: float
    is_known: bool


class _Leap(NamedTuple):
    """`times` times the `period` characters up to `at`, left out behind it."""

    at: int
    period: int
    times: int


def borders(word: Repeated, scores: Scores, pieces: int) -> Borders | None:
    """Those of the whole word's first pieces, so many at least; None if that takes too long."""
    path = _Path(word, scores)
    until = len(word.start) + pieces * path.reach
    if not path.go(until):
        return None
    back = list(path.back())
    last_known = next((place for place, way in back if way.is_known), 0)
    return Borders([place for place, _ in back if place <= until], last_known)


class _Path:
    """Sums and ways back by character, without what was leapt over."""

    def __init__(self, word: Repeated, scores: Scores) -> None:
        self._scores, self._word = scores, word
        self._sums, self._taken = [0.0], [_Way(0, 0.0, False)]
        self._leaps: list[_Leap] = []
        unit, longest = len(word.unit), scores.longest
        repeated = word.unit * (longest // unit + 2)
        steady = len(repeated) - unit
        self._inside = [self._ways(repeated, steady + at + 1) for at in range(unit)]
        self._first = self._all_ways(word.start + repeated[:longest], 0)
        self._last = self._all_ways(repeated + word.tail, len(repeated))
        self.reach = max(way.length for ways in self._inside + self._last for way in ways)

    def _ways(self, text: str, end: int) -> list[_Way]:
        """Pieces that end at text[:end], those that begin earlier first."""
        ways = [
            _Way(end - start, score, True)
            for start in range(max(0, end - self._scores.longest), end)
            if (score := self._scores.of(text[start:end])) is not None
        ]
        if not ways or ways[-1].length != 1:
            ways.append(_Way(1, self._scores.least - _UNKNOWN_COSTS, False))
        return ways

    def _all_ways(self, text: str, start: int) -> list[list[_Way]]:
        return [self._ways(text, end) for end in range(start + 1, len(text) + 1)]

    def go(self, until: int) -> bool:
        """To the word's end, without a leap before `until`; False if that takes too long."""
        unit = len(self._word.unit)
        left = unit * self._word.times - self._scores.longest
        if left < 0 or any(way.score > 0 for ways in self._inside for way in ways):
            return False
        for ways in self._first:
            self._step(ways)
        if not self._repeat(left, until):
            return False
        for ways in self._last:
            self._step(ways)
        return True

    def _step(self, ways: Sequence[_Way]) -> None:
        sums = self._sums
        best, taken = -math.inf, ways[0]
        for way in ways:
            if (here := way.score + sums[-way.length]) > best:
                best, taken = here, way
        sums.append(best)
        self._taken.append(taken)

    def _repeat(self, left: int, until: int) -> bool:
        """Go on for `left` characters."""
        unit = len(self._inside)
        seen: dict[tuple[float, ...], int] = {}
        while left:
            self._step(self._inside[-left % unit])
            left -= 1
            if left % unit or len(self._sums) <= until + 1:
                continue
            if len(self._sums) > until + _STEPS:
                return False
            left -= self._leap(seen, left)
        return True

    def _leap(self, seen: dict[tuple[float, ...], int], most: int) -> int:
        """How many characters, at most `most`, are leapt over: 0 if what is to come is not known.

        seen: how the last sums stood to each other, and where.
        """
        sums, here = self._sums, len(self._sums) - 1
        window = sums[-self.reach :]
        limit = 2.0 ** math.frexp(window[-1])[1]
        before = seen.setdefault(tuple(one - window[-1] for one in window), here)
        since = sums[before - self.reach : here + 1]
        if max(since) > -limit / 2:
            seen.clear()
            return 0
        moved, period = sums[here] - sums[before], here - before
        if moved >= 0 or (moved / math.ulp(sums[here])) % 2:
            return 0
        dearest = min(way.score for ways in self._inside for way in ways)
        times = min(most // period, int((limit + min(since) + dearest) / -moved) - 1)
        if times <= 0:
            return 0
        sums[-self.reach :] = [one + times * moved for one in window]
        self._leaps.append(_Leap(here, period, times))
        seen.clear()
        return times * period

    def back(self) -> Iterator[tuple[int, _Way]]:
        """The pieces from the word's end to its beginning, and where each ends.

        Behind the first leap that counts what is not leapt over, and of what is, the pieces that
        are as others are may be left out.
        """
        place = len(self._sums) - 1
        for leap in reversed(self._leaps):
            while place > leap.at:
                yield place, self._taken[place]
                place -= self._taken[place].length
            left = leap.times * leap.period + place - leap.at
            seen: dict[int, int] = {}
            while left > 0:
                if again := seen.setdefault(left % leap.period, left) - left:
                    left -= (left - 1) // again * again
                way = self._taken[leap.at - -left % leap.period]
                yield leap.at, way
                left -= way.length
            place = leap.at + left
        while place > 0:
            yield place, self._taken[place]
            place -= self._taken[place].length
