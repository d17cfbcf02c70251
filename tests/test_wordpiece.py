"""A tokenizer put together from tokenizer.json and vocab.txt is the one of tokenizer.json alone."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as RustTokenizer

from edgembed import Embedder, wordpiece
from edgembed.errors import IntegrityError, ManifestError
from support import Answers, change_json, python

WORDPIECE = ("tiny-frida", "tiny-cls", "minilm")
ODD = (
    "", " ", "\n\t\r", "[SEP] [CLS][MASK]", "[UNK]", "##ing", "ё Ё é É", "e\u0301",
    "日本語 text", "😀👍🏽", "a" * 101, "x\0y\ufffdz\u200b", "Ünïcödé № 5 ½", "слово-слово—слово",
)  # fmt: skip

pytestmark = pytest.mark.skipif(
    not hasattr(os, "memfd_create"), reason="this system has no files in memory"
)


@cache
def pair(tokenizer_json: Path) -> tuple[Any, Any]:
    """The tokenizer of both files, and of tokenizer.json alone, neither of which cuts."""
    alone = RustTokenizer.from_file(str(tokenizer_json))
    alone.no_truncation()
    alone.no_padding()
    raw = alone.to_str(pretty=False).encode()
    lines = wordpiece.lines(raw)
    assert lines is not None
    return wordpiece.load(raw, lines), alone


def held(tokenizer: Any) -> dict[str, Any]:
    """All that a tokenizer holds, but for its decoder, which makes texts of ids: we make none."""
    return {**json.loads(tokenizer.to_str()), "decoder": None}


def check(tokenizers: tuple[Any, Any], text: str) -> None:
    own, alone = (tokenizer.encode(text) for tokenizer in tokenizers)
    assert own.ids == alone.ids
    assert own.tokens == alone.tokens
    assert own.offsets == alone.offsets
    assert own.special_tokens_mask == alone.special_tokens_mask


@pytest.mark.parametrize("name", WORDPIECE)
def test_they_hold_the_same_and_give_the_same(
    bundles: Path, name: str, answers: Callable[[str], Answers]
) -> None:
    both = pair(bundles / name / "tokenizer.json")
    assert held(both[0]) == held(both[1])
    for text in (*answers(name).texts, *ODD):
        check(both, text)


@pytest.mark.parametrize("name", WORDPIECE)
@given(text=st.text(max_size=200))
def test_any_text(bundles: Path, name: str, text: str) -> None:
    check(pair(bundles / name / "tokenizer.json"), text)


def test_a_vocabulary_of_80_000(shared: Path, answers: Callable[[str], Answers]) -> None:
    both = pair(shared / "models" / "rubert-mini-frida" / "tokenizer.json")
    assert held(both[0]) == held(both[1])
    for text in (*answers("minilm").texts, *ODD):
        check(both, text)


def test_other_kinds_have_no_lines(bundles: Path) -> None:
    assert wordpiece.lines((bundles / "tiny-xlmr" / "tokenizer.json").read_bytes()) is None


@pytest.mark.parametrize(
    ("token", "skipped", "same"),
    [("word", 0, True), ("##ёёё", 0, True), ("word", 1, False), ("two\nlines", 0, False),
     ("trailing ", 0, False)],
)  # fmt: skip
def test_what_lines_cannot_say_is_found_out(
    bundles: Path, tmp_path: Path, token: str, skipped: int, same: bool
) -> None:
    value = json.loads((bundles / "tiny-cls" / "tokenizer.json").read_bytes())
    vocabulary = value["model"]["vocab"]
    vocabulary[token] = len(vocabulary) + skipped
    raw = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    path = tmp_path / "vocab.txt"
    path.write_bytes(wordpiece.lines(raw) or b"")
    assert wordpiece.is_same(raw, str(path)) == same


def test_another_layout_gives_the_same(bundles: Path) -> None:
    raw = (bundles / "tiny-frida" / "tokenizer.json").read_bytes()
    lines = wordpiece.lines(raw)
    assert lines is not None
    spaced = wordpiece.load(json.dumps(json.loads(raw), indent=1).encode(), lines)
    assert held(spaced) == held(pair(bundles / "tiny-frida" / "tokenizer.json")[1])


def test_no_files_in_memory(bundles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    raw = (bundles / "tiny-frida" / "tokenizer.json").read_bytes()
    assert wordpiece.load(raw, wordpiece.lines(raw) or b"") is None


# --- in a bundle


@pytest.fixture
def with_vocabulary(bundle_copy: Path) -> Path:
    """A bundle that has vocab.txt, whether or not the exporter wrote one."""
    lines = wordpiece.lines((bundle_copy / "tokenizer.json").read_bytes())
    assert lines is not None
    (bundle_copy / "vocab.txt").write_bytes(lines)
    manifest = json.loads((bundle_copy / "manifest.json").read_text())
    digest = hashlib.sha256(lines).hexdigest()
    manifest["artifacts"]["vocab.txt"] = {"sha256": digest, "bytes": len(lines)}
    change_json(
        bundle_copy / "manifest.json", vocabulary="vocab.txt", artifacts=manifest["artifacts"]
    )
    return bundle_copy


def without_vocabulary(bundle: Path) -> None:
    change_json(bundle / "manifest.json", vocabulary=None)


def test_the_same_vectors_with_and_without(
    with_vocabulary: Path, answers: Callable[[str], Answers]
) -> None:
    texts = [text for text in (*answers("tiny-frida").texts, *ODD) if len(text) < 99]
    vectors = Embedder(with_vocabulary).encode(texts, prompt="")
    without_vocabulary(with_vocabulary)
    again = Embedder(with_vocabulary).encode(texts, prompt="")
    assert again.tobytes() == vectors.tobytes()


def test_it_is_read_where_there_is_one(with_vocabulary: Path) -> None:
    # A vocabulary of other words, with its own SHA-256, shows which of the two files is used.
    path = with_vocabulary / "vocab.txt"
    lines = path.read_text(encoding="utf-8").splitlines()
    spoilt = "".join(f"{line}\n" for line in [*lines[:5], *reversed(lines[5:])]).encode()
    path.write_bytes(spoilt)
    manifest = json.loads((with_vocabulary / "manifest.json").read_text())
    manifest["artifacts"]["vocab.txt"]["sha256"] = hashlib.sha256(spoilt).hexdigest()
    (with_vocabulary / "manifest.json").write_text(json.dumps(manifest))
    other = Embedder(with_vocabulary, canaries="off").tokenize("The cat")["input_ids"]
    without_vocabulary(with_vocabulary)
    assert other.tolist() != Embedder(with_vocabulary).tokenize("The cat")["input_ids"].tolist()


def test_a_flipped_bit_is_refused(with_vocabulary: Path) -> None:
    content = bytearray((with_vocabulary / "vocab.txt").read_bytes())
    content[len(content) // 2] ^= 1
    (with_vocabulary / "vocab.txt").write_bytes(content)
    with pytest.raises(IntegrityError, match=r"vocab\.txt"):
        Embedder(with_vocabulary)


@pytest.mark.parametrize("junk", ["absent.txt", "../vocab.txt", 3, ["vocab.txt"]])
def test_a_manifest_that_names_another_file(with_vocabulary: Path, junk: object) -> None:
    change_json(with_vocabulary / "manifest.json", vocabulary=junk)
    with pytest.raises(ManifestError, match=r"vocabulary|absent\.txt"):
        Embedder(with_vocabulary)


def test_no_descriptor_stays_open(with_vocabulary: Path) -> None:
    script = """
import os, sys
from edgembed import Embedder
models = [Embedder(sys.argv[1]) for _ in range(2)]
before = len(os.listdir("/proc/self/fd"))
models += [Embedder(sys.argv[1]) for _ in range(3)]
print(len(os.listdir("/proc/self/fd")) - before)
"""
    done = python("-c", script, with_vocabulary)
    assert done.stdout.split() == [b"0"], done.stderr.decode()
