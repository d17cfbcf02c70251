"""Long runs of characters that make no difference, left out.

Ten megabytes of blanks, of one endless word, of NULs may stand before the first token that counts.
A run of a kind is shortened to its two ends where the tokens are the same either way:

- blanks, where they only part words;
- what the normaliser removes;
- letters, where a word of so many is one unknown token, however it goes on (WordPiece);
- characters that are in no token, where all of a run are one unknown token (Unigram).

Which characters are of a kind is not believed but asked of the tokenizer, one by one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import compress
from typing import NamedTuple

from edgembed.textcut.described import Described
from edgembed.textcut.places import EMOJI, IDEOGRAPHS, LETTERS, MARKS, SIGNS

_BLANKS = " \t\n\r"
# Control characters, invisible ones, and private use.
_REMOVED = (
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2064\ue000-\uf8ff"
    "\ufeff\ufffd"
)
# Marks, joiners, presentation, tones of skin: what goes on with a word and may count for nothing.
_THAI = "\u0e31\u0e34-\u0e3a\u0e40-\u0e45\u0e47-\u0e4e"  # nothing is composed of these
_VOWELS = (  # of India, Laos, Tibet, Burma, Cambodia
    "\u0981-\u0983\u09bc-\u09cd\u0a3c-\u0a4d\u0abc-\u0acd\u0b3c-\u0b4d\u0bbe-\u0bcd\u0c3e-\u0c4d\u0cbc-\u0ccd"
    "\u0d3e-\u0d4d\u0dca-\u0ddf\u0eb1-\u0ebc\u0ec8-\u0ecd\u0f71-\u0f84\u102b-\u103e\u17b4-\u17d3"
)
_PASSING = MARKS + _THAI + _VOWELS + "\u200d\ufe0f\U0001f3fb-\U0001f3ff"
_BLOCK = 65_536
_ASKED = 256  # characters that a tokenizer is asked of together


class Run(NamedTuple):
    """A kind of characters, `characters` of a class in `re`; a run keeps `kept` at each end.

    proof: how many characters of `counting` the first end must have; the end is as long as needed.
    before: what must follow the run, if the text does not end with it.
    """

    characters: str
    kept: int
    counting: str = ""
    proof: int = 0
    before: str | None = None


class Shortened:
    """A text without the middles of its runs, read as far as it is asked for."""

    def __init__(self, text: str, runs: list[Run]) -> None:
        """Nothing is read yet."""
        self._text, self._runs = text, runs
        self._place = self._length = 0
        self._pieces: list[str] = []
        self._pattern = re.compile(
            "|".join(f"([{run.characters}]{{{2 * run.kept + 1},}})" for run in runs) or "(?!)"
        )

    @property
    def is_whole(self) -> bool:
        """Whether all has been read."""
        return self._place == len(self._text)

    def head(self, length: int) -> str:
        """At least so many characters, or all there are."""
        while self._length < length and not self.is_whole:
            self._step(min(max(length, 1024), _BLOCK))
        self._pieces = ["".join(self._pieces)]
        return self._pieces[0]

    def whole(self) -> str:
        """All of it."""
        return self.head(len(self._text))

    def _step(self, size: int) -> None:
        """Read up to the end of the next run, or `size` characters; a cut run goes on as a next."""
        start, end = self._place, min(self._place + size, len(self._text))
        match = self._pattern.search(self._text, start, end)
        if match is None:
            self._keep(start, end)
            self._place = end
            return
        run = self._runs[(match.lastindex or 1) - 1]
        self._keep(start, match.start())
        self._place = _end_of(run, self._text, match.end())
        first = self._first_end(run, match.start(), self._place) if self._may_go(run) else None
        if first is None:
            self._keep(match.start(), self._place)
        else:
            self._keep(match.start(), first)
            self._keep(max(first, self._place - run.kept), self._place)

    def _may_go(self, run: Run) -> bool:
        """Whether what follows allows the run that ends here to be shortened."""
        after = self._text[self._place : self._place + 1]
        return run.before is None or after in ("", run.before)

    def _first_end(self, run: Run, start: int, end: int) -> int | None:
        """Where the first end of a run is long enough; None where it never is."""
        if not run.proof:
            return start + run.kept
        length = run.kept
        while start + length < end:
            if len(re.findall(f"[{run.counting}]", self._text[start : start + length])) > run.proof:
                return start + length
            length *= 4
        return None

    def _keep(self, start: int, end: int) -> None:
        if start < end:
            self._pieces.append(self._text[start:end])
            self._length += end - start


def _end_of(run: Run, text: str, place: int) -> int:
    match = re.compile(f"[{run.characters}]*").match(text, place)
    return place if match is None else match.end()


def runs_of(described: Described) -> list[Run]:
    """The kinds that make no difference to a tokenizer."""
    if not described.is_known:
        return []
    kinds = (_blanks, _removed, _long_words, _unknown)
    return [run for kind in kinds if (run := kind(described)) and not _holds_token(run, described)]


def _holds_token(run: Run, described: Described) -> bool:
    """Whether an added token, or what is replaced by something else, could stand within a run."""
    inside = re.compile(f"[{run.characters}]+")
    longer = (pattern for pattern in described.patterns if len(pattern) > 1)
    return any(inside.fullmatch(token) for token in (*described.added, *longer))


def _blanks(described: Described) -> Run | None:
    def collapse(characters: list[str]) -> list[bool]:
        return [described.normalize(f"a{one * 20}b") == "a b" for one in characters]

    if described.drops_blanks:
        return Run(_BLANKS, described.reach)
    kind = _class(_BLANKS, collapse)
    return Run(kind, described.reach) if kind else None


def _removed(described: Described) -> Run | None:
    def vanish(characters: list[str]) -> list[bool]:
        if described.normalize(f"a{''.join(characters)}b") == "ab":
            return [True] * len(characters)
        return [described.normalize(f"a{one * 20}b") == "ab" for one in characters]

    kind = _class(_REMOVED, vanish)
    return Run(kind, described.reach) if kind else None


def _long_words(described: Described) -> Run | None:
    if (longest := described.longest_word) is None:
        return None

    def words(characters: list[str]) -> list[list[str]]:
        together = described.words(" ".join(f"a{one}b" for one in characters))
        if len(together) == len(characters):
            return [[word] for word in together]
        return [described.words(f"a{one}b") for one in characters]

    counting = _class(
        LETTERS + SIGNS + EMOJI, lambda c: [[len(w) > 2 for w in ws] == [True] for ws in words(c)]
    )
    others = _class(_PASSING, lambda c: [len(ws) == 1 for ws in words(c)])
    if not counting:
        return None
    kept = longest + described.reach
    return Run(counting + others, kept, counting, proof=longest + described.reach // 2)


def _unknown(described: Described) -> Run | None:
    known = {step.get("type") for step in described.pre_tokenizers}
    if not described.is_unigram or not known <= {"Metaspace", "WhitespaceSplit"}:
        return None
    _, alphabet = described.vocabulary

    def are_unknown(characters: list[str]) -> list[bool]:
        normal = described.normalize(" ".join(characters)).split(" ")
        if len(normal) != len(characters):
            normal = [described.normalize(one) for one in characters]
        return [a == b and a not in alphabet for a, b in zip(characters, normal, strict=True)]

    kind = _class(LETTERS + SIGNS + IDEOGRAPHS + EMOJI + _REMOVED + _THAI, are_unknown)
    if not kind or len(described.model.tokenize(_characters(kind)[0] * 3)) != 1:
        return None  # each byte of what is unknown is a token
    # A word's pieces are weighed by sums that begin with the word, and of two orders of the same
    # pieces rounding decides: behind a run that is shorter it may decide otherwise.
    return Run(kind, described.reach, before=" " if described.splits_at_spaces else "")


def _class(candidates: str, belong: Callable[[list[str]], list[bool]]) -> str:
    """Those of the candidates, both classes in `re`, that belong."""
    characters = _characters(candidates)
    blocks = (characters[at : at + _ASKED] for at in range(0, len(characters), _ASKED))
    kept = (one for block in blocks for one in compress(block, belong(block)))
    return "".join(f"{first}-{last}" for first, last in _ranges(kept))


def _characters(kind: str) -> list[str]:
    return [
        chr(code)
        for match in re.finditer(r"(?s)(.)-(.)|(.)", kind)
        for code in range(ord(match[1] or match[3]), ord(match[2] or match[3]) + 1)
    ]


def _ranges(characters: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Characters in ascending order as ranges, none of them special in a class."""
    first = last = ""
    for character in characters:
        if last and ord(character) == ord(last) + 1:
            last = character
            continue
        if last:
            yield first, last
        first = last = character
    if last:
        yield first, last
