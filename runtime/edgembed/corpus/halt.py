"""Stopping: the workers of this process leave what they are at, and are waited for.

A thread that is still at work when Python ends would take the process down with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from threading import Condition

_numbers = count()
_halts: dict[int, Halt] = {}  # kept when they are over: a late worker must find its own


class Halted(Exception):  # noqa: N818  (no error: it was asked for)
    """Raised where work is left."""


class Halt:
    """One run's way to stop its workers, and to know that they have stopped."""

    def __init__(self) -> None:
        """Nothing is stopped, nobody works."""
        self.number = next(_numbers)
        self._halted, self._working, self._changed = False, 0, Condition()
        _halts[self.number] = self

    def check(self) -> None:
        """Raise Halted if the run is to stop."""
        if self._halted:
            raise Halted

    @contextmanager
    def working(self) -> Iterator[None]:
        """For as long as a worker is at a part."""
        with self._changed:
            self.check()
            self._working += 1
        try:
            yield
        finally:
            with self._changed:
                self._working -= 1
                self._changed.notify_all()

    def stop(self) -> None:
        """Stop, and wait until nobody works any more."""
        with self._changed:
            self._halted = True
            self._changed.wait_for(lambda: not self._working)


@contextmanager
def working(number: int) -> Iterator[Callable[[], None]]:
    """For as long as a worker is at a part of this run: gives what raises Halted when it is over.

    In another process than the run's (on a cluster) nothing is stopped.
    """
    halt = _halts.get(number)
    if halt is None:
        yield never
        return
    with halt.working():
        yield halt.check


def never() -> None:
    """The check of a run that cannot be stopped."""
