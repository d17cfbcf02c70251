"""The parity page's own plot; those that other pages have too are in edgembed.page.plots."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgembed.agreement import Float64
from edgembed.page.plots import ABOVE, MARK
from edgembed.page.svg import INK, dots, draw
from edgembed_export.parity import LENGTHS
from edgembed_export.report.measured import Measured


def by_length(measured: Measured, dtype: str) -> str:
    """Every text's distance from torch by its length, with each length class's mean and p99."""
    tokens, distances = measured.tokens(), measured.distances(dtype)
    middles, means, worst = _classes(tokens, distances)

    def plot(axes: Any) -> None:
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        dots(axes, tokens, distances, dtype)
        axes.plot(middles, means, color=INK, marker="o", markersize=3.5, label="mean")
        axes.plot(middles, worst, **MARK, marker="v", markersize=3.5, label="worst 1 %")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        # Said, not found: a single text has no range that a logarithmic axis could take.
        axes.set_xlim(tokens.min() / 1.3, tokens.max() * 1.3)
        axes.set_ylim(distances.min() / 1.5, distances.max() * 1.5)
        axes.set_xlabel("tokens")
        axes.set_ylabel(f"{dtype}: 1 - cosine (lower is closer)")
        axes.legend(**ABOVE)

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
