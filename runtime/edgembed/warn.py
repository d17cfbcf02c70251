"""Warnings that point at the caller's own line, however deep in edgembed they arise."""

from __future__ import annotations

import sys
import warnings
from contextvars import ContextVar
from typing import Any

from edgembed.errors import EdgembedWarning

_Said = list[tuple[str, type[EdgembedWarning]]]
_deferred: ContextVar[_Said | None] = ContextVar("edgembed.warn", default=None)


def warn(message: str, category: type[EdgembedWarning]) -> None:
    """Warn at the nearest frame outside this package.

    Python shows a warning once a line by default: were it always the same line of ours, a program
    would see the first one only.
    """
    if (said := _deferred.get()) is not None:
        said.append((message, category))
        return
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and _is_ours(frame.f_globals):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


class Deferred:
    """Keeps the warnings of threads that get this context, and gives them where the block ends.

    A thread has no caller whose line a warning could point at. (No @contextmanager: its frames
    would stand between the warning and the caller.)
    """

    def __enter__(self) -> None:
        """From here on warnings are kept."""
        self._said: _Said = []
        self._token = _deferred.set(self._said)

    def __exit__(self, *_: object) -> None:
        """Warn of what was kept, at the caller's line."""
        _deferred.reset(self._token)
        for message, category in self._said:
            warn(message, category)


def _is_ours(module: dict[str, Any]) -> bool:
    name = str(module.get("__package__"))
    return name == __package__ or name.startswith(f"{__package__}.")
