"""What a tokenizer says of itself: its parts, and how far they look."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

# Parts that look at one character, one grapheme, or one run of characters of a kind at a time.
_NORMALIZERS = {
    *("BertNormalizer", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Precompiled"),
    *("Nmt", "Strip", "Prepend", "Replace", "ByteLevel"),
}
_PRE_TOKENIZERS = {
    *("BertPreTokenizer", "Whitespace", "WhitespaceSplit", "Metaspace", "ByteLevel", "Digits"),
    *("Punctuation", "CharDelimiterSplit", "UnicodeScripts"),
}
_COLLAPSING = {"Regex": " {2,}"}
_SLACK = 16  # characters beyond what any known part looks ahead


class Described:
    """A tokenizer and the types and settings of its parts."""

    def __init__(self, tokenizer: Any) -> None:
        """tokenizer: tokenizers'."""
        self.tokenizer, self.model = tokenizer, tokenizer.model
        self.normalizers = _steps(tokenizer.normalizer, "normalizers")
        self.pre_tokenizers = _steps(tokenizer.pre_tokenizer, "pretokenizers")
        self.added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
        self.kind = type(self.model).__name__

    @property
    def is_known(self) -> bool:
        """Whether every part is one whose reach is known here."""
        normal = all(
            step.get("type") in _NORMALIZERS and self._replaces_little(step)
            for step in self.normalizers
        )
        return normal and all(step.get("type") in _PRE_TOKENIZERS for step in self.pre_tokenizers)

    @staticmethod
    def _replaces_little(step: dict[str, Any]) -> bool:
        pattern = step.get("pattern", {"String": ""})
        return "String" in pattern or pattern == _COLLAPSING

    @property
    def patterns(self) -> list[str]:
        """What the normaliser replaces, where that is a string."""
        return [step.get("pattern", {}).get("String", "") for step in self.normalizers]

    @property
    def reach(self) -> int:
        """Characters that are looked at together at most: the longest added token or pattern."""
        return _SLACK + max(map(len, [*self.added, *self.patterns]), default=0)

    @property
    def drops_blanks(self) -> bool:
        """Whether a run of blanks only parts words."""
        first = self.pre_tokenizers[0].get("type") if self.pre_tokenizers else None
        return first in ("BertPreTokenizer", "Whitespace", "WhitespaceSplit")

    @property
    def splits_at_spaces(self) -> bool:
        """Whether a word begins at each space."""
        whole = ("Whitespace", "WhitespaceSplit", "BertPreTokenizer")
        return any(
            step.get("type") in whole
            or (step.get("type") == "Metaspace" and step.get("split", True))
            for step in self.pre_tokenizers
        )

    @property
    def is_unigram(self) -> bool:
        """Whether words are cut along the path of the best sum of scores."""
        return self.kind == "Unigram"

    @property
    def splits_by_pieces(self) -> bool:
        """Whether the pieces of a word up to a border are those of the word up to there alone.

        So it is with Unigram, which takes the best path to each place, and with BPE, where no
        merge crosses a border that is left in the end, and those on one side do not know the other.
        """
        if self.is_unigram:
            return True
        of_parts = ("continuing_subword_prefix", "end_of_word_suffix", "dropout")
        return self.kind == "BPE" and not any(getattr(self.model, name) for name in of_parts)

    @property
    def longest_word(self) -> int | None:
        """Characters of a word from which on it is one unknown token; None where there is none."""
        whole = [step.get("type") for step in self.pre_tokenizers]
        if self.kind != "WordPiece" or whole not in (["BertPreTokenizer"], ["WhitespaceSplit"]):
            return None
        longest: int = self.model.max_input_chars_per_word
        return longest

    def normalize(self, text: str) -> str:
        """A text without added tokens, normalised."""
        normalizer = self.tokenizer.normalizer
        normal: str = text if normalizer is None else normalizer.normalize_str(text)
        return normal

    def words(self, text: str) -> list[str]:
        """The words of a text without added tokens, as the model sees them."""
        normal = self.normalize(text)
        splitting = self.tokenizer.pre_tokenizer
        return [normal] if splitting is None else [w for w, _ in splitting.pre_tokenize_str(normal)]

    @cached_property
    def vocabulary(self) -> tuple[int, frozenset[str]]:
        """Characters of the longest token, and all characters that occur in tokens."""
        longest = 0
        alphabet: set[str] = set()
        for index in range(self.tokenizer.get_vocab_size()):
            token = self.tokenizer.id_to_token(index) or ""
            longest = max(longest, len(token))
            alphabet.update(token)
        return longest, frozenset(alphabet)


def _steps(part: Any, name: str) -> list[dict[str, Any]]:
    """A part's steps, with their settings: parts print themselves as JSON when pickled."""
    if part is None:
        return []
    try:
        described = json.loads(part.__getstate__())
    except Exception:  # a part written in Python; tokenizers raises nothing narrower
        return [{}]
    return _flat(described, name)


def _flat(described: dict[str, Any], name: str) -> list[dict[str, Any]]:
    if described.get("type") != "Sequence":
        return [described]
    return [step for inner in described[name] for step in _flat(inner, name)]
