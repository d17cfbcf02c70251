"""Pages for people: pieces of HTML, plots as SVG inside them, and how numbers are written.

A page is one file that fetches and runs nothing. Plots need matplotlib, which is imported when the
first one is drawn.
"""

from __future__ import annotations

from importlib.resources import files


def style() -> str:
    """The CSS of every page, light and dark."""
    return (files("edgembed.page") / "style.css").read_text("utf-8")
