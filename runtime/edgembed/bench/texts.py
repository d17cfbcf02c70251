"""Texts of exactly so many tokens, and mixes of the lengths that people really send.

Everything is cut out of real sentences, so tokenizers and INT8 activations meet ordinary words; a
seed makes it the same every time.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

_ATTEMPTS = 100


class TextCutter:
    """Cuts texts of a wanted number of tokens, special ones included, out of real sentences.

    count: the number of tokens of a text. lines: sentences with more words than any text will
    have tokens.
    """

    def __init__(self, count: Callable[[str], int], lines: Sequence[str], seed: int = 0) -> None:
        """The same seed gives the same texts."""
        self.count = count
        self._random = random.Random(seed)
        self._words = [word for line in lines for word in line.split()]

    def cut(self, tokens: int) -> str:
        """A text of `tokens` tokens, starting anywhere in the stream of words.

        Where the tokenizer cannot be made to give just as many, the text has a few less.
        """
        nearest = ""
        for _ in range(_ATTEMPTS):
            text = self._trimmed(tokens)
            # A full stop is one token in most tokenizers.
            filled = text + " ." * (tokens - self.count(text))
            if self.count(filled) == tokens:
                return filled
            nearest = max(nearest, text, key=self.count)
        return nearest

    def _trimmed(self, tokens: int) -> str:
        """Words from anywhere, as many as `tokens` tokens have room for."""
        start = self._random.randrange(len(self._words) - tokens)
        text = self._longest(start, tokens)
        while text and self.count(text) > tokens:
            text = text[:-1].rstrip()
        return text

    def _longest(self, start: int, tokens: int) -> str:
        """Words from `start` on until the text has at least `tokens` tokens."""
        taken = max(1, tokens // 2)
        while self.count(text := " ".join(self._words[start : start + taken])) < tokens:
            taken += max(1, tokens // 8)
        return text


def token_counter(tokenizer_json: bytes) -> Callable[[str], int]:
    """Tokens of a text, special ones included, where nothing is padded or truncated."""
    from tokenizers import Tokenizer

    from edgembed.tokenizerfile import parse

    tokenizer = Tokenizer.from_buffer(parse(tokenizer_json).text())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return lambda text: len(tokenizer.encode(text).ids)


def log_normal_lengths(
    count: int, median: int, sigma: float, longest: int, seed: int = 0
) -> list[int]:
    """Token counts as search queries, sentences and paragraphs mix: log-normal, clipped."""
    generator = random.Random(seed)
    drawn = (generator.lognormvariate(math.log(median), sigma) for _ in range(count))
    return [min(max(round(length), 4), longest) for length in drawn]
