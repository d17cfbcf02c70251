"""Cutting a long text before it is tokenised changes none of the tokens that are kept."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, pre_tokenizers
from tokenizers import Tokenizer as RustTokenizer
from tokenizers.models import WordLevel

from edgembed.textcut import CutPoints, cut_points
from edgembed.tokenize import Tokenizer

LENGTH = 6  # heads begin at 16 characters a token, so that even short texts here are long


@cache
def both(folder: Path, length: int = LENGTH) -> tuple[Tokenizer, RustTokenizer]:
    """The runtime's tokenizer, and tokenizers' own on the whole text."""
    raw = (folder / "tokenizer.json").read_bytes()
    whole = RustTokenizer.from_buffer(raw)
    whole.no_padding()
    whole.enable_truncation(length)
    return Tokenizer(raw, length), whole


# What makes cutting hard: spaces of all kinds, marks that combine with what is before them,
# joiners, letters that normalise to several characters, special tokens, words of any length.
HARD = [
    *(" ", "  ", "\n", "\t", "\u00a0", "\u2009", "\u3000", "\u200b", "\u200d", "\ufeff", "\0"),
    *("\u0301", "\u0308", "\u20e3", "\ufe0f", "é", "e\u0301", "ё", "ﬁ", "²", "½", "㎏", "가"),
    *("각", "नि", "ก็", "漢字", "👨\u200d👩\u200d👧", "🏳️\u200d🌈", "▁", "##ing", "[SEP]", "</s>"),
    *("<mask>", "word", "слово", "a", "я", "1", "x" * 120, "Supercalifragilistic", "..."),
]
PIECES = st.text(max_size=8) | st.sampled_from(HARD)
LONG = st.builds(
    lambda pieces, joint, times: joint.join(pieces) * times,
    st.lists(PIECES, min_size=1, max_size=12),
    st.sampled_from(["", " ", " ", "\n", "  "]),
    st.sampled_from([1, 3, 20, 200]),
)


@pytest.mark.parametrize("name", ["tiny-frida", "tiny-xlmr", "minilm"])
@given(text=LONG)
def test_the_kept_ids_are_those_of_the_whole_text(bundles: Path, name: str, text: str) -> None:
    own, whole = both(bundles / name)
    tokens, expected = own.encode(text), whole.encode(text)
    assert tokens.ids.tolist() == expected.ids
    assert tokens.truncated == bool(expected.overflowing)


@pytest.mark.parametrize("name", ["tiny-frida", "tiny-xlmr", "minilm"])
@pytest.mark.parametrize(
    "unit", ["слово и дело ", "a b ", "1 2 ", "слово\n", "x", ".", " ", ". a "]
)
def test_a_huge_text(bundles: Path, name: str, unit: str) -> None:
    own, whole = both(bundles / name, 48)
    text = unit * (60_000 // len(unit))
    assert own.encode(text).ids.tolist() == whole.encode(text).ids


def test_a_huge_text_is_cut_where_it_can_be(bundles: Path) -> None:
    own, _ = both(bundles / "tiny-frida")
    text = "слово и дело " * 10_000
    heads = list(cut_points(own._tokenizer).heads(text, LENGTH))
    assert heads
    assert all(text.startswith(head) for head in heads)
    assert [len(head) for head in heads] == sorted({len(head) for head in heads})
    assert len(heads[0]) <= 16 * LENGTH


def test_heads_end_between_two_words() -> None:
    text = "слово и дело " * 100
    for head in CutPoints(enabled=True).heads(text, 4):
        assert head[-1].isalnum()
        assert text[len(head)] == " "
        assert text[len(head) + 1].isalnum()


@pytest.mark.parametrize("text", ["слово " * 10, "слово  " * 999, "слово" * 999, ". " * 999, ""])
def test_no_heads_of_short_texts_and_of_texts_without_a_place(text: str) -> None:
    assert list(CutPoints(enabled=True).heads(text, 4)) == []


def test_no_heads_where_cutting_is_off() -> None:
    assert list(CutPoints(enabled=False).heads("слово и дело " * 1000, 4)) == []


def rust(pre_tokenizer: object = None, tokens: tuple[AddedToken, ...] = ()) -> RustTokenizer:
    tokenizer = RustTokenizer(WordLevel({"a": 0, "[UNK]": 1}, "[UNK]"))
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.add_tokens(list(tokens))
    return tokenizer


@pytest.mark.parametrize(
    "pre_tokenizer",
    [
        pre_tokenizers.BertPreTokenizer(),
        pre_tokenizers.Whitespace(),
        pre_tokenizers.WhitespaceSplit(),
        pre_tokenizers.Metaspace(),
        pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]),
        pre_tokenizers.Sequence([pre_tokenizers.Digits(), pre_tokenizers.BertPreTokenizer()]),
    ],
    ids=repr,
)
def test_tokenizers_that_split_at_spaces_are_known(pre_tokenizer: object) -> None:
    assert cut_points(rust(pre_tokenizer)).enabled


@pytest.mark.parametrize(
    "pre_tokenizer",
    [
        None,
        pre_tokenizers.ByteLevel(),
        pre_tokenizers.Metaspace(split=False),
        pre_tokenizers.Split("x", "isolated"),
        pre_tokenizers.UnicodeScripts(),
        pre_tokenizers.Sequence([pre_tokenizers.Digits()]),
    ],
    ids=repr,
)
def test_all_others_are_left_whole(pre_tokenizer: object) -> None:
    assert not cut_points(rust(pre_tokenizer)).enabled


def test_a_token_that_spans_a_space_turns_cutting_off() -> None:
    tokenizer = rust(pre_tokenizers.Whitespace(), (AddedToken("New York", normalized=False),))
    assert not cut_points(tokenizer).enabled
