"""The plots, as SVG: speed against cosine first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt
from matplotlib import ticker
from report import MODEL_NAMES

Data = dict[str, Any]
_TOKENS = ("8", "32", "128", "512")
_COLOURS = {"int8": "#d1495b", "float32": "#30638e"}
_CYCLE, _MARKS = 10, "o^sD"  # matplotlib's colours, and a mark for each time they begin anew
_PARTS = {"python": "#c9c9c9", "import": "#8fb8de", "load": "#30638e", "first": "#d1495b"}


def write(data: Data, out: Path) -> None:
    # The same figures give the same bytes: ids from a fixed salt, no date (see _save).
    mpl.rcParams.update({"svg.hashsalt": "edgembed", "font.size": 9, "svg.fonttype": "none"})
    for key, model in data.get("models", {}).items():
        if "throughput" in model and "accuracy" in model:
            _speed_against_cosine(model, out / f"speed-accuracy-{key}.svg", key)
        if len(model.get("throughput", {})) > 1:
            _threads(model["throughput"], out / f"threads-{key}.svg", key)
        if "1" in model.get("latency", {}):
            _latency(model["latency"]["1"], out / f"latency-{key}.svg", key)
        if "cold" in model:
            _cold(model["cold"], out / f"cold-{key}.svg", key)


def _dtype(name: str) -> str:
    from catalogue import PEERS

    return next(p.dtype for p in PEERS if p.name == name.removesuffix(" (pool)"))


def _speed_against_cosine(model: Data, path: Path, key: str) -> None:
    figure, axes = plt.subplots(figsize=(8, 5.5))
    rates, cosines = model["throughput"]["1"], model["accuracy"]
    points = [
        # Below a ten-millionth float32 rounding is all that is left to see.
        (1e3 / rates[name]["cpu_ms_per_text"], max(1 - cosines[name]["mean"], 1e-7), name)
        for name in rates
        if name in cosines
    ]
    lines, before = 0, (0.0, 1.0)
    for speed, distance, name in sorted(points, key=lambda point: (point[1], -point[0])):
        ours = name.startswith("edgembed")
        axes.scatter(
            speed, distance, s=90 if ours else 40, color=_COLOURS[_dtype(name)],
            marker="*" if ours else "o", zorder=3,
        )  # fmt: skip
        crowded = distance / before[1] < 2 and abs(speed - before[0]) < 30
        lines = lines + 1 if crowded else 0
        axes.annotate(
            name, (speed, distance), xytext=(6, -5 - 11 * lines), textcoords="offset points",
            fontsize=8, weight="bold" if ours else "normal",
            arrowprops={"arrowstyle": "-", "lw": 0.4, "color": "grey"} if lines else None,
        )  # fmt: skip
        before = (speed, distance)
    axes.set(
        yscale="log", xlabel="texts a second of CPU time, 1 thread, mixed texts (more is better)",
        ylabel="1 - mean cosine to torch (top is better)",
        title=f"Speed against accuracy, {MODEL_NAMES[key]}",
    )  # fmt: skip
    axes.invert_yaxis()
    axes.set_xlim(0, 1.25 * max(speed for speed, *_ in points))  # room for the last one's name
    axes.grid(alpha=0.3)
    _save(figure, path)


def _latency(found: Data, path: Path, key: str) -> None:
    figure, axes = plt.subplots(figsize=(8, 5))
    for number, (name, peer) in enumerate(found.items()):
        axes.plot(
            [int(tokens) for tokens in _TOKENS],
            [peer[tokens]["cpu_ms"]["median"] / int(tokens) for tokens in _TOKENS],
            linestyle="-" if _dtype(name) == "int8" else "--", **_line(number, name),
        )  # fmt: skip
    axes.set(
        xscale="log", yscale="log", xlabel="tokens", ylabel="median CPU ms a token, 1 thread",
        title=f"Latency of one text, {key}", xticks=[int(tokens) for tokens in _TOKENS],
        xticklabels=_TOKENS,
    )  # fmt: skip
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.yaxis.set(major_locator=ticker.LogLocator(subs=(1, 2, 5)), major_formatter="{x:g}")
    axes.yaxis.set_minor_formatter(ticker.NullFormatter())
    _legend_beside(axes)
    axes.grid(alpha=0.3)
    _save(figure, path)


def _threads(throughput: Data, path: Path, key: str) -> None:
    figure, axes = plt.subplots(figsize=(8, 5))
    names = dict.fromkeys(name for rates in throughput.values() for name in rates)
    bases = list(dict.fromkeys(name.removesuffix(" (pool)") for name in names))
    for name in names:
        base = name.removesuffix(" (pool)")
        points = {int(t): rates.get(name, rates.get(base)) for t, rates in throughput.items()}
        points = {threads: rate for threads, rate in points.items() if rate}
        axes.plot(
            list(points), [rate["texts_per_second"] for rate in points.values()],
            linestyle=":" if name != base else "-", **_line(bases.index(base), name),
        )  # fmt: skip
    axes.set(
        xlabel="threads (dotted: callers of one thread each, on one model)",
        ylabel="texts a second", title=f"Throughput by threads, {key}",
        xticks=[int(threads) for threads in throughput],
    )  # fmt: skip
    _legend_beside(axes)
    axes.grid(alpha=0.3)
    _save(figure, path)


def _line(number: int, name: str) -> dict[str, Any]:
    """How a peer's line looks: there are more peers than colours, so marks tell them apart."""
    round_, colour = divmod(number, _CYCLE)
    return {
        "label": name, "color": f"C{colour}", "marker": _MARKS[round_ % len(_MARKS)],
        "markersize": 4, "linewidth": 2.5 if name.startswith("edgembed") else 1,
    }  # fmt: skip


def _legend_beside(axes: Any) -> None:
    """Beside the plot: there are more lines than room among them."""
    axes.legend(fontsize=6, loc="upper left", bbox_to_anchor=(1.01, 1))


def _cold(cold: Data, path: Path, key: str) -> None:
    ranked = sorted(cold, key=lambda name: -cold[name]["seconds"]["total"]["median"])
    figure, axes = plt.subplots(figsize=(8, 5))
    starts = [0.0] * len(ranked)
    for part, colour in _PARTS.items():
        widths = [cold[name]["seconds"][part]["median"] for name in ranked]
        axes.barh(ranked, widths, left=starts, color=colour, label=part)
        starts = [start + width for start, width in zip(starts, widths, strict=True)]
    axes.set(
        xlabel="seconds, process start to first vector",
        title=f"Cold start, {key}",
    )
    axes.legend()
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
