"""tokenizer.json, looked through before tokenizers reads it.

A vocabulary of 250,000 is far quicker to match than to parse, so the file is taken apart: the lists
in it (`vocab`, `merges`) are matched to hold nothing but texts and numbers, and the frame around
them, which says what is done to a text, is parsed and checked. tokenizers gets the frame as it was
checked with the lists put back, so that it cannot read anything else than what was looked at.
"""

from __future__ import annotations

import json
import mmap
import re
from typing import Any, NamedTuple

from edgembed.checks import Fields
from edgembed.components import check_frame
from edgembed.errors import ManifestError, UnsafeArtifactError

MAX_BYTES = 24 * 2**20  # XLM-R's 250,000 tokens take 17 MB
_MAX_FRAME_BYTES = 2**20  # XLM-R's table of characters takes half of it
_MOST_ENTRIES = 2**20
_CHUNK = 1024  # entries matched at once: what bounds the matcher's memory
_REMEDY = "export the model again, or do not load a bundle from there"

_SPACE = rb"[ \t\r\n]*"
_TEXT = rb'"[^"\\]{0,2048}(?:\\.[^"\\]{0,2048}){0,2048}"'
_NUMBER = rb"-?[0-9]{1,20}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,3})?"


def _spaced(*parts: bytes) -> bytes:
    return _SPACE.join(parts)


_ENTRIES = {
    ("vocab", b"{"): _spaced(_TEXT, b":", _NUMBER),
    ("vocab", b"["): _spaced(rb"\[", _TEXT, b",", _NUMBER, rb"\]"),
    ("merges", b"["): b"(?:" + _TEXT + b"|" + _spaced(rb"\[", _TEXT, b",", _TEXT, rb"\]") + b")",
}
# Inside a JSON text the first quote would be escaped, so this is a key, or no JSON.
_LIST = re.compile(rb'[,{][ \t\r\n]*"(vocab|merges)"[ \t\r\n]*:[ \t\r\n]*([\[{])')

Content = bytes | mmap.mmap


class TokenizerFile(NamedTuple):
    """A checked tokenizer.json: its frame, parsed, and its lists, as they stand in the file.

    In the frame's model, PLACES stand for the lists.
    """

    frame: dict[str, Any]
    lists: dict[str, bytes]

    def text(self) -> bytes:
        """The whole file again, as tokenizers reads it."""
        model = {k: v for k, v in self.frame["model"].items() if k not in self.lists}
        around = {k: v for k, v in self.frame.items() if k != "model"}
        parts = [json.dumps(around).encode()[:-1], b',"model":', json.dumps(model).encode()[:-1]]
        for name, content in self.lists.items():
            parts += [b',"', name.encode(), b'":', content]
        return b"".join((*parts, b"}}"))


PLACES = {name: f'"<{name} of this file>"'.encode() for name in ("vocab", "merges")}


def parse(
    raw: Content, name: str = "tokenizer.json", *, vocabulary: bool = True
) -> TokenizerFile:
    """Check a tokenizer.json; UnsafeArtifactError says what in it is not to be loaded.

    vocabulary=False: its lists are not needed, and not looked at where the file is laid out as the
    export stage writes it.
    """
    try:
        if len(raw) > MAX_BYTES:
            raise ManifestError(f"it has {len(raw)} bytes; {MAX_BYTES} are the most")
        frame, lists = (None if vocabulary else _without(raw)) or _split(raw)
        fields = Fields.of_json(frame, name)
        check_frame(fields)
    except ManifestError as error:
        raise UnsafeArtifactError(f"{name} is not loaded ({error}): {_REMEDY}") from error
    model = fields.value["model"]
    if any(model.get(part) != json.loads(PLACES[part]) for part in {"vocab", *lists}):
        raise UnsafeArtifactError(f"{name} is not loaded (its model has no vocabulary): {_REMEDY}")
    return TokenizerFile(fields.value, lists)


def _without(raw: Content) -> tuple[bytes, dict[str, bytes]] | None:
    """The frame alone, if the file ends with its model, and that with a list in braces."""
    found = _LIST.search(raw)
    if found is None or raw[-3:] != b"}}}" or found.start() > _MAX_FRAME_BYTES:
        return None
    return b"".join((raw[: found.start(2)], PLACES["vocab"], b"}}")), {}


def _split(raw: Content) -> tuple[bytes, dict[str, bytes]]:
    """The frame, with PLACES in the lists' stead, and the lists by name."""
    frame: list[bytes] = []
    lists: dict[str, bytes] = {}
    at = size = 0
    while found := _LIST.search(raw, at):
        name, start = found[1].decode(), found.start(2)
        end = _end_of_list(raw, start, name, found[2])
        if name in lists:
            raise ManifestError(f"{name} stands there twice")
        frame += [raw[at:start], PLACES[name]]
        lists[name] = raw[start:end]
        size += start - at
        at = end
    if size + len(raw) - at > _MAX_FRAME_BYTES:
        raise ManifestError(f"more than {_MAX_FRAME_BYTES} bytes beside vocab and merges")
    return b"".join((*frame, raw[at:])), lists


def _end_of_list(raw: Content, start: int, name: str, bracket: bytes) -> int:
    """Where a list of plain entries ends; ManifestError where it is none."""
    entry = _ENTRIES.get((name, bracket))
    if entry is None:
        raise ManifestError(f"{name} must be a list")
    several = re.compile(b"(?:%b){0,%d}" % (_spaced(b"", entry, b","), _CHUNK))
    last = re.compile(_spaced(b"", b"(?:" + entry + b")?", rb"\]" if bracket == b"[" else rb"\}"))
    at = start + 1
    for _ in range(_MOST_ENTRIES // _CHUNK):
        if (chunk := several.match(raw, at)) is None or chunk.end() == at:
            break
        at = chunk.end()
    end = last.match(raw, at)
    if end is None:
        raise ManifestError(f"{name} must hold plain entries, {_MOST_ENTRIES} at most")
    return end.end()
