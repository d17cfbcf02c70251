"""Texts of exactly so many tokens, and mixes of the lengths that people really send.

Everything is cut out of real sentences (one a line in a file), so tokenizers and INT8 activations
meet ordinary words; a seed makes it the same every time.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer


def load_lines(files: Sequence[Path]) -> list[str]:
    """Distinct non-empty lines of the files, in order."""
    lines = [line.strip() for file in files for line in file.read_text("utf-8").splitlines()]
    return list(dict.fromkeys(line for line in lines if len(line) > 20))


def load_tokenizer(folder: Path) -> Tokenizer:
    """A checkpoint's tokenizer that neither pads nor truncates."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


class TextCutter:
    """Cuts texts of a wanted number of tokens, special ones included, out of real sentences."""

    def __init__(self, tokenizer: Tokenizer, lines: Sequence[str], seed: int = 0) -> None:
        self._tokenizer = tokenizer
        self._random = random.Random(seed)
        self._words = [word for line in lines for word in line.split()]

    def count(self, text: str) -> int:
        return len(self._tokenizer.encode(text).ids)

    def cut(self, tokens: int) -> str:
        """A text of exactly `tokens` tokens, starting anywhere in the stream of words."""
        while True:
            start = self._random.randrange(len(self._words) - tokens)
            text = self._longest(start, tokens)
            while text and self.count(text) > tokens:
                text = text[:-1].rstrip()
            text = self._fill(text, tokens)
            if self.count(text) == tokens:
                return text

    def _longest(self, start: int, tokens: int) -> str:
        """Words from `start` on until the text has at least `tokens` tokens."""
        taken = max(1, tokens // 2)
        while self.count(text := " ".join(self._words[start : start + taken])) < tokens:
            taken += max(1, tokens // 8)
        return text

    def _fill(self, text: str, tokens: int) -> str:
        # A full stop is one token in every tokenizer used here.
        return text + " ." * (tokens - self.count(text))


def log_normal_lengths(
    count: int, median: int, sigma: float, longest: int, seed: int = 0
) -> list[int]:
    """Token counts as search queries, sentences and paragraphs mix: log-normal, clipped."""
    generator = random.Random(seed)
    drawn = (generator.lognormvariate(math.log(median), sigma) for _ in range(count))
    return [min(max(round(length), 4), longest) for length in drawn]
