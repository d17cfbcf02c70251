"""Attacks by tokenizer.json and vocab.txt, whose SHA-256 the manifest names."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable
from typing import Any

from spoiling import Spoil, tokenizer, tokenizer_text, write

_EVIL = "(a+)+$"


def _set(name: str, value: Any) -> Spoil:
    return tokenizer(lambda own: own.update({name: value}))


def _model(**changes: Any) -> Spoil:
    return tokenizer(lambda own: own["model"].update(changes))


def _split(pattern: str) -> Spoil:
    step = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    return _set("pre_tokenizer", step)


def _replace(content: str, **pattern: str) -> Spoil:
    return _set("normalizer", {"type": "Replace", "pattern": pattern, "content": content})


def _sequence(name: str, several: str, steps: list[Any]) -> Spoil:
    return _set(name, {"type": "Sequence", several: steps})


def _nested(depth: int) -> Any:
    value: Any = {"type": "NFC"}
    for _ in range(depth):
        value = {"type": "Sequence", "normalizers": [value]}
    return value


def _charsmap(units: list[int], replacements: bytes) -> Spoil:
    raw = struct.pack("<I", 4 * len(units)) + struct.pack(f"<{len(units)}I", *units) + replacements
    own = {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(raw).decode()}
    return _set("normalizer", own)


def _template(**changes: Any) -> Spoil:
    return tokenizer(lambda own: own["post_processor"].update(changes))


def _after_vocabulary(more: str) -> Spoil:
    """End the vocabulary and the model early, and hide something behind: keys may stand twice."""
    hidden = f'}}}},{more},"x":{{"y":{{}}}}}}'
    return tokenizer_text(lambda text: text.removesuffix("}}}") + hidden)


def _instead_of_vocabulary(change: Callable[[str], str]) -> Spoil:
    return tokenizer_text(lambda text: text[: text.index('"vocab":') + 8] + change(text) + "}}")


def _lines(raw: bytes) -> Spoil:
    return lambda bundle: write(bundle, "vocab.txt", raw)


def _entries(count: int) -> str:
    return "[" + ",".join(f'["{n:x}",0]' for n in range(count)) + "]"


_A = {"Sequence": {"id": "A", "type_id": 0}}
_HIDDEN = json.dumps(
    {"normalizer": {"type": "Replace", "pattern": {"Regex": _EVIL}, "content": ""}}
)

_ANY: dict[str, tuple[Spoil, str]] = {
    # regular expressions
    **{
        f"regular expression {pattern}": (_split(pattern), "could take for ever|128 characters")
        for pattern in (_EVIL, "(.*a){20}", r"(\s|\s)*x", "^(([a-z])+.)+[A-Z]([a-z])+$", "a*a*a*b",
                        r"(?<=a+)b", r"(\w+)\1", "[" * 500, "x" * 10_000)
    },
    "regular expression in Replace": (_replace("", Regex=_EVIL), "could take for ever"),
    # making texts longer
    "a replacement longer than what it replaces": (_replace("aa", String="a"), "1 characters"),
    "a megabyte for each space": (_replace("a" * 10**6, Regex=" {2,}"), "1 characters"),
    "nothing replaced by something": (_replace("a", String=""), "is empty"),
    "a long prefix": (_set("normalizer", {"type": "Prepend", "prepend": "a" * 10**5}), "8 char"),
    "a hundred steps": (
        _sequence("normalizer", "normalizers", [{"type": "NFKD"}] * 100), "a list of 16 at most",
    ),
    "sequences in sequences": (_set("normalizer", _nested(50)), "'Sequence' is not allowed"),
    "a template that takes the text twice": (_template(single=[_A, _A]), "twice"),
    "a template without a name for the text": (
        _template(single=[{"Sequence": {"type_id": 0}}]), "id is missing",
    ),
    "an added token without content": (
        tokenizer(lambda own: own["added_tokens"][0].pop("content")), "content is missing",
    ),
    "a template of 10,000 tokens": (
        _template(single=[{"SpecialToken": {"id": "x", "type_id": 0}}] * 10_000), "16 at most",
    ),
    "a special token of 10,000 ids": (
        _template(special_tokens={"x": {"id": "x", "ids": [1] * 10_000, "tokens": []}}), "16 at",
    ),
    # tables
    "a table of characters of nothing": (_charsmap([], b""), "shorter than"),
    "a table of characters that leads out": (_charsmap([0x7FFFFE00] * 256, b"\0"), "outside of"),
    "a table of characters that begins with a leaf": (
        _charsmap([0xFFFFFFFF] + [0] * 255, b"\0"), "outside of",
    ),
    "a table of characters without a value": (_charsmap([1 << 8] * 256, b"abc\0"), "outside of"),
    "a table of characters that is no text": (_charsmap([0] * 256, b"\xff\0"), "outside of"),
    "a kilobyte for each character": (_charsmap([0] * 256, b"a" * 1024 + b"\0"), "outside of"),
    # components
    "an unknown component": (_set("pre_tokenizer", {"type": "Python"}), "'Python' is not allowed"),
    "an unknown setting": (_set("pre_tokenizer", {"type": "Whitespace", "x": 1}), "x is not known"),
    "an unknown key": (_set("plugin", "x"), "plugin is not known"),
    "a component that is text": (_set("normalizer", "NFC"), "normalizer must be a JSON object"),
    "added tokens that are no list": (_set("added_tokens", {}), "must be a list"),
    "an added token of a megabyte": (
        tokenizer(lambda own: own["added_tokens"][0].update(content="a" * 10**6)),
        "characters at most|bytes beside",
    ),
    "an added token of id 2^40": (
        tokenizer(lambda own: own["added_tokens"][0].update(id=2**40)), "id must be",
    ),
    "a hundred thousand added tokens": (
        tokenizer(lambda own: own["added_tokens"].extend(own["added_tokens"] * 20_000)), "bytes be",
    ),
    # JSON
    "JSON 100,000 deep": (tokenizer_text(lambda _: '{"x":' * 100_000), "not valid JSON"),
    "JSON 100,000 deep in a component": (
        tokenizer_text(lambda text: text.replace(
            '"normalizer":', '"normalizer":' + '{"x":' * 50_000, 1)), "not valid JSON",
    ),
    "a lone surrogate": (
        tokenizer_text(lambda text: text.replace('"1.0"', '"\\ud800"', 1)), "not valid JSON",
    ),
    "a key twice": (
        tokenizer_text(lambda text: text.replace("{", '{"version":"1.0",', 1)), "twice",
    ),
    "no vocabulary": (tokenizer(lambda own: own["model"].pop("vocab")), "vocab is missing"),
    "no vocabulary, and something else at the end": (
        tokenizer(lambda own: (own["model"].pop("vocab"), own["model"].update(x={"y": {}}))),
        "x is not known|vocab is missing",
    ),
    "a model that is text": (_set("model", "WordPiece"), "model must be a JSON object"),
    "an unknown model": (_model(type="Pickle"), "'Pickle' is not allowed"),
    "17 MB beside the vocabulary": (_set("version", "1" * 17 * 2**20), "bytes beside|characters"),
}  # fmt: skip

ATTACKS: dict[str, dict[str, tuple[Spoil, str]]] = {
    "tiny-frida": {
        **_ANY,
        "words of a billion characters": (_model(max_input_chars_per_word=10**9), "0 to 1000"),
        "vocab.txt of two million lines": (_lines(b"a\n" * 2 * 10**6), "more than 1048576 lines"),
    },
    "tiny-xlmr": {
        "a component hidden behind the vocabulary": (
            _after_vocabulary(_HIDDEN[1:-1]),
            "not valid JSON|x is not known",
        ),
        "a second vocabulary": (
            tokenizer_text(lambda text: text.replace('"vocab":', '"vocab":[],"vocab":', 1)),
            "vocab must stand there once",
        ),
        "two million tokens": (
            _instead_of_vocabulary(lambda _: _entries(1_500_000)),
            "1048576 at most",
        ),
        "merges that are an object": (_model(merges={"a": 1}), "merges must stand there once"),
        "a vocabulary of objects": (
            _instead_of_vocabulary(lambda _: '[["a",{"b":1}]]'),
            "of plain entries",
        ),
        "a vocabulary 100,000 deep": (
            _instead_of_vocabulary(lambda _: "[" * 100_000),
            "of plain entries",
        ),
        "a vocabulary that is text": (_model(vocab="x"), "must be a list"),
        "a token of a megabyte": (
            _instead_of_vocabulary(lambda _: '[["' + "a" * 10**6 + '",0]]'),
            "of plain entries",
        ),
        "a token of a million escapes": (
            _instead_of_vocabulary(lambda _: '[["' + r"\n" * 10**6 + '",0]]'),
            "of plain entries",
        ),
        "chance in the tokens": (
            _set("model", {"type": "BPE", "dropout": 0.5, "vocab": {"a": 0}, "merges": []}),
            "dropout must be null",
        ),
        "the name of a place for the vocabulary": (
            _model(vocab="<vocab of this file>"),
            "vocab|valid",
        ),
    },
}
