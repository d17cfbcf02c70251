"""Ratios that survive a machine shared with others."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median


def paired_ratio(numerator: Sequence[float], denominator: Sequence[float]) -> float:
    """The median of round-by-round ratios: what both saw of a busy neighbour cancels out."""
    return median(a / b for a, b in zip(numerator, denominator, strict=True))
