"""Warnings that point at the caller's own line, however deep in edgembed they arise."""

from __future__ import annotations

import sys
import warnings

from edgembed.errors import EdgembedWarning


def warn(message: str, category: type[EdgembedWarning]) -> None:
    """Warn at the nearest frame outside this package.

    Python shows a warning once a line by default: were it always the same line of ours, a program
    would see the first one only.
    """
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__package__") == __package__:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
