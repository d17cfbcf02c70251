"""What a tokenizer.json may do to a text: components of a list, with bounds.

Refused are regular expressions that could take exponential time, steps that make a text much
longer, and whatever is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from edgembed.charsmap import check_charsmap
from edgembed.checks import Fields

_MOST_STEPS, _MOST_IDS = 16, 2**24
_LONGEST = 2048  # characters of one token
# One character, or one class of them, repeated: as far as regular expressions go here. Two
# repetitions beside each other can already take quadratic time.
_PLAIN_REGEX = re.compile(
    r"(?:[^\\^$.|?*+()\[\]{}]|\\[sSdDwWnrt]|\[\^?(?:[^\\\[\]^&]|\\[sdwnrt]){1,32}\])"
    r"(?:\+|\{\d{1,2},?\})?"
)
Check = Callable[[Fields, str], object]
_boolean: Check = Fields.boolean


def _optional_boolean(fields: Fields, name: str) -> object:
    return None if fields.value[name] is None else fields.boolean(name)


def _text(fields: Fields, name: str, most: int = _LONGEST) -> str:
    return fields.string(name, most)


def _short_text(fields: Fields, name: str) -> object:
    return _text(fields, name, 8)


def _optional_text(fields: Fields, name: str) -> object:
    return None if fields.value[name] is None else _text(fields, name)


def _nothing(fields: Fields, name: str) -> object:
    if fields.value[name] is not None:
        raise fields.error(name, "must be null: one text gives one vector")
    return None


def _up_to(most: int) -> Check:
    return lambda fields, name: fields.integer(name, 0, most)


def _optional_id(fields: Fields, name: str) -> object:
    return None if fields.value[name] is None else fields.integer(name, 0, _MOST_IDS)


def _pattern(fields: Fields, name: str) -> str | None:
    """A pattern's text; None where it is a regular expression, of the plain kind."""
    own = fields.section(name)
    (kind, *more) = own.value or [""]
    if more or kind not in ("String", "Regex"):
        raise fields.error(name, "must be a String or a Regex")
    text = _text(own, kind, 128)
    if kind == "Regex" and not _PLAIN_REGEX.fullmatch(text):
        raise fields.error(name, f"{text!r} is a regular expression that could take for ever")
    if not text:
        raise fields.error(name, "is empty")
    return text if kind == "String" else None


def _replacement(fields: Fields, name: str) -> object:
    """What a Replace puts in: no longer than what it takes out, or steps could multiply a text."""
    taken = _pattern(fields, "pattern")
    return _text(fields, name, 1 if taken is None else len(taken))


def _special(fields: Fields, name: str) -> object:
    """BERT's and RoBERTa's pairs of token and id."""
    pair = fields.value[name]
    if not (isinstance(pair, list) and len(pair) == 2):
        raise fields.error(name, "must be a token and its id")
    return _text(Fields({name: pair[0]}, fields.where), name), Fields(
        {name: pair[1]}, fields.where
    ).integer(name, 0, _MOST_IDS)


def _template(fields: Fields, name: str) -> object:
    """A template takes a text once, so that it cannot multiply it."""
    sequences = []
    for step in _steps(fields, name):
        (kind, *more) = step.value or [""]
        if more or kind not in ("SpecialToken", "Sequence"):
            raise fields.error(name, "must hold special tokens and sequences")
        own = step.section(kind)
        _check_keys(own, {"id": _text, "type_id": _up_to(1)})
        sequences += [own.string("id")] * (kind == "Sequence")
    if len(set(sequences)) != len(sequences):
        raise fields.error(name, "takes the text twice")
    return sequences


def _template_tokens(fields: Fields, name: str) -> object:
    for _, own in fields.named(name):
        _check_keys(own, {"id": _text, "ids": _few, "tokens": _few})
        own.integers("ids", 0, _MOST_IDS)
    return None


def _few(fields: Fields, name: str) -> object:
    value = fields.value[name]
    if not isinstance(value, list) or len(value) > _MOST_STEPS:
        raise fields.error(name, f"must be a list of {_MOST_STEPS} at most")
    return value


def _steps(fields: Fields, name: str) -> list[Fields]:
    _few(fields, name)
    return list(fields.items(name))


_BYTE_LEVEL: Mapping[str, Check] = {
    "add_prefix_space": _boolean,
    "trim_offsets": _boolean,
    "use_regex": _boolean,
}
_SCHEMES = ("first", "never", "always")
_BEHAVIORS = ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")


def _behavior(fields: Fields, name: str) -> object:
    return fields.choice(name, _BEHAVIORS)


_NORMALIZERS: Mapping[str, Mapping[str, Check]] = {
    "BertNormalizer": {
        "clean_text": _boolean,
        "handle_chinese_chars": _boolean,
        "strip_accents": _optional_boolean,
        "lowercase": _boolean,
    },
    **{name: {} for name in ("Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt", "StripAccents")},
    "ByteLevel": {},
    "Strip": {"strip_left": _boolean, "strip_right": _boolean},
    "Prepend": {"prepend": _short_text},
    "Replace": {"pattern": _pattern, "content": _replacement},
    "Precompiled": {"precompiled_charsmap": check_charsmap},
}
_PRE_TOKENIZERS: Mapping[str, Mapping[str, Check]] = {
    **{name: {} for name in ("BertPreTokenizer", "Whitespace", "WhitespaceSplit")},
    "UnicodeScripts": {},
    "ByteLevel": _BYTE_LEVEL,
    "Metaspace": {
        "replacement": _short_text,
        "prepend_scheme": lambda fields, name: fields.choice(name, _SCHEMES),
        "split": _boolean,
        "add_prefix_space": _boolean,
        "str_rep": _short_text,
    },
    "Punctuation": {"behavior": _behavior},
    "Digits": {"individual_digits": _boolean},
    "CharDelimiterSplit": {"delimiter": _short_text},
    "Split": {"pattern": _pattern, "behavior": _behavior, "invert": _boolean},
}
_POST_PROCESSORS: Mapping[str, Mapping[str, Check]] = {
    "TemplateProcessing": {
        "single": _template,
        "pair": _template,
        "special_tokens": _template_tokens,
    },
    "BertProcessing": {"sep": _special, "cls": _special},
    "RobertaProcessing": {
        "sep": _special,
        "cls": _special,
        "trim_offsets": _boolean,
        "add_prefix_space": _boolean,
    },
    "ByteLevel": _BYTE_LEVEL,
}
_MODELS: Mapping[str, Mapping[str, Check]] = {
    "WordPiece": {
        "unk_token": _text,
        "continuing_subword_prefix": _text,
        "max_input_chars_per_word": _up_to(1000),  # a word takes the square of it
        "vocab": _text,
    },
    "Unigram": {"unk_id": _optional_id, "byte_fallback": _boolean, "vocab": _text},
    "BPE": {
        "dropout": _nothing,
        "unk_token": _optional_text,
        "continuing_subword_prefix": _optional_text,
        "end_of_word_suffix": _optional_text,
        "fuse_unk": _boolean,
        "byte_fallback": _boolean,
        "ignore_merges": _boolean,
        "vocab": _text,
        "merges": _text,
    },
}
_ADDED_TOKEN: Mapping[str, Check] = {
    "id": _up_to(_MOST_IDS),
    "content": _text,
    **dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), _boolean),
}
_KEPT_OUT = ("truncation", "padding", "decoder")  # set by us, or never used


def check_frame(frame: Fields) -> None:
    """Check tokenizer.json without its lists; ManifestError names what is not allowed.

    What no text's ids depend on is taken out of it.
    """
    for name in _KEPT_OUT:
        frame.value[name] = None
    components = {
        "normalizer": (_NORMALIZERS, "normalizers"),
        "pre_tokenizer": (_PRE_TOKENIZERS, "pretokenizers"),
        "post_processor": (_POST_PROCESSORS, "processors"),
    }
    if unknown := set(frame.value) - {*_KEPT_OUT, *components, "version", "added_tokens", "model"}:
        raise frame.error(min(unknown), "is not known here")
    for name, (known, several) in components.items():
        if frame.value.get(name) is not None:
            _check_component(frame.section(name), known, several)
    _short_text(frame, "version")
    for token in frame.items("added_tokens"):
        _check_keys(token, _ADDED_TOKEN)
        _text(token, "content")  # these two may not be missing
        token.integer("id", 0, _MOST_IDS)
    _check_component(frame.section("model"), _MODELS, "")


def _check_component(own: Fields, known: Mapping[str, Mapping[str, Check]], several: str) -> None:
    """One component, or a Sequence of them; not a Sequence of Sequences."""
    kind = own.string("type")
    if kind == "Sequence" and several:
        for step in _steps(own, several):
            _check_component(step, known, "")
        return
    if kind not in known:
        raise own.error("type", f"{kind[:80]!r} is not allowed")
    _check_keys(own, {"type": _text, **known[kind]})


def _check_keys(own: Fields, known: Mapping[str, Check]) -> None:
    value: dict[str, Any] = own.value
    if unknown := set(value) - set(known):
        raise own.error(min(unknown)[:80], "is not known here")
    for name in value:
        known[name](own, name)
