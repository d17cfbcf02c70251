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
from contextlib import suppress
from threading import RLock, local
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
    """Runs hold it, each thread a lock of its own; a fork goes through when it has them all.

    A run is a call into C++ or Rust during which other threads of Python go on:
    `with GATE.run(): ...`. Nothing but locks written in C, because a signal's handler may raise
    between any two lines of Python: a count would stay one too high, or a lock written in Python
    locked, and every fork and the interpreter's end would wait for ever.
    """

    def __init__(self) -> None:
        """Nothing is under way."""
        self._begin_anew()

    def run(self) -> RLock:
        """What this thread holds during a run."""
        if self._is_closed:
            with self._closing:  # a fork that waits comes before the runs that have not begun
                pass
        try:
            own: RLock = self._own.lock
        except AttributeError:
            own = RLock()
            with self._closing:
                self._locks.add(own)
            self._own.lock = own
        return own

    def close(self) -> None:
        """Let no other thread's run begin any more, and wait for those that are under way."""
        self._closing.acquire()
        self._is_closed = True
        own = getattr(self._own, "lock", None)
        self._held: list[RLock] = [lock for lock in list(self._locks) if lock is not own]
        for lock in self._held:
            lock.acquire()

    def open(self) -> None:
        """Go on."""
        self._is_closed = False
        for lock in (*self._held, self._closing):
            with suppress(RuntimeError):  # closing was interrupted before this one
                lock.release()

    def in_child(self) -> None:
        """Begin anew, and renew what needs it."""
        self._begin_anew()
        for one in list(_renewed):
            one.renew()

    def _begin_anew(self) -> None:
        self._closing, self._is_closed = RLock(), False
        self._own = local()
        self._locks: WeakSet[RLock] = WeakSet()  # a thread's goes with it
        self._held = []


GATE = Gate()
atexit.register(GATE.close)
if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(before=GATE.close, after_in_parent=GATE.open, after_in_child=GATE.in_child)


def keep_for_ever(one: object) -> None:
    """Never destroy an object, not at the interpreter's end either."""
    import ctypes  # in a child only

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(one))
