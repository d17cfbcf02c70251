"""Medians and percentiles of samples."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import TypedDict


class Summary(TypedDict):
    """Of `n` samples, in their unit."""

    median: float
    p10: float
    p99: float
    n: int


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


def summary(samples: Sequence[float], digits: int = 5) -> Summary:
    """Median, p10, p99 and the number of samples."""
    return {
        "median": round(median(samples), digits),
        "p10": round(percentile(samples, 10), digits),
        "p99": round(percentile(samples, 99), digits),
        "n": len(samples),
    }
