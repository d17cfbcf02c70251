"""Ids equal transformers', whatever truncation and padding the tokenizer.json carries."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as RustTokenizer

from edgembed.errors import ModelLoadError, UnsafeArtifactError
from edgembed.forks import GATE
from edgembed.manifest import Manifest
from edgembed.tokenize import Tokenizer
from support import BUNDLE_NAMES, Answers


def load(folder: Path) -> Tokenizer:
    manifest = Manifest.parse((folder / "manifest.json").read_bytes())
    return Tokenizer((folder / "tokenizer.json").read_bytes(), manifest.max_seq_length)


@pytest.mark.parametrize("name", BUNDLE_NAMES)
def test_ids_equal_transformers(
    bundles: Path, answers: Callable[[str], Answers], name: str
) -> None:
    tokenizer = load(bundles / name)
    for text, ids in zip(answers(name).texts, answers(name).ids, strict=True):
        assert tokenizer.encode(text).ids.tolist() == ids, text


@pytest.mark.parametrize("name", BUNDLE_NAMES)
def test_truncated_is_said_exactly_where_ids_were_cut(
    bundles: Path, answers: Callable[[str], Answers], name: str
) -> None:
    tokenizer = load(bundles / name)
    whole = RustTokenizer.from_file(str(bundles / name / "tokenizer.json"))
    whole.no_truncation()
    whole.no_padding()
    cut = []
    for text in answers(name).texts:
        tokens = tokenizer.encode(text)
        assert tokens.truncated == (len(whole.encode(text).ids) > tokenizer.max_seq_length)
        cut.append(tokens.truncated)
    assert any(cut)
    assert not all(cut)


def test_exactly_full_is_not_truncated(bundles: Path) -> None:
    raw = (bundles / "tiny-frida" / "tokenizer.json").read_bytes()
    length = len(Tokenizer(raw, 48).encode("The cat sits at the window.").ids)
    assert not Tokenizer(raw, length).encode("The cat sits at the window.").truncated
    short = Tokenizer(raw, length - 1).encode("The cat sits at the window.")
    assert short.truncated
    assert len(short.ids) == length - 1


SHIPPED = [
    {"truncation": {"direction": "Left", "max_length": 3, "strategy": "LongestFirst", "stride": 1}},
    {"truncation": {"direction": "Right", "max_length": 9, "strategy": "OnlyFirst", "stride": 2}},
    {
        "padding": {
            "strategy": {"Fixed": 128},
            "direction": "Left",
            "pad_to_multiple_of": 8,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "[PAD]",
        }
    },
]


@pytest.mark.parametrize("shipped", SHIPPED, ids=["left", "right", "padding"])
def test_shipped_truncation_and_padding_are_overridden(bundles: Path, shipped: object) -> None:
    raw = (bundles / "tiny-frida" / "tokenizer.json").read_bytes()
    spoilt = json.loads(raw) | shipped  # type: ignore[operator]
    own = Tokenizer(json.dumps(spoilt, ensure_ascii=False).encode(), 48)
    for text in ("Кошка", "The cat sits at the window and looks at the street. " * 4):
        assert own.encode(text).ids.tolist() == Tokenizer(raw, 48).encode(text).ids.tolist()


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"null", b"\xff", b'{"version": "1.0", "model": {"type": "Nobody"}}']
)
def test_a_bad_tokenizer_json_is_refused(raw: bytes) -> None:
    with pytest.raises(UnsafeArtifactError, match=r"tokenizer\.json"):
        Tokenizer(raw, 48)


def test_what_tokenizers_itself_refuses_is_said(bundles: Path) -> None:
    value = json.loads((bundles / "tiny-xlmr" / "tokenizer.json").read_bytes())
    value["model"]["unk_id"] = 10**6
    with pytest.raises(ModelLoadError, match=r"tokenizer\.json cannot be loaded"):
        Tokenizer(json.dumps(value).encode(), 48)


def test_a_length_without_room_for_the_special_tokens_is_refused(bundles: Path) -> None:
    raw = (bundles / "tiny-frida" / "tokenizer.json").read_bytes()
    assert len(Tokenizer(raw, 3).encode("The cat sits").ids) == 3
    with pytest.raises(ModelLoadError):
        Tokenizer(raw, 1)


@pytest.mark.parametrize("name", BUNDLE_NAMES)
def test_prompt_length_leaves_out_the_last_special_token(bundles: Path, name: str) -> None:
    tokenizer = load(bundles / name)
    prompt = "query: "
    ids = RustTokenizer.from_file(str(bundles / name / "tokenizer.json"))
    ids.no_padding()
    assert tokenizer.prompt_length(prompt) == len(ids.encode(prompt).ids) - 1
    assert tokenizer.prompt_length(prompt) >= 2


@pytest.mark.parametrize("name", BUNDLE_NAMES)
@given(text=st.text(max_size=300))
def test_any_text_gives_ids(bundles: Path, name: str, text: str) -> None:
    tokenizer = TOKENIZERS.setdefault(name, load(bundles / name))
    tokens = tokenizer.encode(text)
    assert 2 <= len(tokens.ids) <= tokenizer.max_seq_length
    assert tokens.ids.dtype == "int64"


TOKENIZERS: dict[str, Tokenizer] = {}


@pytest.mark.parametrize("call", ["encode", "describe", "prompt_length"])
def test_no_call_into_rust_begins_during_a_fork(bundles: Path, call: str) -> None:
    tokenizer = load(bundles / "tiny-xlmr")
    thread = Thread(target=getattr(tokenizer, call), args=["query: "])
    GATE.close()  # as before a fork
    try:
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
    finally:
        GATE.open()
    thread.join(10)
    assert not thread.is_alive()
