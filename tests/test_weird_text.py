"""Whatever users type: no crash, and every text's vector is finite and of norm 1.

The bulk is put together at random from what breaks programs; hypothesis looks for more.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgembed import EdgembedError, Embedder, TextError
from support import DTYPES, quietly

Load = Callable[..., Embedder]
NASTY = [
    *("", " ", "   ", "\n", "\t\r\n", "\0", "\0\0a\0", "\x1b[31m", "\x7f", "\x85", "\u2028"),
    # nothing to see
    *("\u200b", "\u200c\u200d", "\ufeff", "\u2060", "\u00ad", "\u034f", "\u115f", "\u3164"),
    # from right to left, and overrides of it
    *("שלום עולם", "مرحبا بالعالم", "\u202eabc\u202c", "\u2066x\u2069", "abc שלום 123", "ﷺ", "ﷲ"),
    # marks upon marks
    *("Z\u0351\u036b\u0343a\u0329\u0321l\u0358g\u0321o\u0346", "\u0301" * 40, "e" + "\u0301" * 300),
    # emoji and their chains
    *("😀", "👨\u200d👩\u200d👧\u200d👦", "🏳️\u200d🌈", "👍🏽", "🇷🇺🇬🇧",
      "1️⃣", "🫨", "\U0001f468\u200d"),
    # private use, unassigned, non-characters, replacement, other planes
    *("\ue000", "\U000f0000", "\U0010ffff", "\ufffe", "\ufffd",
      "𝕳𝖊𝖑𝖑𝖔", "𒀀", "\u0378", "ﬁ½㎏"),
    # what tokenizers write themselves
    *("[SEP]", "[CLS]", "[MASK] [PAD]", "[UNK]", "</s>",
      "<s>", "<mask>", "<pad>", "##ing", "▁a", "Ġ"),
    # what programs write
    *("NULL", "NaN", "undefined", "';DROP TABLE x;--", "<script>", "%s%n",
      "{{7*7}}", "${a}", "../.."),
    *("1e400", "-0", "\\u0000", "&#0;", "a" * 300, "я" * 300, "." * 300, "漢" * 300, "0" * 300),
    *("кошка", "the cat", "नमस्ते दुनिया", "สวัสดีชาวโลก", "こんにちは世界",
      "안녕하세요", "γειά σου Κόσμε"),
]  # fmt: skip
LONE = ["\ud800", "a\udfff", "\ud83d", "\ude00\ud83d", "кот\udc80"]
ANY = st.text(max_size=30) | st.text(st.characters(codec=None), max_size=10)
TEXTS = st.lists(st.one_of(ANY, st.sampled_from(NASTY + LONE)), min_size=1, max_size=40)


def check(model: Embedder, texts: Sequence[str]) -> int:
    """Bad texts are named by index, all others have a vector of norm 1; how many were bad."""
    expected = [i for i, t in enumerate(texts) if any("\ud800" <= c <= "\udfff" for c in t)]
    told: dict[int, EdgembedError] = {}
    vectors = quietly(model, texts, on_error=told.__setitem__)
    assert list(told) == expected
    assert all(isinstance(error, TextError) for error in told.values())
    assert vectors.shape == (len(texts) - len(expected), model.dimension)
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    if expected:
        with pytest.raises(TextError) as caught:
            model.encode(texts)
        assert list(caught.value.indices) == expected
    return len(expected)


def made_up(generator: random.Random) -> str:
    kind = generator.random()
    if kind < 0.3:
        return generator.choice(NASTY)
    if kind < 0.31:
        return generator.choice(LONE)
    if kind < 0.8:
        joint = generator.choice(["", " ", "\n", "\u200d"])
        return joint.join(generator.choices(NASTY, k=generator.randrange(1, 5)))
    ends = generator.choice([0x80, 0x500, 0xD800, 0x110000])
    codes = (generator.randrange(ends) for _ in range(generator.randrange(1, 20)))
    return "".join(chr(code) for code in codes if not 0xD800 <= code < 0xE000)


@pytest.mark.parametrize("dtype", DTYPES)
def test_many_weird_texts(
    embedder: Load,
    dtype: str,
    amount: Callable[[int, int], int],
    figure: Callable[[str], None],
) -> None:
    model, generator = embedder("tiny-frida", dtype), random.Random(dtype)
    count, bad = amount(2_000, 480_000), 0
    for _ in range(count // 1000):
        bad += check(model, [made_up(generator) for _ in range(1000)])
    figure(f"{count} texts, {bad} of them with lone surrogates, named; all others of norm 1")


@pytest.mark.parametrize("name", ["tiny-frida", "minilm"])
def test_texts_that_hypothesis_makes(
    embedder: Load,
    name: str,
    amount: Callable[[int, int], int],
    figure: Callable[[str], None],
) -> None:
    seen = [0]

    @settings(max_examples=amount(40, 2_000 if name == "tiny-frida" else 200))
    @given(TEXTS)
    def look(texts: list[str]) -> None:
        seen[0] += len(texts)
        check(embedder(name, "int8"), texts)

    look()
    figure(f"{seen[0]} texts")


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_nasty_text_with_real_weights(embedder: Load, dtype: str) -> None:
    check(embedder("minilm", dtype), NASTY + LONE)
