"""The parity page's plots."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgembed_export.parity import LENGTHS, Float64
from edgembed_export.report.measured import Measured, Similarities
from edgembed_export.report.svg import INK, SERIES, dots, draw

# Over the axes, where it hides no text's dot.
_ABOVE: dict[str, Any] = {
    "loc": "lower right", "bbox_to_anchor": (1, 1), "ncols": 2, "borderaxespad": 0.1,
}  # fmt: skip
_MARK = {"color": INK, "linewidth": 1, "dashes": (3, 2)}


def distribution(measured: Measured) -> str:
    """How many texts lie how far from torch, by dtype."""
    distances = {dtype: measured.distances(dtype) for dtype in measured.dtypes}
    low = min(float(own.min()) for own in distances.values())
    high = max(float(own.max()) for own in distances.values())
    bins = np.geomspace(low / 1.5, high * 1.5, 80)

    def plot(axes: Any) -> None:
        for dtype, own in distances.items():
            colour = SERIES[dtype]
            axes.hist(own, bins, histtype="stepfilled", color=colour, alpha=0.35)
            axes.hist(own, bins, histtype="step", color=colour, label=dtype)
        axes.set_xscale("log")
        axes.set_xlabel("1 - cosine to torch (left is closer)")
        axes.set_ylabel("texts")
        axes.legend(**_ABOVE)

    return draw("distribution", "How many texts lie how far from torch, by dtype", plot)


def by_length(measured: Measured, dtype: str) -> str:
    """Every text's distance from torch by its length, with each length class's mean and p99."""
    tokens, distances = measured.tokens(), measured.distances(dtype)
    middles, means, worst = _classes(tokens, distances)

    def plot(axes: Any) -> None:
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        dots(axes, tokens, distances, dtype)
        axes.plot(middles, means, color=INK, marker="o", markersize=3.5, label="mean")
        axes.plot(middles, worst, **_MARK, marker="v", markersize=3.5, label="worst 1 %")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        # Said, not found: a single text has no range that a logarithmic axis could take.
        axes.set_xlim(tokens.min() / 1.3, tokens.max() * 1.3)
        axes.set_ylim(distances.min() / 1.5, distances.max() * 1.5)
        axes.set_xlabel("tokens")
        axes.set_ylabel(f"{dtype}: 1 - cosine (lower is closer)")
        axes.legend(**_ABOVE)

    return draw(f"length-{dtype}", f"{dtype}: distance from torch by length in tokens", plot)


def _classes(
    tokens: npt.NDArray[np.int64], distances: Float64
) -> tuple[list[float], list[float], list[float]]:
    """Of each length class: its texts' geometric middle in tokens, mean and worst-1-% distance."""
    middles, means, worst, low = [], [], [], 0
    for high in LENGTHS:
        chosen = (tokens > low) & (tokens <= high)
        if chosen.any():
            middles.append(float(np.exp(np.log(tokens[chosen]).mean())))
            means.append(float(distances[chosen].mean()))
            worst.append(float(np.percentile(distances[chosen], 99)))
        low = high
    return middles, means, worst


def similarity(similarities: Similarities) -> str:
    """Similarity of pairs by the bundle against the same by torch, and the difference below."""
    torch = similarities.torch

    def plot(axes: Any) -> None:
        upper, lower = axes
        ends = [float(torch.min()), float(torch.max())] if len(torch) else [0, 1]
        # float32 last: it lies on the diagonal, and would be hidden by what is around it.
        for dtype, own in similarities.by_dtype.items():
            dots(upper, torch, own, dtype)
            dots(lower, torch, own - torch, dtype, size=2)
            upper.plot([], [], "o", color=SERIES[dtype], markersize=4, label=dtype)
        upper.plot(ends, ends, **_MARK)
        lower.plot(ends, [0, 0], **_MARK)
        upper.set_ylabel("by the bundle")
        lower.set_ylabel("difference")
        lower.set_xlabel("similarity of two texts by torch")
        upper.legend(**_ABOVE)

    return draw("similarity", "Similarity by torch against similarity by the bundle", plot, rows=2)
