"""Cutting a long text before it is tokenised changes none of the tokens that are kept.

The reference is tokenizers on the whole text, always.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, normalizers, pre_tokenizers
from tokenizers import Tokenizer as RustTokenizer
from tokenizers.models import Unigram, WordLevel

from edgembed.textcut import TextCut
from edgembed.textcut.described import Described
from edgembed.textcut.longword import LongWord
from edgembed.textcut.places import LETTERS, MARKS, PLAIN, SIGNS, last_place, steady_end
from edgembed.textcut.runs import Shortened, _characters, runs_of
from edgembed.tokenize import Tokenizer
from support import python
from tokenizers_of_kinds import KINDS, description

LENGTH = 12  # tokens kept, so that texts of a hundred characters are long here
BUNDLES = ("tiny-frida", "tiny-xlmr", "minilm")
Amount = Callable[[int, int], int]
Figure = Callable[[str], None]


class Counting:
    """tokenizers' tokenizer, that counts the characters which it is given to encode."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer, self.characters = tokenizer, 0

    def encode(self, text: str) -> Any:
        self.characters += len(text)
        return self._tokenizer.encode(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)


class Pair:
    """The same tokenizer twice: cutting before, and on the whole text."""

    def __init__(self, described: str, length: int = LENGTH) -> None:
        self.whole = RustTokenizer.from_str(described)
        self.whole.no_padding()
        self.whole.enable_truncation(length)
        self.counting = Counting(self.whole)
        self.cut = TextCut(self.counting, length)

    def check(self, text: str) -> bool:
        """Whether fewer characters were encoded than the text has, once the ids are the same."""
        expected, before = self.whole.encode(text), self.counting.characters
        got = self.cut.encode(text)
        assert got.ids == expected.ids, repr(text)
        assert bool(got.overflowing) == bool(expected.overflowing), repr(text)
        return self.counting.characters - before < len(text)


@cache
def of_bundle(folder: Path, length: int = LENGTH) -> Pair:
    return Pair((folder / "tokenizer.json").read_text(encoding="utf-8"), length)


@cache
def of_kind(kind: str) -> Pair:
    return Pair(description(kind))


# What makes cutting hard: spaces of all kinds, marks that combine with what is before them,
# joiners, letters that normalise to several characters, special tokens, words of any length.
HARD = [
    *(" ", "  ", "\n", "\t", "\u00a0", "\u2009", "\u3000", "\u200b", "\u200d", "\ufeff", "\0"),
    *("\u0301", "\u0308", "\u20e3", "\ufe0f", "é", "e\u0301", "ё", "ﬁ", "²", "½", "㎏", "가"),
    *("각", "नि", "ก็", "漢字", "👨\u200d👩\u200d👧", "🏳️\u200d🌈", "▁", "##ing", "[SEP]", "</s>"),
    *("<mask>", "word", "слово", "a", "я", "1", "x" * 120, "Supercalifragilistic", "..."),
    *("\u1100", "\u1161", "\u11a8", "ｶ\uff9e", "🇩🇪", "👍🏽", "क्ष", "ำ", "\ue000", "\ufffd", "\r\n"),
    *("  <mask>", "I'm", "it's", "on", "нa", "....", "aaaa", "𝔸", "ſ", "İ", "ŉ", "\u0345"),
    *("…", "—", "─", "•", "、", "。", "ー", "ﷺ", "\u00a8", "≠", "™", "«", "！", "①", "၊", "።"),
    *("தமிழ்", "မြန်မာ", "አማርኛ", "ភាសា", "ລາວ", "বাংলা", "カタカナー", "x\u20d2", "☺\ufe0f"),
]
PIECES = st.text(max_size=8) | st.sampled_from(HARD)
LONG = st.builds(
    lambda pieces, joint, times, end: joint.join(pieces) * times + end,
    st.lists(PIECES, min_size=1, max_size=12),
    st.sampled_from(["", " ", " ", "\n", "  "]),
    st.sampled_from([1, 3, 20, 200]),
    PIECES,
)


@given(text=LONG, end=st.integers(0, 300))
def test_a_place_is_the_last_one_between_plain_characters(text: str, end: int) -> None:
    """By its definition, place by place; only so far back is one looked for."""
    before, after = re.compile(f"[{PLAIN}{MARKS}]"), re.compile(f"[ \t\n\r]?[{PLAIN}]")
    places = [
        at
        for at in range(1, min(end, len(text) - 1) + 1)
        if before.match(text[at - 1]) and after.match(text[at : at + 2])
    ]
    assert last_place(text, end) == (places[-1] if places else None)


@pytest.mark.parametrize("marks", [0, 62, 63, 64, 500, 4000, 4094, 4095, 4096])
def test_a_place_is_looked_for_behind_what_is_none(marks: int) -> None:
    text = "ab" + "\u200d" * marks + "c"
    found = last_place(text, len(text) - 1)
    assert found == (2 if not marks else 1 if marks <= 4095 else None)


@pytest.mark.parametrize("name", BUNDLES)
@given(text=LONG)
def test_the_kept_ids_are_those_of_the_whole_text(bundles: Path, name: str, text: str) -> None:
    of_bundle(bundles / name).check(text)


@pytest.mark.parametrize("kind", KINDS)
@given(text=LONG)
def test_of_every_kind_of_tokenizer(kind: str, text: str) -> None:
    of_kind(kind).check(text)


def made_up(generator: random.Random) -> str:
    """A text of a few hundred characters: runs, words without end, hard pieces, changing ends."""
    letters = generator.choice(
        ["ab", "abcdefgh", "абвгд", "漢字東京", "x.", "a ", "कखग", "😀😁", "e\u0301", "いろは、。",
         "…—", "─│ ", "1\n я\t", "தமிழ்", "カタナー・", "＝≠!", "ﷺ\u00a8"]
    )  # fmt: skip

    def piece() -> str:
        match generator.randrange(6):
            case 0:
                return generator.choice(HARD) * generator.choice([1, 1, 2, 40, 150])
            case 1:
                return "".join(generator.choices(letters, k=generator.choice([3, 30, 300])))
            case 2:
                starts = [0x20, 0x0, 0x300, 0x400, 0x900, 0x3040, 0x1F300]
                starts += [0x80, 0xB80, 0x1000, 0x2000, 0x2200, 0x2580, 0x3000, 0xFF00]
                return chr(generator.choice(starts)
                           + generator.randrange(0x80)) * generator.choice([1, 2, 60])  # fmt: skip
            case _:
                return generator.choice(["the cat ", "кот и ", "sits ", "search", "окно, ", "漢字"])

    return "".join(piece() for _ in range(generator.randrange(1, 40)))


def check_made_up(pair: Pair, count: int, seed: int, figure: Figure) -> None:
    generator = random.Random(seed)
    cut = sum(pair.check(made_up(generator)) for _ in range(count))
    figure(f"{count} texts, each with the whole text's ids; {cut} were cut before")
    assert cut > count / 3  # it would prove nothing if none were


@pytest.mark.parametrize("name", BUNDLES)
def test_many_texts(bundles: Path, name: str, amount: Amount, figure: Figure) -> None:
    check_made_up(of_bundle(bundles / name), amount(1000, 34_000), 1, figure)


@pytest.mark.parametrize("kind", KINDS)
def test_many_texts_of_every_kind(kind: str, amount: Amount, figure: Figure) -> None:
    check_made_up(of_kind(kind), amount(300, 15_000), 2, figure)


@pytest.mark.parametrize("name", ["rubert-mini-frida", "e5-small-ruen"])
def test_many_texts_of_real_models(shared: Path, name: str, amount: Amount, figure: Figure) -> None:
    check_made_up(of_bundle(shared / "models" / name), amount(1000, 50_000), 3, figure)


# --- ten megabytes

PATTERNS = {
    "Russian": "Съешь ещё этих мягких французских булок, да выпей же чаю. ",
    "English": "The quick brown fox jumps over the lazy dog. ",
    "Greek, one word": "ξεσκεπάζωτηνψυχοφθόραβδελυγμία",
    "Arabic": "نص حكيم له سر قاطع وذو شأن عظيم ",
    "Hindi": "ऋषियों को सताने वाले दुष्ट ",
    "Thai": "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า",
    "Chinese": "天地玄黄宇宙洪荒日月盈昃辰宿列张",
    "Japanese": "いろはにほへと、ちりぬるを。",
    "Japanese, no sign": "イロハニホヘトチリヌルヲー",
    "Tamil": "தமிழ் மொழி ",
    "Burmese": "မြန်မာဘာသာစကား",
    "Amharic": "አማርኛ ቋንቋ ",
    "Korean": "키스의 고유 조건은 입술끼리 만나야 하고 ",
    "Hebrew": "דג סקרן שט בים מאוכזב ",
    "emoji": "😀😁",
    "one letter": "x",
    "full stops": ".",
    "dots in one": "…",
    "a table": "──┼──│",
    "one sign, 18 letters": "ﷺ",
    "blanks": " ",
    "line ends": "\n",
    "NUL": "\0",
    "private use": "\ue000",
    "accents": "h\u0301\u0302\u0303e\u0306",
    "digits": "0123456789",
    "single letters": "a b ",
    "a letter a line": "а\nb\n",
    "single digits": "1 0 0 1 ",
    "single signs": "漢 字 ",
    "base64": "".join(random.Random(0).choices("ABCDEFGHabcdefgh0123456789+/", k=100_000)),
}
MEGABYTES = 10


def huge(pattern: str, megabytes: int) -> str:
    unit = PATTERNS[pattern]
    return unit * (megabytes * 1_000_000 // len(unit.encode()))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_ten_megabytes_are_not_tokenised(bundles: Path, pattern: str) -> None:
    pair = of_bundle(bundles / "minilm", 256)
    before = pair.counting.characters
    ids = pair.cut.encode(huge(pattern, MEGABYTES)).ids
    assert pair.counting.characters - before < 20_000
    # A tenth of a megabyte has the same ids, and can be tokenised whole.
    assert ids == pair.whole.encode(huge(pattern, 1)[:100_000]).ids


MEASURED = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from edgembed.tokenize import Tokenizer
from test_textcut import huge
def peak():
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
tokenizer = Tokenizer(Path(sys.argv[1]).read_bytes(), 512)
# What is read of a tokenizer only once.
for warm in ("x" * 100_000, "слово и дело " * 9000, " " * 100_000):
    tokenizer.encode(warm)
text = huge(sys.argv[2], 10)
Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
before, start = peak(), time.process_time()
tokenizer.encode(text)
print(1000 * (time.process_time() - start), (peak() - before) / 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux counts the peak")
def test_ten_megabytes_take_little(bundles: Path, amount: Amount, figure: Figure) -> None:
    few = ("Russian", "Chinese", "one letter")
    check_little(bundles / "minilm", few[: amount(3, 0)] or tuple(PATTERNS), figure)


@pytest.mark.parametrize("name", ["rubert-mini-frida", "e5-small-ruen"])
def test_ten_megabytes_take_little_of_real_models(
    shared: Path, name: str, amount: Amount, figure: Figure
) -> None:
    few = ("Chinese", "one letter", "Burmese")
    check_little(shared / "models" / name, few[: amount(3, 0)] or tuple(PATTERNS), figure)


def check_little(folder: Path, patterns: tuple[str, ...], figure: Figure) -> None:
    said = []
    for pattern in patterns:
        done = python("-c", MEASURED, folder / "tokenizer.json", pattern, Path(__file__).parent)
        assert done.returncode == 0, done.stderr.decode()
        milliseconds, megabytes = map(float, done.stdout.split())
        said.append(f"{pattern} {milliseconds:.0f} ms {megabytes:.1f} MB")
        assert megabytes < 20, said[-1]
    figure("; ".join(said))


@pytest.mark.parametrize("start", ["one letter", "blanks", "NUL", "accents"])
@pytest.mark.parametrize("name", ["minilm", "tiny-frida"])
def test_what_comes_after_a_huge_run_is_kept(bundles: Path, name: str, start: str) -> None:
    pair = of_bundle(bundles / name, 48)
    text = huge(start, 1) + " the cat sits"
    assert pair.check(text)
    assert pair.cut.encode(text).ids[-2] == pair.whole.encode("the cat sits").ids[-2]


# --- the parts


def rust(
    pre_tokenizer: object = None,
    tokens: tuple[AddedToken, ...] = (),
    normalizer: object = None,
) -> RustTokenizer:
    tokenizer = RustTokenizer(WordLevel({"a": 0, "[UNK]": 1}, "[UNK]"))
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.add_tokens(list(tokens))
    return tokenizer


@pytest.mark.parametrize(
    ("pre_tokenizer", "normalizer"),
    [
        (pre_tokenizers.Split("x", "isolated"), None),
        (pre_tokenizers.Sequence([pre_tokenizers.Split(Regex("a+"), "isolated")]), None),
        (None, normalizers.Replace(Regex("a.*b"), "")),
        (None, normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex("x"), "")])),
    ],
    ids=repr,
)
def test_parts_that_may_look_anywhere_turn_cutting_off(
    pre_tokenizer: object, normalizer: object
) -> None:
    tokenizer = rust(pre_tokenizer, normalizer=normalizer)
    assert not Described(tokenizer).is_known
    assert runs_of(Described(tokenizer)) == []
    counting = Counting(tokenizer)
    tokenizer.enable_truncation(4)
    TextCut(counting, 4).encode("a b c " * 100)
    assert counting.characters == 600


def test_a_part_written_in_python_turns_cutting_off() -> None:
    class Own:
        def pre_tokenize(self, text: object) -> None:
            raise NotImplementedError

    tokenizer = rust(pre_tokenizers.PreTokenizer.custom(Own()))
    assert not Described(tokenizer).is_known


def test_places_stand_before_what_joins_nothing() -> None:
    text = "ab\u0301c \u200dd👨\u200d👩e가\u11a8f"
    places = [end for end in range(1, len(text)) if last_place(text, end) == end]
    assert places == [text.index(c) for c in ("b", "c", "👨", "e", "가")]
    assert last_place("\u0301" * 9000, 9000) is None
    assert last_place("a" + " " * 9000, 9000) is None


def test_what_places_stand_before_is_what_unicode_says() -> None:
    """Letters, digits and signs, also when normalised (blanks inside); no part of Hangul."""
    for one in _characters(LETTERS + SIGNS):
        normal = unicodedata.normalize("NFKC", one)
        assert normal.strip() == normal
        for each in one + normal.replace(" ", ""):
            assert unicodedata.category(each)[0] in "LNPS", hex(ord(one))
        assert not "\u1100" <= one <= "\u11ff"
    # A blank of SentencePiece, and what BERT's normaliser takes away.
    assert not {"\u2581", "\ufffd"} & set(_characters(SIGNS))


def test_the_steady_end_has_enough_behind_it() -> None:
    assert steady_end("a" * 100, 100, 16) == 84
    assert steady_end("a" * 50 + "\0" * 100 + "b" * 4, 154, 16) == 38
    assert steady_end("a" * 16, 16, 16) is None


@cache
def runs(kind: str) -> Any:
    return runs_of(Described(RustTokenizer.from_str(description(kind))))


def shortened(kind: str, text: str) -> str:
    return Shortened(text, runs(kind)).whole()


def test_runs_keep_their_ends() -> None:
    short = shortened("wordpiece", "the cat" + " " * 1000 + "sits\0\0" + "x" * 5000 + "!")
    assert re.fullmatch(r"the cat +sits\0\0x+!", short)
    assert len(short) < 600
    assert 100 < short.count("x") < 500
    for text in ("", "a", "a b", "the cat sits " * 500, "x" * 100, "." * 5000, "漢" * 5000):
        assert shortened("wordpiece", text) == text
    # Blanks are tokens here, and so is each letter of a long word.
    for text in (" " * 5000, "x" * 5000, "\n" * 5000):
        assert shortened("byte-level bpe", text) == text


def test_a_word_is_not_shortened_to_one_that_is_known() -> None:
    # Accents are taken away: what is left of so many characters is a short word.
    text = "a" + "\u0301" * 500
    assert shortened("wordpiece", text) == text
    assert shortened("wordpiece", text + "b" * 5000).count("b") > 100


def test_shortening_reads_no_further_than_it_is_asked() -> None:
    stream = Shortened("ab " * 10**6, runs("wordpiece"))
    assert 100 <= len(stream.head(100)) < 5000
    assert not stream.is_whole
    assert stream.head(10) == stream.head(100)
    assert stream.whole() == "ab " * 10**6
    assert stream.is_whole


def test_no_run_holds_an_added_token() -> None:
    tokenizer = RustTokenizer.from_str(description("wordpiece"))
    assert any("x" in run.characters or "a-z" in run.characters for run in runs("wordpiece"))
    tokenizer.add_tokens(["xyz"])
    kept = runs_of(Described(tokenizer))
    assert len(kept) == len(runs("wordpiece")) - 1


@pytest.mark.parametrize("text", ["いろは、にほ。", "カタカナー・", "─┼│"])
def test_signs_go_on_with_a_run_of_unknown_letters(text: str) -> None:
    assert of_kind("unigram, few pieces").check(text * 500)


def test_no_run_holds_what_is_replaced() -> None:
    tokenizer = RustTokenizer.from_str(description("unigram"))
    replaced = normalizers.Replace("ヲヌ", "the cat ")
    tokenizer.normalizer = normalizers.Sequence([replaced, tokenizer.normalizer])
    tokenizer.no_padding()
    tokenizer.enable_truncation(LENGTH)
    text = "ヌ" * 300 + "ヲヌ" + "ヌ" * 300
    assert TextCut(tokenizer, LENGTH).encode(text).ids == tokenizer.encode(text).ids


@pytest.mark.parametrize("kind", ["unigram", "bpe", "byte-level bpe"])
def test_words_without_end_are_decided(kind: str) -> None:
    pair = Pair(description(kind))
    generator = random.Random(0)
    decided = [pair.check("".join(generator.choices("thecatswindow", k=3000))) for _ in range(20)]
    assert all(decided)


def pieces_of(tokenizer: RustTokenizer, word: str) -> list[int]:
    return [token.id for token in tokenizer.model.tokenize(word)]


@pytest.mark.parametrize("kind", ["unigram", "bpe", "unigram, few pieces"])
def test_what_all_borders_agree_on_every_end_has(kind: str) -> None:
    tokenizer = RustTokenizer.from_str(description(kind))
    own = LongWord(Described(tokenizer))
    longest, _ = Described(tokenizer).vocabulary
    generator = random.Random(0)
    agreed = 0
    for _ in range(200):
        word = "".join(generator.choices(["on", "a", "x", "the", ".", "at", "漢"], k=60))
        end = len(word) - longest
        certain = own._certain_pieces(word, end, longest)
        agreed += max(certain, 0)
        for more in ("", "n", "onon", "aaaaaaa", "x" * 9, ".", "漢字"):
            ends = pieces_of(tokenizer, word + more)
            assert ends[:certain] == pieces_of(tokenizer, word)[:certain]
    assert agreed > 1000


def test_a_token_of_the_greatest_length_is_seen_across_any_border() -> None:
    letters = "abcdefgh"
    likely = [("<unk>", 0.0), *((one, -5.0) for one in letters + "x"), (letters, -1.0)]
    tokenizer = RustTokenizer(Unigram(likely, 0))
    own, word = LongWord(Described(tokenizer)), "x" * 30 + letters + "x" * 20
    whole = pieces_of(tokenizer, word)
    for end in range(25, 45):
        certain = own._certain_pieces(word, end, len(letters))
        assert certain >= min(end, 30) - len(letters)
        assert pieces_of(tokenizer, word[:end])[:certain] == whole[:certain]


def test_max_tokens_of_a_real_tokenizer(bundles: Path) -> None:
    raw = (bundles / "minilm" / "tokenizer.json").read_bytes()
    tokens = Tokenizer(raw, 256).encode("word " * 100_000)
    assert tokens.truncated
    assert len(tokens.ids) == 256
