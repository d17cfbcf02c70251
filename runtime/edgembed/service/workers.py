"""Workers over one engine, shared fairly.

A request is a batch of texts. Workers take one text from each waiting batch in turn, not batch
after batch: a single text that arrives behind two thousand others is next but one, not the last.
Each text is run alone, so no batch can touch another's vectors.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from threading import Condition, Event, Thread
from time import perf_counter
from typing import Any, Generic, TypeVar

_LONGEST_REST = 0.1  # seconds
_Result = TypeVar("_Result")


class CancelledError(Exception):
    """The batch was given up before it was done."""


class Batch(Generic[_Result]):
    """Texts that belong together, and how far they are."""

    def __init__(self, run: Callable[[str], _Result], texts: Sequence[str], cost: float) -> None:
        """`run` is called once a text, in any order, on any worker; each call costs `cost`."""
        self.cost = cost
        self.future: Future[list[_Result]] = Future()
        self.future.set_running_or_notify_cancel()  # only the workers decide how it ends
        self.queue_seconds = [0.0] * len(texts)
        self.run_seconds = [0.0] * len(texts)
        self._run, self._texts = run, texts
        self._results: list[Any] = [None] * len(texts)
        self._claimed = self._finished = 0
        self._submitted = perf_counter()

    @property
    def waiting(self) -> int:
        """Texts that no worker has taken yet."""
        return len(self._texts) - self._claimed

    def claim(self) -> int:
        """The index of the next text; called under the workers' lock."""
        index = self._claimed
        self._claimed += 1
        self.queue_seconds[index] = perf_counter() - self._submitted
        return index

    def run(self, index: int) -> None:
        """Run one text."""
        began = perf_counter()
        self._results[index] = self._run(self._texts[index])
        self.run_seconds[index] = perf_counter() - began

    def finish(self) -> bool:
        """Count one text; whether it was the last. Called under the workers' lock."""
        self._finished += 1
        return self._finished == len(self._texts)

    def succeed(self) -> None:
        """Hand over the results."""
        self.future.set_result(self._results)


class Workers:
    """Threads that run batches, a text at a time."""

    def __init__(self, count: int) -> None:
        """Start `count` threads."""
        self.count = count
        self._turns: deque[Batch[Any]] = deque()
        # Whoever takes a batch out of here, under the lock, is the one to settle its future.
        self._unsettled: set[Batch[Any]] = set()
        self._condition = Condition()
        self._closed = Event()
        self._rest_until = 0.0  # of one worker
        names = [f"edgembed-{index}" for index in range(count)]
        work = dict.fromkeys(names, self._work)
        if count > 1:
            work[names[-1]] = partial(self._work, rests=True)
        self._threads = [Thread(target=own, name=name, daemon=True) for name, own in work.items()]
        for thread in self._threads:
            thread.start()

    def submit(
        self, run: Callable[[str], _Result], texts: Sequence[str], cost: float = 1.0
    ) -> Batch[_Result]:
        """Put a batch of at least one text in line; cost: of one text, in a unit of the caller."""
        batch = Batch(run, texts, cost)
        with self._condition:
            if self._closed.is_set():
                raise CancelledError("the workers have stopped")
            self._unsettled.add(batch)
            self._turns.append(batch)
            self._condition.notify(min(self.count, len(texts)))
        return batch

    def make_room(self, seconds: float) -> None:
        """Leave a CPU to others for so long: of several workers, one rests.

        Calls add up, but not to more than a moment.
        """
        now = perf_counter()
        self._rest_until = min(max(self._rest_until, now) + seconds, now + _LONGEST_REST)

    def waiting(self) -> int:
        """Texts that no worker has taken yet, of all batches."""
        with self._condition:
            return sum(batch.waiting for batch in self._turns)

    def ahead_of(self, texts: int) -> float:
        """What will be run before a new batch of `texts` texts is done: others' costs, summed.

        While that batch takes its turns, each other one takes as many, if it has them.
        """
        with self._condition:
            return sum(min(batch.waiting, texts) * batch.cost for batch in self._turns)

    def cancel(self, batch: Batch[Any], error: BaseException) -> None:
        """Give up a batch: its future raises `error`, texts that have not begun are not run."""
        with self._condition:
            if batch not in self._unsettled:
                return
            self._unsettled.discard(batch)
            if batch in self._turns:
                self._turns.remove(batch)
        batch.future.set_exception(error)

    def cancel_all(self, error: BaseException) -> None:
        """Give up every batch."""
        with self._condition:
            batches = list(self._unsettled)
        for batch in batches:
            self.cancel(batch, error)

    def thread_ids(self) -> list[int]:
        """What the operating system calls the threads."""
        return [thread.native_id for thread in self._threads if thread.native_id is not None]

    def are_alive(self) -> bool:
        """Whether every worker is there."""
        return not self._closed.is_set() and all(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        """Give up what waits and end the threads; a text that has begun is run to its end."""
        with self._condition:
            self._closed.set()
            self._condition.notify_all()
        self.cancel_all(CancelledError("the workers have stopped"))
        for thread in self._threads:
            thread.join()

    def _work(self, rests: bool = False) -> None:
        while (claimed := self._claim()) is not None:
            self._run(*claimed)
            del claimed  # an idle worker keeps no request's texts in memory
            if rests and (left := self._rest_until - perf_counter()) > 0:
                self._closed.wait(left)

    def _claim(self) -> tuple[Batch[Any], int] | None:
        with self._condition:
            while not self._turns:
                if self._closed.is_set():
                    return None
                self._condition.wait()
            batch = self._turns.popleft()
            index = batch.claim()
            if batch.waiting:
                self._turns.append(batch)
            return batch, index

    def _run(self, batch: Batch[Any], index: int) -> None:
        try:
            batch.run(index)
        except BaseException as error:  # whatever it is, it belongs to the one who waits
            self.cancel(batch, error)
            return
        with self._condition:
            done = batch.finish() and batch in self._unsettled
            if done:
                self._unsettled.discard(batch)
        if done:
            batch.succeed()
