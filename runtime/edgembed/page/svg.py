"""matplotlib figures as SVG that sits inside a page: same input same bytes, colours from its CSS.

A page cannot recolour an image for dark mode, but it can set CSS variables that inline SVG uses.
Figures are drawn in placeholder colours, which become variables here.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from edgembed.agreement import Float64
from edgembed.errors import MissingExtraError

# Placeholder colours that no default uses, and the CSS variables that they become.
INK, FAINT, _INT8, _FLOAT32 = "#010203", "#010204", "#010205", "#010206"
_VARIABLES = {INK: "ink", FAINT: "faint", _INT8: "int8", _FLOAT32: "float32"}
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text, in the page's own font
    "path.simplify": False,  # it would merge neighbouring dots
    "font.size": 9.5,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.4,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "axes.unicode_minus": True,
}


def require_matplotlib() -> None:
    """MissingExtraError without it: to be known before what is to be drawn is computed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("plots need matplotlib: pip install 'edgembed[compare]'") from error


def draw(name: str, title: str, plot: Callable[[Any], None], rows: int = 1) -> str:
    """Run plot(axes) on fresh axes (an array of them for rows > 1); the figure as inline SVG.

    name: a word that is unique in the page. title: what a screen reader says.
    """
    require_matplotlib()
    from matplotlib.figure import Figure
    from matplotlib.style import context

    # "default" first, because the user's own matplotlibrc must not change the page.
    with context(["default", {**_STYLE, "svg.hashsalt": name}]):
        figure = Figure(figsize=(5, 3.4), layout="constrained")
        ratios = {"height_ratios": (2, 1)} if rows == 2 else {}
        plot(figure.subplots(rows, 1, sharex=True, gridspec_kw=ratios))
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return _inline(buffer.getvalue(), title)


def colour(name: str) -> str:
    """float32 has its own; INT8, and whatever else is compared, the one that stands out."""
    return _FLOAT32 if name == "float32" else _INT8


def dots(axes: Any, x: npt.ArrayLike, y: Float64, name: str, size: float = 2.6) -> None:
    """A scatter as one path: round caps on lines without length, a tenth of the usual bytes."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    points = np.repeat(np.column_stack([np.asarray(x, np.float64), y]), 2, axis=0)
    if not len(points):
        return
    codes = np.tile([Path.MOVETO, Path.LINETO], len(points) // 2)
    patch = PathPatch(Path(points, codes), fill=False, color=colour(name), lw=size,
                      alpha=0.55, capstyle="round")  # fmt: skip
    axes.add_artist(patch)  # add_patch would look at every point to find the limits
    axes.update_datalim(points)
    axes.autoscale_view()


def _inline(svg: str, title: str) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)  # not referred to, and the same in every figure
    view = re.search(r'viewBox="([^"]*)"', svg)
    opening = f'<svg viewBox="{view[1] if view else ""}" role="img" aria-label="{escape(title)}">'
    svg = re.sub(r"<svg.*?>", opening, svg, count=1, flags=re.DOTALL)
    svg = re.sub(r'\b(?:d|x|y|transform)="[^"]*"', _rounded, svg)
    # A font given by matplotlib would win over the page's.
    svg = re.sub(r"font: ([\d.]+)px[^;\"]*", r"font-size: \1px", svg)
    for placeholder, variable in _VARIABLES.items():
        svg = svg.replace(placeholder, f"var(--{variable})")
    return re.sub(r"\n\s*", "\n", svg).strip()


def _rounded(attribute: re.Match[str]) -> str:
    """Coordinates to a hundredth of a point: what nobody sees is half of the page's bytes."""
    return re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", attribute[0])
