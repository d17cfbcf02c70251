"""Plots of how two ways to embed the same texts agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgembed.agreement import Float64, Similarities
from edgembed.page.svg import INK, colour, dots, draw

# Over the axes, where it hides no text's dot.
ABOVE: dict[str, Any] = {
    "loc": "lower right", "bbox_to_anchor": (1, 1), "ncols": 2, "borderaxespad": 0.1,
}  # fmt: skip
MARK = {"color": INK, "linewidth": 1, "dashes": (3, 2)}
_FEW = 200


def distribution(distances: Mapping[str, Float64], reference: str) -> str:
    """How many texts lie how far (1 - cosine, above 0) from the reference, by name."""
    low = min(float(own.min()) for own in distances.values())
    high = max(float(own.max()) for own in distances.values())
    bins = np.geomspace(low / 1.5, high * 1.5, 80)

    def plot(axes: Any) -> None:
        for name, own in distances.items():
            axes.hist(own, bins, histtype="stepfilled", color=colour(name), alpha=0.35)
            axes.hist(own, bins, histtype="step", color=colour(name), label=name)
        axes.set_xscale("log")
        axes.set_xlabel(f"1 - cosine to {reference} (left is closer)")
        axes.set_ylabel("texts")
        axes.legend(**ABOVE)

    return draw("distribution", f"How many texts lie how far from {reference}", plot)


def similarity(similarities: Similarities, reference: str, other: str) -> str:
    """Similarity of pairs by `other` against the same by the reference, the difference below.

    other: what all that is compared is called.
    """
    values = similarities.reference

    def plot(axes: Any) -> None:
        upper, lower = axes
        ends = [float(values.min()), float(values.max())] if len(values) else [0, 1]
        # float32 last: it lies on the diagonal, and would be hidden by what is around it.
        for name, own in similarities.others.items():
            dots(upper, values, own, name)
            dots(lower, values, own - values, name, size=2)
            upper.plot([], [], "o", color=colour(name), markersize=4, label=name)
        upper.plot(ends, ends, **MARK)
        lower.plot(ends, [0, 0], **MARK)
        upper.set_ylabel(f"by {other}")
        lower.set_ylabel("difference")
        lower.set_xlabel(f"similarity of two texts by {reference}")
        upper.legend(**ABOVE)

    title = f"Similarity by {reference} against similarity by {other}"
    return draw("similarity", title, plot, rows=2)


def rank_changes(a: Float64, b: Float64, names: tuple[str, str]) -> str:
    """The rank of each pair, 1 the most alike, by a and by b."""
    ends = [1.0, float(len(a))]

    def plot(axes: Any) -> None:
        # The line, which most of them lie on, would hide a few small ones.
        dots(axes, a, b, names[1], size=7 if len(a) <= _FEW else 2.6)
        axes.plot(ends, ends, **MARK)
        axes.set_xlabel(f"rank by {names[0]} (1 is the most alike)")
        axes.set_ylabel(f"rank by {names[1]}")

    return draw("ranks", f"Ranks of the pairs by {names[0]} and by {names[1]}", plot)
