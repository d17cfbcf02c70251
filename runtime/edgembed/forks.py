"""Being forked, by multiprocessing or a server that preloads the model and forks its workers; and
the interpreter's end.

A fork copies memory and one thread. A lock that another thread held, onnxruntime's or its arena's,
stays locked in the child for ever; so a fork waits until no run is under way and lets none begin
meanwhile. And the threads of a session are not there: the child must neither run on them nor join
them at its end.

When the interpreter ends it stops daemon threads by unwinding their stacks, which C++ and Rust
answer by aborting the process. So the end waits for the runs that are under way as well.
"""

from __future__ import annotations

import atexit
import os
from threading import Condition
from typing import Protocol
from weakref import WeakSet


class _Renewed(Protocol):
    def renew(self) -> None:
        """Be usable in a child that has just been forked."""


_renewed: WeakSet[_Renewed] = WeakSet()


def renew_in_children(one: _Renewed) -> None:
    """Have `renew` called in each child that is forked while the object lives."""
    _renewed.add(one)


class Gate:
    """Held open by the runs that are under way; a fork goes through when there are none.

    A run is a call into C++ or Rust during which other threads of Python go on.
    """

    def __init__(self) -> None:
        """Nothing is under way."""
        self._changed = Condition()
        self._running, self._is_closed = 0, False

    def __enter__(self) -> None:
        """A run begins, once no fork is under way."""
        with self._changed:
            while self._is_closed:
                self._changed.wait()
            self._running += 1

    def __exit__(self, *_: object) -> None:
        """It has ended."""
        with self._changed:
            self._running -= 1
            if self._is_closed:
                self._changed.notify_all()

    def close(self) -> None:
        """Let no run begin any more, and wait for those that are under way."""
        with self._changed:
            self._is_closed = True
            while self._running:
                self._changed.wait()

    def before(self) -> None:
        """Wait for runs to end, and hold the lock over the fork."""
        self._changed.acquire()
        self._is_closed = True
        while self._running:
            self._changed.wait()

    def in_parent(self) -> None:
        """Go on."""
        self._is_closed = False
        self._changed.notify_all()
        self._changed.release()

    def in_child(self) -> None:
        """Begin anew, and renew what needs it."""
        self._changed = Condition()
        self._is_closed = False
        for one in list(_renewed):
            one.renew()


GATE = Gate()
atexit.register(GATE.close)
if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(
        before=GATE.before, after_in_parent=GATE.in_parent, after_in_child=GATE.in_child
    )


def keep_for_ever(one: object) -> None:
    """Never destroy an object, not at the interpreter's end either."""
    import ctypes  # in a child only

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(one))
