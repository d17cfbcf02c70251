"""A WordPiece tokenizer put together from tokenizer.json and its vocabulary as plain lines.

tokenizers reads a vocabulary of lines in half the time that it takes for the same one as JSON, and
in less memory. So the export stage writes vocab.txt, the hub's own name for it, wherever the two
give the same tokenizer; all but the vocabulary still comes from tokenizer.json.
"""

from __future__ import annotations

import json
import os
from typing import Any

from tokenizers import Tokenizer, models

from edgembed.errors import UnsafeArtifactError
from edgembed.tokenizerfile import Content, TokenizerFile, parse

_MOST_LINES = 2**20
_SETTINGS = ("unk_token", "continuing_subword_prefix", "max_input_chars_per_word")


def lines(tokenizer_json: bytes) -> bytes | None:
    """The vocabulary as vocab.txt: UTF-8, a token a line in the order of ids.

    None where tokenizer.json describes another kind of tokenizer.
    """
    model = json.loads(tokenizer_json)["model"]
    if model["type"] != "WordPiece":
        return None
    return "".join(
        f"{token}\n" for token in sorted(model["vocab"], key=model["vocab"].get)
    ).encode()


def assemble(parsed: TokenizerFile, vocabulary: str) -> Any:
    """The tokenizer of the two files, the vocabulary's given by its path.

    None where tokenizer.json describes another kind of tokenizer.
    """
    model = parsed.frame["model"]
    if model["type"] != "WordPiece":
        return None
    # Added tokens take their ids from the model while the frame is read.
    added = {token["content"]: token["id"] for token in parsed.frame["added_tokens"]}
    frame = {**parsed.frame, "model": {**model, "vocab": added}}
    tokenizer = Tokenizer.from_str(json.dumps(frame))
    settings = {name: model[name] for name in _SETTINGS}
    tokenizer.model = models.WordPiece.from_file(vocabulary, **settings)
    return tokenizer


def is_same(tokenizer_json: bytes, vocabulary: str) -> bool:
    """Whether `assemble` gives the tokenizer of tokenizer.json alone: all they hold is compared."""
    parsed = parse(tokenizer_json)
    own, alone = assemble(parsed, vocabulary), Tokenizer.from_buffer(parsed.text())
    return own is not None and bool(own.to_str() == alone.to_str())


def load(tokenizer_json: Content, vocabulary: bytes) -> Any:
    """As `assemble`, of the very bytes given; None also where the system has no files in memory.

    UnsafeArtifactError where one of them is not to be loaded. tokenizers takes a path only, and one
    into the bundle could lead to another file than the one whose SHA-256 was checked.
    """
    if not hasattr(os, "memfd_create"):
        return None
    if vocabulary.count(b"\n") > _MOST_LINES:
        raise UnsafeArtifactError(f"the vocabulary has more than {_MOST_LINES} lines: not loaded")
    parsed = parse(tokenizer_json, vocabulary=False)
    descriptor = os.memfd_create("vocab.txt")
    path = f"/proc/self/fd/{descriptor}"
    try:
        left = memoryview(vocabulary)
        while left:
            left = left[os.write(descriptor, left) :]
        return assemble(parsed, path) if os.path.exists(path) else None  # noqa: PTH110
    finally:
        os.close(descriptor)
