"""Saying on stderr what an export is doing, step by step, with the time each step took."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator


class Steps:
    """A numbered list of steps, printed as they begin and end.

    On a terminal a running step's details are shown on its own line and replaced as they change.
    """

    def __init__(self, count: int) -> None:
        """`count` steps are to come."""
        self._count = count
        self._index = 0
        self._name = ""
        self._live = sys.stderr.isatty()

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One step: its name before the work, its seconds after it."""
        self._index += 1
        self._name = f"[{self._index}/{self._count}] {name}"
        if self._live:
            self._print(self._name)
        start = time.perf_counter()
        yield
        self._print(f"{self._name}  {time.perf_counter() - start:.1f} s", end="\n")

    def detail(self, text: str) -> None:
        """What the running step is at; for terminals only."""
        if self._live:
            self._print(f"{self._name}: {text}")

    def note(self, text: str) -> None:
        """What the running step met, to be kept on a line of its own."""
        self._print(f"{self._name}: {text}", end="\n")

    def _print(self, line: str, end: str = "") -> None:
        clear = "\r\x1b[K" if self._live else ""
        print(f"{clear}{line}", end=end, file=sys.stderr, flush=True)
