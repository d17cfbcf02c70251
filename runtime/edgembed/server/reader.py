"""A client that does not take its answer."""

from __future__ import annotations

import asyncio

from edgembed.server.system import unsent

_SLOWEST = 1024  # bytes a second that a client has to take


class SlowReader:
    """Ends a connection whose answers are taken too slowly."""

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, patience: float
    ) -> None:
        """patience: seconds between two looks."""
        self._transport, self._loop, self._patience = transport, loop, patience
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """Begin anew, because an answer has been handed over; nothing to do where all is sent."""
        self.stop()
        left = unsent(self._transport)
        if left:
            self._timer = self._loop.call_later(self._patience, self._look, left)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, before: int) -> None:
        left = unsent(self._transport)
        if left and before - left < _SLOWEST * self._patience:
            self._transport.abort()
        else:
            self.watch()
