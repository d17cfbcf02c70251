"""Float32 arrays as text, for manifest.json: base64 of little-endian bytes."""

from __future__ import annotations

import base64

import numpy as np

from edgembed.pooling import Float32


def to_text(array: Float32) -> str:
    """The numbers of an array of any shape, in C order."""
    return base64.b64encode(array.astype("<f4").tobytes()).decode()


def from_text(text: str) -> Float32:
    """The inverse of to_text, (n,) float32. ValueError for what to_text cannot have written."""
    raw = base64.b64decode(text, validate=True)
    return np.frombuffer(raw, "<f4").astype(np.float32)
