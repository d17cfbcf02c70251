"""Text to token ids, through the checkpoint's own tokenizer.json.

Truncation and padding are set once, here, from the manifest; whatever the file carries of its own
is overridden (all-MiniLM-L6-v2 ships 128 tokens of fixed padding, and its model takes 256).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer as RustTokenizer

from edgembed import wordpiece
from edgembed.errors import ModelLoadError, UnsafeArtifactError
from edgembed.forks import GATE
from edgembed.textcut import TextCut
from edgembed.tokenizerfile import Content, parse

Int64 = npt.NDArray[np.int64]


class Tokens(NamedTuple):
    """One text's ids, (tokens,) int64, special tokens included, and whether it was cut."""

    ids: Int64
    truncated: bool


class Token(NamedTuple):
    """One token of a text: whether the tokenizer added it, and else which characters it is of."""

    id: int
    text: str
    special: bool
    start: int | None
    stop: int | None


class Tokenizer:
    """Reads tokenizer.json; may be shared between threads, since nothing in it changes."""

    def __init__(
        self, tokenizer_json: Content, max_seq_length: int, vocabulary: bytes | None = None
    ) -> None:
        """max_seq_length counts tokens, special ones included.

        vocabulary: that of tokenizer.json once more, as lines, which load faster.
        """
        try:
            self._tokenizer = _load(tokenizer_json, vocabulary)
            self._tokenizer.no_padding()
            self._tokenizer.enable_truncation(max_seq_length)
        # A tokenizer.json can be wrong in ways that surface as plain Exception or, from Rust
        # panics, as BaseException.
        except BaseException as error:
            if isinstance(error, (KeyboardInterrupt, SystemExit, UnsafeArtifactError)):
                raise
            raise ModelLoadError(
                f"tokenizer.json cannot be loaded ({error}): export the bundle again, or upgrade "
                "tokenizers where it is older than the one that wrote the file"
            ) from error
        special = self._tokenizer.num_special_tokens_to_add(is_pair=False)
        if max_seq_length <= special:  # tokenizers would not truncate at all
            raise ModelLoadError(
                f"max_seq_length {max_seq_length} leaves no room for text beside {special} special "
                "tokens: export the bundle again with a larger --max-seq-length"
            )
        self.max_seq_length = max_seq_length
        self._cut = TextCut(self._tokenizer, max_seq_length)

    def encode(self, text: str) -> Tokens:
        """The ids of a text that has no lone surrogates (see unicode).

        A text far longer than max_seq_length is tokenised only as far as its kept tokens go, where
        that is certain to give the same ids: see textcut.
        """
        with GATE.run():
            encoding = self._cut.encode(text)
        return Tokens(_ids(encoding), truncated=bool(encoding.overflowing))

    def prompt_length(self, prompt: str) -> int:
        """Leading tokens that belong to a prompt: its ids without the trailing special token.

        Source: sentence_transformers' Transformer._get_prompt_length.
        """
        with GATE.run():
            encoding = self._tokenizer.encode(prompt)
        return len(encoding.ids) - bool(encoding.special_tokens_mask[-1:] == [1])

    def describe(self, text: str, add_special_tokens: bool = True) -> list[Token]:
        """All tokens of a text, those that encode cuts off as well."""
        with GATE.run():
            first = self._tokenizer.encode(text, add_special_tokens=add_special_tokens)
        parts = [_described(part, text) for part in (first, *first.overflowing)]
        if len(parts) == 1:
            return parts[0]
        # Each part has special tokens of its own; those between two parts are in no whole text.
        last = len(parts) - 1
        return [
            token
            for number, part in enumerate(parts)
            for place, token in enumerate(part)
            if not token.special
            or (number == 0 and place < _first_own(part))
            or (number == last and place > _first_own(part))
        ]


def _described(encoding: Any, text: str) -> list[Token]:
    return [
        Token(id_, token, True, None, None)
        if special
        else Token(id_, text[start:stop], False, start, stop)
        for id_, token, special, (start, stop) in zip(
            encoding.ids,
            encoding.tokens,
            encoding.special_tokens_mask,
            encoding.offsets,
            strict=True,
        )
    ]


def _first_own(tokens: list[Token]) -> int:
    return next((i for i, token in enumerate(tokens) if not token.special), len(tokens))


def _load(tokenizer_json: Content, vocabulary: bytes | None) -> Any:
    loaded = None if vocabulary is None else wordpiece.load(tokenizer_json, vocabulary)
    return RustTokenizer.from_buffer(parse(tokenizer_json).text()) if loaded is None else loaded


def _ids(encoding: Any) -> Int64:
    return np.array(encoding.ids, dtype=np.int64)


def padded(rows: Sequence[Int64]) -> dict[str, Int64]:
    """input_ids and attention_mask, (n, longest) int64; ids are 0 where the mask is 0."""
    ids = np.zeros((len(rows), max(map(len, rows), default=0)), np.int64)
    mask = np.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = row
        mask[index, : len(row)] = 1
    return {"input_ids": ids, "attention_mask": mask}
