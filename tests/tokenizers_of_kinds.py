"""Real tokenizers of every kind, trained here on a few lines, for tests that need many of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

LINES = (
    "Кошка сидит на окне и смотрит на улицу, где идёт дождь.",
    "The cat sits at the window and looks at the street, where it rains. I'm here: we'll see!",
    "нанана на на on on ononon aaaa aaaaaaaa xxxx ..... ---- 0000 1234567890 ,,,,",
    "東京の天気は晴れです。漢字漢字 한국어 문장이 있다 नमस्ते दुनिया 😀😀😀😁 שלום עולם",
    "search query document paraphrase: _ (a+b)*c = 42; 3,14 — да!    four    spaces\n\n",
) * 3
SPECIAL = ["<unk>", "<s>", "</s>", "<mask>"]


def _bert() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(LINES, trainer)
    return tokenizer


def _byte_level(add_prefix_space: bool = False, normalizer: Any = None) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(LINES, trainer)
    return tokenizer


def _modern() -> Tokenizer:
    """As ModernBERT's: runs of blanks are added tokens, and <mask> takes the blanks before it."""
    tokenizer = _byte_level(normalizer=normalizers.NFC())
    tokenizer.add_tokens([AddedToken(" " * n, normalized=True) for n in range(2, 25)])
    tokenizer.add_tokens([AddedToken("<mask>", lstrip=True, normalized=False, special=True)])
    return tokenizer


def _characters() -> Tokenizer:
    """BPE over characters, in words of a SentencePiece kind."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=SPECIAL, limit_alphabet=80, show_progress=False
    )
    tokenizer.train_from_iterator(LINES, trainer)
    return tokenizer


def _unigram(split: bool = True, few: bool = False) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    spaces = [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    tokenizer.normalizer = normalizers.Sequence(spaces)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(split=split)
    trainer = trainers.UnigramTrainer(
        vocab_size=150 if few else 300,
        special_tokens=SPECIAL,
        unk_token="<unk>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(LINES[1:3] if few else LINES, trainer)
    return tokenizer


_KINDS: dict[str, Callable[[], Tokenizer]] = {
    "wordpiece": _bert,
    "byte-level bpe": _byte_level,
    "modernbert": _modern,
    "bpe": _characters,
    "unigram": _unigram,
    "unigram, few pieces": lambda: _unigram(few=True),
    "unigram, one word": lambda: _unigram(split=False),
}
KINDS = tuple(_KINDS)


@cache
def description(kind: str) -> str:
    """The tokenizer.json of a kind."""
    text: str = _KINDS[kind]().to_str()
    return text
