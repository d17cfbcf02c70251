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

_MAX_FRAME_BYTES = 2**20  # XLM-R's table of characters takes half of it
_MOST_ENTRIES = 2**20
_CHUNK = 1024  # entries matched at once: what bounds the matcher's memory

_SPACE = rb"[ \t\r\n]*"
_PLAIN = rb'"[^"\\]{0,2048}"'
_TEXT = rb'"[^"\\]{0,2048}(?:\\.[^"\\]{0,2048}){0,2048}"'
_NUMBER = rb"[-+.eE0-9]{1,64}"  # tokenizers will say if it is none


def _entry(*parts: bytes) -> bytes:
    """Tried first as nearly all are: without spaces and escapes, which is twice as fast."""
    plain = b"".join(parts).replace(_TEXT, _PLAIN)
    return b"(?:" + plain + b"|" + _SPACE.join(parts) + b")"


_ENTRIES = {
    ("vocab", b"{"): _entry(_TEXT, b":", _NUMBER),
    ("vocab", b"["): _entry(rb"\[", _TEXT, b",", _NUMBER, rb"\]"),
    ("merges", b"["): b"(?:%b|%b)" % (_entry(rb"\[", _TEXT, b",", _TEXT, rb"\]"), _entry(_TEXT)),
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


def parse(raw: Content, name: str = "tokenizer.json", *, vocabulary: bool = True) -> TokenizerFile:
    """Check a tokenizer.json; UnsafeArtifactError says what in it is not to be loaded.

    vocabulary=False: its lists are not needed, and not looked at where the file is laid out as the
    export stage writes it.
    """
    try:
        frame, lists = (None if vocabulary else _without(raw)) or _split(raw, name)
        fields = Fields.of_json(frame, name)
        check_frame(fields)
        model = fields.section("model")
        for part in {"vocab", *lists}:
            if model.string(part) != json.loads(PLACES[part]) or (vocabulary and part not in lists):
                raise model.error(part, "must be a list")
    except ManifestError as error:
        raise UnsafeArtifactError(str(error)) from error
    return TokenizerFile(fields.value, lists)


def _without(raw: Content) -> tuple[bytes, dict[str, bytes]] | None:
    """The frame alone, if the file ends with its model, and that with a list in braces."""
    found = _LIST.search(raw)
    if found is None or raw[-3:] != b"}}}" or found.start() > _MAX_FRAME_BYTES:
        return None
    return b"".join((raw[: found.start(2)], PLACES["vocab"], b"}}")), {}


def _split(raw: Content, where: str) -> tuple[bytes, dict[str, bytes]]:
    """The frame, with PLACES in the lists' stead, and the lists by name."""
    frame: list[bytes] = []
    lists: dict[str, bytes] = {}
    at = size = 0
    while found := _LIST.search(raw, at):
        name, start = found[1].decode(), found.start(2)
        end = _end_of_list(raw, start, name, found[2])
        if end is None or name in lists:
            what = f"{name} must stand there once, of plain entries, {_MOST_ENTRIES} at most"
            raise ManifestError(f"{where}: {what}")
        size += start - at
        _check_frame_size(size, where)
        frame += [raw[at:start], PLACES[name]]
        lists[name] = raw[start:end]
        at = end
    _check_frame_size(size + len(raw) - at, where)
    return b"".join((*frame, raw[at:])), lists


def _check_frame_size(size: int, where: str) -> None:
    if size > _MAX_FRAME_BYTES:
        what = f"more than {_MAX_FRAME_BYTES} bytes beside vocab and merges"
        raise ManifestError(f"{where} has {what}")


def _end_of_list(raw: Content, start: int, name: str, bracket: bytes) -> int | None:
    """Where a list of plain entries ends; None where it is none."""
    entry = _ENTRIES.get((name, bracket))
    if entry is None:
        return None
    end = rb"\]" if bracket == b"[" else rb"\}"
    several = re.compile(b"(?:%b){0,%d}" % (_SPACE + entry + _SPACE + b",", _CHUNK))
    last = re.compile(_SPACE + entry + b"?" + _SPACE + end)
    at = start + 1
    for _ in range(_MOST_ENTRIES // _CHUNK):
        chunk = several.match(raw, at)
        if chunk is None or chunk.end() == at:
            break
        at = chunk.end()
    rest = last.match(raw, at)
    return None if rest is None else rest.end()
