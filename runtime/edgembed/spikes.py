"""How many tokens a model runs at once: when memory can be given back, and who else is at work."""

from __future__ import annotations

from threading import Lock, get_ident

# More tokens than this at once are a spike, whose memory is given back once it is over.
_SPIKE_TOKENS = 512


class Spikes:
    """Adds up the tokens being run at once, to tell when many were and none are any more."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._lock = Lock()
        # By thread, so that what an interrupted call leaves is put right by the thread's next.
        self._running: dict[int, int] = {}
        self._most = 0

    def renew(self) -> None:
        """In a forked child: no run is under way."""
        self._lock = Lock()
        self._running.clear()
        self._most = 0

    def begin(self, tokens: int) -> None:
        """This thread's run of that many tokens begins."""
        with self._lock:
            self._running[get_ident()] = tokens
            self._most = max(self._most, sum(self._running.values()))

    def end(self) -> bool:
        """The run is done; whether a spike is over, so that its memory can be given back."""
        with self._lock:
            self._running.pop(get_ident(), None)
            return not self._running and self._most > _SPIKE_TOKENS

    def given_back(self) -> None:
        """Forget the spike, unless a run that began meanwhile has kept its memory in use."""
        with self._lock:
            if not self._running:
                self._most = 0

    def others(self) -> bool:
        """Whether a run of another thread is under way."""
        with self._lock:
            return bool(self._running.keys() - {get_ident()})
