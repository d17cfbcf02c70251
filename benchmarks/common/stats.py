"""Medians and percentiles of samples, and ratios that survive a machine shared with others."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median


def percentile(samples: Sequence[float], percent: float) -> float:
    """The value at `percent` of the sorted samples, linear between neighbours.

    >>> percentile([1.0, 2.0, 3.0, 4.0, 5.0], 50)
    3.0
    """
    ordered = sorted(samples)
    position = (len(ordered) - 1) * percent / 100
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def summary(samples: Sequence[float], digits: int = 5) -> dict[str, float]:
    """Median, p10, p99 and the number of samples."""
    return {
        "median": round(median(samples), digits),
        "p10": round(percentile(samples, 10), digits),
        "p99": round(percentile(samples, 99), digits),
        "n": len(samples),
    }


def paired_ratio(numerator: Sequence[float], denominator: Sequence[float]) -> float:
    """The median of round-by-round ratios: what both saw of a busy neighbour cancels out."""
    return median(a / b for a, b in zip(numerator, denominator, strict=True))
