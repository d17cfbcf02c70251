"""Lone surrogates are found, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgembed.unicode import is_encodable, surrogate_indices

ANY = st.text(st.characters(codec=None), max_size=5)  # surrogates included


@given(st.lists(ANY, max_size=5))
def test_surrogates_are_found(texts: list[str]) -> None:
    expected = [i for i, t in enumerate(texts) if any("\ud800" <= c <= "\udfff" for c in t)]
    assert surrogate_indices(texts) == expected


@pytest.mark.parametrize("text", ["", "a", "Кошка", "😀", "\0", "\uffff", "\U0010ffff"])
def test_valid_text(text: str) -> None:
    assert is_encodable(text)


@pytest.mark.parametrize("text", ["\ud800", "a\udfff", "\ud83d\ude00", "Кошка\udc80"])
def test_lone_surrogates(text: str) -> None:
    # Two halves in a Python str are two lone surrogates, not one character.
    assert not is_encodable(text)
