"""The curves, as SVG: memory over a stream of texts, and the cost of a token among many."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

_ROOM = 1.2  # above the greatest value


def write(data: dict[str, Any], out: Path) -> None:
    # The same figures give the same bytes: ids from a fixed salt, no date.
    mpl.rcParams.update({"svg.hashsalt": "edgembed", "font.size": 9, "svg.fonttype": "none"})
    points, found = data["stream"]["resident"], data["spike"]
    figure, axes = plt.subplots(figsize=(8, 4))
    axes.plot([count for count, _ in points], [value / 1e6 for _, value in points])
    axes.axhline(points[0][1] * 1.02 / 1e6, color="grey", linewidth=0.8, linestyle="--")
    axes.annotate("2 % over the first 1,000", (0, points[0][1] * 1.03 / 1e6), fontsize=8)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set(xlabel="texts", ylabel="resident MB", ylim=(0, _ROOM * points[0][1] / 1e6),
             title="Memory over a stream of texts of all lengths")  # fmt: skip
    _save(figure, out / "stream.svg")
    figure, axes = plt.subplots(figsize=(5, 4))
    moments = {"before": "before", "height": "at its height", "after": "1 s later"}
    axes.bar(list(moments.values()), [found[moment] / 1e6 for moment in moments], width=0.5)
    axes.set(ylabel="resident MB", title=f"A spike: {found['texts']} longest texts at once")
    _save(figure, out / "spike.svg")
    calls = data["calls"]
    figure, axes = plt.subplots(figsize=(5, 4))
    axes.plot([c["texts"] for c in calls], [c["us_per_token"] for c in calls], marker="o")
    most = max(c["us_per_token"] for c in calls)
    axes.set(xscale="log", ylim=(0, _ROOM * most), xlabel="texts in one call",
             ylabel="CPU us a token", title="The cost of a token")  # fmt: skip
    _save(figure, out / "linear.svg")


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
