"""Smaller output types: int8, uint8, binary, ubinary.

Source: sentence_transformers.util.quantize_embeddings, whose values these equal.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edgembed.errors import ArgumentError
from edgembed.log import logger
from edgembed.pooling import Float32

Precision = Literal["float32", "int8", "uint8", "binary", "ubinary"]
PRECISIONS: tuple[Precision, ...] = ("float32", "int8", "uint8", "binary", "ubinary")


def check_precision(precision: str) -> Precision:
    """The precision itself where it is one of PRECISIONS; ArgumentError otherwise."""
    for known in PRECISIONS:
        if precision == known:
            return known
    raise ArgumentError(f"precision {precision!r} is none of {', '.join(PRECISIONS)}")


def quantize_embeddings(embeddings: Float32, precision: Precision) -> npt.NDArray[Any]:
    """(n, dim) float32 -> (n, dim) int8 / uint8, or (n, ceil(dim / 8)) int8 / uint8 bits.

    int8 and uint8 cut each dimension's range, as found in `embeddings` themselves, into 256 steps,
    so such vectors are comparable within one call only, and few texts make a coarse range.
    binary and ubinary pack the signs, eight a byte, and need no range.
    """
    if precision == "float32":
        return embeddings
    if precision in ("binary", "ubinary"):
        bits: npt.NDArray[Any] = np.packbits(embeddings > 0, axis=-1)
        return bits if precision == "ubinary" else (bits.astype(np.int16) - 128).astype(np.int8)
    return _scalar(embeddings, precision)


def _scalar(embeddings: Float32, precision: Precision) -> npt.NDArray[Any]:
    if not len(embeddings):
        return embeddings.astype(precision)
    if len(embeddings) < 100:
        logger().warning(
            "%s ranges are taken from only %d text(s); they are steadier from 100 or more",
            precision,
            len(embeddings),
        )
    low, high = embeddings.min(axis=0), embeddings.max(axis=0)
    steps = (high - low) / 255
    steps = np.where(steps == 0, 1, steps)
    levels: npt.NDArray[Any] = np.clip(np.floor((embeddings - low) / steps), 0, 255)
    return levels.astype(np.uint8) if precision == "uint8" else (levels - 128).astype(np.int8)
