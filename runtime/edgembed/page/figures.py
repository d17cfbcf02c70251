"""How the report writes its numbers, on the page and in the card alike."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def cosine(value: float) -> str:
    """Six decimals, or the difference from 1 where six decimals would round it away.

    >>> cosine(0.9991234567), cosine(1 - 2e-13)
    ('0.999123', '1 − 2e-13')
    """
    distance = 1 - value
    if abs(distance) >= 5e-7 or not math.isfinite(value):
        return f"{value:.6f}"
    return "1" if distance <= 0 else f"1 − {distance:.0e}"


def error(value: float) -> str:
    """A difference of similarities: four decimals, or an exponent where that would be zero."""
    return f"{value:.4f}" if value >= 5e-5 or value == 0 else f"{value:.0e}"


def percent(value: float) -> str:
    """A share as a percentage with one decimal."""
    return f"{100 * value:.1f} %"


def prompt(text: str) -> str:
    """A prompt as people see it."""
    return repr(text) if text else "(none)"


def spread(own: Mapping[str, Any]) -> list[str]:
    """Texts, mean, p1 and min of a set of cosines."""
    return [str(own["count"]), *(cosine(own[key]) for key in ("mean", "p1", "min"))]
