"""The plot of a results page: every difference to torch, with its interval."""

from __future__ import annotations

import io

from differences import Row

_COLOURS = {
    "torch bfloat16": "#2f7d4f",
    "float32": "#0a66b0",
    "int8": "#c24f00",
    "CTranslate2 int8": "#5d6671",
    "optimum avx2 int8": "#a9b0b8",
}


def differences(rows: list[Row]) -> str:
    """SVG: a line a task under a prompt (first metrics), a mark a system."""
    from matplotlib.figure import Figure
    from matplotlib.style import context

    shown = [row for row in rows if row.counts]
    with context(["default", {"svg.fonttype": "none", "svg.hashsalt": "quality"}]):
        figure = Figure(figsize=(8, 1 + 0.42 * len(shown)), layout="constrained")
        axes = figure.subplots()
        for offset, (system, colour) in enumerate(_COLOURS.items()):
            _marks(axes, shown, system, colour, (offset - 2) * 0.16)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.axvspan(-0.2, 0.2, color="#c24f00", alpha=0.08, linewidth=0)
        axes.set_yticks(range(len(shown)), [f"{row.task}, {row.prompt}" for row in shown])
        axes.invert_yaxis()
        axes.set_xlabel("difference to torch, points of 100, with 95 % interval (band: INT8's bar)")
        figure.legend(loc="outside upper center", ncols=5, frameon=False)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def _marks(axes: object, rows: list[Row], system: str, colour: str, offset: float) -> None:
    found = [(place, row.cells[system]) for place, row in enumerate(rows) if system in row.cells]
    if not found:
        return
    middles = [cell.difference for _, cell in found]
    low = [cell.difference - cell.low for _, cell in found]  # type: ignore[operator]
    high = [cell.high - cell.difference for _, cell in found]  # type: ignore[operator]
    places = [place + offset for place, _ in found]
    # A resample's interval need not hold the value itself where the value is next to nothing.
    errors = [[max(0.0, v) for v in low], [max(0.0, v) for v in high]]
    axes.errorbar(middles, places, xerr=errors, fmt="o", color=colour, markersize=4,  # type: ignore[attr-defined]
                  elinewidth=1.2, label=system)  # fmt: skip
