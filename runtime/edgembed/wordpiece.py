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

# Where the vocabulary begins in a tokenizer.json without line breaks, and how the file then ends.
# Inside a JSON text the quotes would be escaped, so the first stands nowhere else.
_VOCABULARY, _END = b',"vocab":{', b"}}}"
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


def assemble(tokenizer_json: bytes, vocabulary: str) -> Any:
    """The tokenizer of the two files, the vocabulary's given by its path.

    None where tokenizer.json is laid out in another way than the export stage writes it.
    """
    start = tokenizer_json.find(_VOCABULARY)
    if start < 0 or not tokenizer_json.endswith(_END):
        return None
    frame = json.loads(tokenizer_json[:start] + _END[1:])
    model = frame["model"]
    # Added tokens take their ids from the model while the frame is read.
    added = {token["content"]: token["id"] for token in frame["added_tokens"]}
    tokenizer = Tokenizer.from_str(json.dumps({**frame, "model": {**model, "vocab": added}}))
    settings = {name: model[name] for name in _SETTINGS}
    tokenizer.model = models.WordPiece.from_file(vocabulary, **settings)
    return tokenizer


def is_same(tokenizer_json: bytes, vocabulary: str) -> bool:
    """Whether `assemble` gives the tokenizer of tokenizer.json alone: all they hold is compared."""
    own = assemble(tokenizer_json, vocabulary)
    alone = Tokenizer.from_buffer(tokenizer_json)
    return own is not None and bool(own.to_str() == alone.to_str())


def load(tokenizer_json: bytes, vocabulary: bytes) -> Any:
    """As `assemble`, of the very bytes given; None also where the system has no files in memory.

    tokenizers takes a path only, and one into the bundle could lead to another file than the one
    whose SHA-256 was checked.
    """
    if not hasattr(os, "memfd_create"):
        return None
    descriptor = os.memfd_create("vocab.txt")
    path = f"/proc/self/fd/{descriptor}"
    try:
        left = memoryview(vocabulary)
        while left:
            left = left[os.write(descriptor, left) :]
        return assemble(tokenizer_json, path) if os.path.exists(path) else None  # noqa: PTH110
    finally:
        os.close(descriptor)
