"""Weights as int8: scales, rounding, and the bound that keeps 16-bit sums from saturating.

Everything here is numpy on (in, out) matrices, one scale an output column, symmetric: w = q * s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float32]
Int8 = npt.NDArray[np.int8]

TOP = 127
PAIR_TOP = 128
"""u8 activations reach 255, and 255 * 128 = 32640 still fits int16; 255 * 129 does not."""


@dataclass(frozen=True)
class Quantized:
    """An int8 matrix (in, out) and the float32 scale of each of its columns (out)."""

    values: Int8
    scales: Float

    @property
    def restored(self) -> Float:
        """float32 (in, out): what the integers stand for."""
        return self.values * self.scales


def column_scales(weight: Float, pair_safe: bool) -> Float:
    """(out): the smallest scale of each column that keeps its integers within bounds."""
    bound = np.abs(weight).max(axis=0) / TOP
    if pair_safe:
        # 127, not 128: rounding may add half a unit to each of the two.
        bound = np.maximum(bound, np.abs(_pair_sums(weight)).max(axis=0) / TOP)
    return _usable(bound)


def _usable(bound: npt.NDArray[np.floating]) -> Float:
    """Scales: 1 in place of one that is too small to be divided by exactly, for nothing but zeros.

    Below the normal numbers of float32 a quotient is off by up to half of itself: integers would
    leave their bounds. Such weights are what training leaves of channels that are not used.
    """
    return np.where(bound >= np.finfo(np.float32).tiny, bound, 1.0).astype(np.float32)


def _pair_sums(matrix: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    """Sums of rows 0+1, 2+3, ...: the products that vpmaddubsw adds in 16 bits."""
    if len(matrix) % 2:
        matrix = np.concatenate([matrix, np.zeros_like(matrix[:1])])
    return matrix[0::2].astype(np.float32) + matrix[1::2].astype(np.float32)


def is_pair_safe(values: Int8) -> bool:
    """Whether no activation can make a sum of two neighbouring products leave int16.

    Pairs of opposite signs cannot: each product alone fits (255 * 127 = 32385).
    """
    return bool(np.abs(_pair_sums(values)).max(initial=0) <= PAIR_TOP)


def nearest(weight: Float, scales: Float) -> Quantized:
    """Round every weight to the nearest multiple of its column's scale (from `column_scales`).

    Pairs stay within their bound where the scales were made for it: a sum is at most 127 units
    before rounding, which adds half a unit to each of the two.
    """
    return Quantized(np.clip(np.rint(weight / scales), -TOP, TOP).astype(np.int8), scales)


def by_row(table: Float) -> Quantized:
    """An embedding table (rows, hidden) as int8 with one scale a row; scales are (rows, 1)."""
    bound = np.abs(table).max(axis=1, keepdims=True) / TOP
    scales = _usable(bound)
    return Quantized(np.rint(table / scales).astype(np.int8), scales)
