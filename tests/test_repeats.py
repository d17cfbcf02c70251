"""Words that repeat themselves: the pieces are those of tokenizers on the whole text, always.

The vocabularies are made so that it is hard: sums that are equal but for their last bits, that are
halfway between two doubles, that cross powers of two, pieces that reach into what follows.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, normalizers, pre_tokenizers
from tokenizers import Tokenizer as RustTokenizer
from tokenizers.models import Unigram

from edgembed.textcut.described import Described
from edgembed.textcut.repeats import Repeats, _parts
from test_textcut import huge, of_bundle

Amount = Callable[[int, int], int]
Figure = Callable[[str], None]
FOUR = ("one letter", "full stops", "dots in one", "Burmese")


class Case(NamedTuple):
    """A vocabulary with scores, a text that repeats itself, and how many tokens are kept."""

    vocabulary: list[tuple[str, float]]
    text: str
    length: int

    def tokenizer(self) -> RustTokenizer:
        tokenizer = RustTokenizer(Unigram(self.vocabulary, unk_id=0))
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.length)
        return tokenizer


def made_up(generator: random.Random) -> Case:
    letters = generator.choice(["a", "ab", "abc", "…a"])

    def some(most: int) -> str:
        return "".join(generator.choices(letters, k=generator.randint(1, most)))

    unit = some(generator.choice([1, 3, 7, 30]))
    pieces = {some(generator.choice([2, 4, 9])) for _ in range(generator.randint(1, 14))}
    pieces |= {(unit * 9)[-generator.randint(1, 9) :] + "z" for _ in range(2)}
    score = scoring(generator)
    vocabulary = [("<unk>", 0.0), *((piece, score(piece)) for piece in sorted(pieces))]
    start = some(40) if generator.random() < 0.5 else ""
    times = generator.choice([3_000, 20_000, 60_000, 100_000]) // len(unit)
    end = "".join(generator.choices(letters + " z", k=generator.choice([0, 1, 2, 12])))
    return Case(vocabulary, start + unit * times + end, generator.choice([3, 8, 20]))


def scoring(generator: random.Random) -> Callable[[str], float]:
    """Scores of a piece by its length, nearly or not at all."""
    base = generator.choice([1, 3, 10])
    bits = generator.randint(30, 42)
    grain = generator.choice([1, 0.1, 1e-3, 1e-7, 1e-12])

    def nearly(piece: str) -> float:
        """A few units in the last place, or halves of them, of sums as they will be."""
        return -(len(piece) * base + generator.randint(-4, 4) * 2.0**-bits)

    def loosely(piece: str) -> float:
        wanted = generator.choice([len(piece) * base, generator.random() * 15])
        return -round(wanted / grain) * grain

    return generator.choice([nearly, loosely])


def test_made_up_vocabularies(amount: Amount, figure: Figure) -> None:
    generator = random.Random(3)
    count, decided = amount(300, 20_000), 0
    for _ in range(count):
        case = made_up(generator)
        tokenizer = case.tokenizer()
        found = Repeats(Described(tokenizer), case.length).encode(case.text)
        if found is None:
            continue
        decided += 1
        whole = tokenizer.encode(case.text)
        told = (case.vocabulary, case.text[:99], len(case.text))
        assert found.ids == whole.ids, told
        assert bool(found.overflowing) == bool(whole.overflowing), told
    figure(f"{decided} of {count} decided, each as the whole text")
    assert decided > 0.7 * count


def test_of_a_real_model(shared: Path, amount: Amount, figure: Figure) -> None:
    """Units of any letters, so often that their sums are millions; and the four hard patterns."""
    pair = of_bundle(shared / "models" / "e5-small-ruen", 128)
    repeats = Repeats(Described(pair.whole), 128)
    generator = random.Random(4)
    count, decided = amount(20, 3000), 0
    for _ in range(count):
        letters = generator.choice(["x.", "абвг", "the ", "漢字東京", "…—", "0123456789", "မြန်မာ"])
        unit = "".join(generator.choices(letters, k=generator.choice([1, 2, 5, 20])))
        text = unit * (generator.choice([30_000, 100_000, 200_000]) // len(unit))
        text += generator.choice(["", unit[:1], "x", " и ещё", "the end."])
        if (found := repeats.encode(text)) is not None:
            decided += 1
            assert found.ids == pair.whole.encode(text).ids, (unit, text[-9:], len(text))
    figure(f"{decided} of {count} decided, each as the whole text")
    assert decided > 0.5 * count


def test_the_hard_patterns_of_a_real_model(shared: Path, amount: Amount) -> None:
    pair = of_bundle(shared / "models" / "e5-small-ruen", 512)
    for pattern in FOUR[: amount(1, len(FOUR))]:
        text = huge(pattern, amount(1, 10))
        before = pair.counting.characters
        found = pair.cut.encode(text)
        assert pair.counting.characters - before < 20_000
        assert found.ids == pair.whole.encode(text).ids


PIECES = st.text("abé", max_size=9)


@given(start=PIECES, unit=st.text("abé", min_size=1, max_size=9), tail=PIECES)
def test_the_parts_are_the_text(start: str, unit: str, tail: str) -> None:
    text = start + unit * (4000 // len(unit)) + tail
    parts = _parts(text)
    assert parts is not None
    assert parts.start + parts.unit * parts.times + parts.tail == text
    assert len(unit) % len(parts.unit) == 0
    assert max(len(parts.start), len(parts.tail)) < 30


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "".join(random.Random(0).choices("ab", k=9000)),
        "ab" * 2000 + "".join(random.Random(0).choices("ab", k=9000)),  # ends before the middle
        "".join(random.Random(0).choices("ab", k=8000)) + "ab" * 9000,  # begins late
        "ab" * 9000 + "".join(random.Random(0).choices("ab", k=8000)),  # ends early
        "\u0301" * 9000,  # nowhere to cut at
    ],
)
def test_what_does_not_repeat_itself_is_left_alone(text: str) -> None:
    assert _parts(text) is None


def vocabulary(*pieces: str) -> list[tuple[str, float]]:
    return [("<unk>", 0.0), *((piece, -1.0 * len(piece)) for piece in pieces)]


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["a", "aa", "aab"], "a" * 9000 + "b"),  # the last piece reaches back into what is left out
        (["a"], "aaa" + "b" * 9000),  # all that is behind is one unknown token
        (["a"], "စကား" * 3000),  # the same, where few of its ends are places
        (["a"], "b" * 9000 + "a"),  # one unknown token, and a known one behind it
        (["a"], "b" * 9000 + " a"),  # or another word
    ],
)
def test_ends(pieces: list[str], text: str) -> None:
    case = Case(vocabulary(*pieces), text, 8)
    whole = case.tokenizer().encode(text)
    found = Repeats(Described(case.tokenizer()), 8).encode(text)
    assert found is None or found.ids == whole.ids
    assert (found is None) == (text in ("b" * 9000 + "a", "b" * 9000 + " a"))


def test_characters_that_are_two_or_none_of_the_word() -> None:
    """The unit is as long as what it is normalised to, but ends elsewhere inside."""
    scores = {"f": -0.5, "i": -9.0, "fi": -2.0, "if": -1.9, "iz": -0.1, "z": -9.0}
    text = "ﬁq" * 5000 + "z"
    case = Case([("<unk>", 0.0), *scores.items()], text, 8)
    tokenizer = case.tokenizer()
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("q", "")])
    assert tokenizer.encode(text).tokens[1:4] == ["f", "if", "if"]
    assert tokenizer.encode("ﬁq" * 10).tokens[1:4] == ["fi", "fi", "fi"]
    assert Repeats(Described(tokenizer), 8).encode(text) is None


def test_what_only_parts_words_is_no_word() -> None:
    tokenizer = Case(vocabulary("a", "b"), "", 8).tokenizer()
    tokenizer.pre_tokenizer = pre_tokenizers.CharDelimiterSplit("-")
    assert Repeats(Described(tokenizer), 8).encode("-" * 9000) is None


def test_an_added_token_in_it_is_not_a_word() -> None:
    tokenizer = Case(vocabulary("a", "b"), "", 8).tokenizer()
    tokenizer.add_tokens([AddedToken("bab")])
    assert Repeats(Described(tokenizer), 8).encode("ab" * 5000) is None
