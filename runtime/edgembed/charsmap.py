"""SentencePiece's table of characters (Precompiled), which tokenizers walks without looking.

The table is a length in bytes, a double array of 32-bit units, and the replacements, each ended by
a NUL. A unit outside of it, or a replacement that is no text, would be a panic while a text is
tokenised. Source: darts-clone's format, https://github.com/s-yata/darts-clone.
"""

from __future__ import annotations

import base64

import numpy as np
import numpy.typing as npt

from edgembed.checks import Fields

_LONGEST_REPLACEMENT = 256  # bytes for one character; NFKC's longest takes 33
_LEAF, _HAS_LEAF = np.uint32(1 << 31), np.uint32(1 << 8)


def check_charsmap(fields: Fields, name: str) -> None:
    """ManifestError unless every place that the table names is in it."""
    text = fields.string(name)
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise fields.error(name, f"cannot be decoded ({error})") from error
    size = int.from_bytes(raw[:4], "little")
    if not 0 < size <= len(raw) - 4 or size % 4:
        raise fields.error(name, "is shorter than it says")
    replacements = raw[4 + size :]
    if not _are_texts(replacements) or not _is_closed(
        np.frombuffer(raw, "<u4", size // 4, 4), replacements
    ):
        raise fields.error(name, "names places outside of it")


def _are_texts(replacements: bytes) -> bool:
    try:
        replacements.decode()
    except UnicodeDecodeError:
        return False
    return max(map(len, replacements.split(b"\0"))) <= _LONGEST_REPLACEMENT


def _is_closed(units: npt.NDArray[np.uint32], replacements: bytes) -> bool:
    """Whether all children of units are inside the array, and all values where a text begins."""
    inner = units & _LEAF == 0
    inner[0] = True  # the walk begins there, whatever it says of itself
    offsets = (units >> 10) << ((units & (1 << 9)) >> 6)
    children = np.arange(len(units), dtype=np.uint32) ^ offsets
    if ((children[inner] | 0xFF) >= len(units)).any():
        return False
    values = units[children[inner & (units & _HAS_LEAF != 0)]] & ~_LEAF
    begins = np.ones(len(replacements) + 1, bool)
    begins[1:] = np.frombuffer(replacements, np.uint8) == 0
    return bool((values < len(begins)).all() and begins[values].all())
