"""Cutting very long texts before they are tokenised.

tokenizers truncates after tokenising: ten megabytes cost half a minute and gigabytes, for 512
tokens kept. Here a text is tokenised from a head of it, and the head is taken only where the kept
tokens are certain to be those of the whole text:

- it ends before a single ASCII space that stands between two letters or digits. Normalisers
  cannot reach across that (no combining mark, no grapheme of several characters), and the
  pre-tokenizers that are known here split there, so that no token spans it;
- it yields more tokens than are kept, so the tokenizer truncates it.

Where no such place is found, or the tokenizer is of another kind, the whole text is tokenised.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

_SPLITTING = {"BertPreTokenizer", "Metaspace", "Whitespace", "WhitespaceSplit"}
# A space between two letters or digits; [^\W_] is a letter or digit of any script.
_PLACE = re.compile(r"(?<=[^\W_]) (?=[^\W_])")
# Characters a token, generous for Russian and English prose, so that one head is mostly enough.
_CHARACTERS_PER_TOKEN = 16
_LARGEST_HEAD = 64


class CutPoints(NamedTuple):
    """Where texts may be cut for one tokenizer; enabled=False: nowhere."""

    enabled: bool

    def heads(self, text: str, max_tokens: int) -> Iterator[str]:
        """Ever longer heads of a long text, none for a text that is short enough already."""
        size = max_tokens * _CHARACTERS_PER_TOKEN
        limit = size * _LARGEST_HEAD
        while self.enabled and size < len(text) and size <= limit:
            if place := _last_place(text, size):
                yield text[:place]
            size *= 4


def _last_place(text: str, end: int) -> int | None:
    """The last place to cut in the second half of text[:end]; None where there is none."""
    last = None
    for match in _PLACE.finditer(text, end // 2, end):
        last = match.start()
    return last


def cut_points(tokenizer: Any) -> CutPoints:
    """What may be cut for this tokenizer, read from its own description."""
    return CutPoints(_splits_at_spaces(tokenizer) and not _has_token_with_space(tokenizer))


def _splits_at_spaces(tokenizer: Any) -> bool:
    if tokenizer.pre_tokenizer is None:
        return False
    try:
        # Components print themselves as JSON when pickled; nothing else tells their settings.
        described = json.loads(tokenizer.pre_tokenizer.__getstate__())
    except (TypeError, ValueError):
        return False
    steps = described.get("pretokenizers", [described])
    splitting = (s for s in steps if s.get("type") in _SPLITTING)
    return any(s["type"] != "Metaspace" or s.get("split", True) for s in splitting)


def _has_token_with_space(tokenizer: Any) -> bool:
    return any(" " in token.content for token in tokenizer.get_added_tokens_decoder().values())
