"""The sessions of one model: by their number of threads, and one for many INT8 texts at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgembed.batches import RUN_TOKENS
from edgembed.forks import GATE, keep_for_ever, renew_in_children
from edgembed.pooling import Float32
from edgembed.session import Session
from edgembed.spikes import Spikes

if TYPE_CHECKING:
    from edgembed.batched import Batched

# A sentence's: what decides which session is made first.
_USUAL_TOKENS = 32
# Texts of a call that could run with another, from which on a session for that is worth its memory
# and the time that making it takes, which is that of some five of them.
_WORTH_BATCHING = 64


class Sessions:
    """Sessions of one model by their number of threads, each made when it is first asked for.

    They share the weights' memory, but onnxruntime packs the matrices of each anew.

    An INT8 product takes its scale from a whole run, so texts run together in a session of a graph
    in which each has its own (see batched); it is made when a call has enough of them.
    """

    def __init__(
        self,
        graph: bytes,
        weights: Mapping[str, npt.NDArray[Any]],
        folder: Path,
        worth: int = 1,
        release: Callable[[], None] = lambda: None,
        scaled_by_run: bool = False,
    ) -> None:
        """As Session; nothing is loaded yet.

        worth: tokens from which on a run is worth several threads. release: called after each
        session is made, when most weights have been packed and will not be read again.
        scaled_by_run: texts of one run would have one scale together.
        """
        self._graph, self._scaled_by_run = graph, scaled_by_run
        self._batched: Batched | None = None
        self._spikes = Spikes()
        self._make = partial(Session, weights=weights, folder=folder, spikes=self._spikes)
        self._worth = worth
        self.release = release
        self._sessions: dict[int, Session] = {}
        self._lock = Lock()
        renew_in_children(self)

    def load(self, threads: int) -> None:
        """Make the session that most runs on at most `threads` threads will want."""
        self.get(threads if self._worth <= _USUAL_TOKENS else 1)

    def run(self, ids: npt.NDArray[np.int64], threads: int, of_many: bool = False) -> Float32:
        """As Session.run, on at most `threads` threads: as many as are worth it.

        That is one while other runs are under way, and for few tokens: the numbers are the same.
        of_many: of a call for which batches() is true. A long text of it runs as if with others: it
        loses nothing, and where one text runs, no layout is kept for its length.
        """
        if self._scaled_by_run and (len(ids) > 1 or (of_many and ids.size > RUN_TOKENS)):
            return self._batches().run(ids)
        if threads > 1 and (self._spikes.others() or self._is_short(ids.size)):
            threads = 1
        return self.get(threads).run(ids)

    def _is_short(self, tokens: int) -> bool:
        # Two sessions have the weights packed twice, which a short text is not worth.
        return tokens < self._worth and 1 in self._sessions

    def get(self, threads: int) -> Session:
        """The session that runs on `threads` threads."""
        if threads not in self._sessions:
            with self._lock:
                if threads not in self._sessions:
                    with GATE.run():
                        self._sessions[threads] = self._make(
                            self._graph, threads=threads, few_shapes=self._scaled_by_run
                        )
                    self.release()
        return self._sessions[threads]

    def batches(self, texts: int) -> bool:
        """Whether texts of equal length are to run together, where a call has so many of them."""
        if not self._scaled_by_run:
            return True
        return texts >= _WORTH_BATCHING if self._batched is None else self._batched.is_possible

    def _batches(self) -> Batched:
        if self._batched is None:
            from edgembed.batched import Batched  # a cold start has one text

            with self._lock:
                self._batched = self._batched or Batched(self._graph, self._new_one, self._each)
        return self._batched

    def _new_one(self, graph: bytes) -> Session:
        with GATE.run():
            session = self._make(graph, threads=1)
        self.release()
        return session

    def _each(self, ids: npt.NDArray[np.int64]) -> Float32:
        return np.concatenate([self.run(row[None], 1) for row in ids])

    def renew(self) -> None:
        """In a forked child: a session with threads of its own has lost them, and is made anew."""
        self._lock = Lock()
        if self._batched is not None:
            self._batched.renew()
        self._spikes.renew()
        for threads, session in list(self._sessions.items()):
            if threads > 1:
                keep_for_ever(session)  # its end would wait for its threads
                del self._sessions[threads]
