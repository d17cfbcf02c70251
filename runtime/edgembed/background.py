"""One call on a thread of its own.

What concurrent.futures would do, whose import costs a tenth of a cold start.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Generic, TypeVar

_Result = TypeVar("_Result")


class Background(Generic[_Result]):
    """Starts the call at once."""

    def __init__(self, call: Callable[[], _Result]) -> None:
        """The call's result or error waits for whoever asks for it."""
        self._call = call
        self._results: list[_Result] = []
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, name="edgembed", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._results.append(self._call())
        except BaseException as error:  # raised where it is asked for
            self._error = error

    def __enter__(self) -> Background[_Result]:
        """The call goes on beside what the block does."""
        return self

    def __exit__(self, *_: object) -> None:
        """The call has ended when the block has."""
        self._thread.join()

    def result(self) -> _Result:
        """Wait for the call; gives what it returned, or raises what it raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._results[0]
