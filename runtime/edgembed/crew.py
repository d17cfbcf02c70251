"""Workers of one call: threads that end with it.

concurrent.futures would do, but for Ctrl-C: an interrupt that arrives while the executor holds a
lock written in Python leaves it locked, its threads wait for it, and its end waits for them. A
SimpleQueue is C and cannot be left so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, NamedTuple, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Job(NamedTuple):
    function: Callable[[Any], Any]
    item: Any
    place: int


class _Done(NamedTuple):
    place: int
    result: Any
    error: BaseException | None


class Crew:
    """`count` threads. To be closed, which waits for the items that are under way."""

    def __init__(self, count: int) -> None:
        """RuntimeError where no more threads can be started: by a limit, or as all is ending."""
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._done: SimpleQueue[_Done] = SimpleQueue()
        # Daemons, because the interpreter's end waits for runs and for nothing else (see forks).
        self._threads = [
            Thread(target=self._work, name=f"edgembed_{number}", daemon=True)
            for number in range(count)
        ]
        for started, thread in enumerate(self._threads):
            try:
                thread.start()
            except RuntimeError:  # who has begun would wait for ever, and keep its place
                self._dismiss(started)
                raise

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """function(item) for each, in order; the first error that arrives ends it."""
        for place, item in enumerate(items):
            self._jobs.put(_Job(function, item, place))
        early: dict[int, Result] = {}
        for place in range(len(items)):
            while place not in early:
                done = self._done.get()
                if done.error is not None:
                    raise done.error
                early[done.place] = done.result
            yield early.pop(place)

    def close(self) -> None:
        """Forget what has not begun, and end the threads."""
        try:
            while True:
                self._jobs.get_nowait()
        except Empty:
            self._dismiss(len(self._threads))
        for thread in self._threads:
            thread.join()

    def _dismiss(self, count: int) -> None:
        for _ in range(count):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                done = _Done(job.place, job.function(job.item), None)
            except BaseException as error:
                done = _Done(job.place, None, error)
            self._done.put(done)
