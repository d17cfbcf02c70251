"""The process whose cold start is measured; cold.py starts it.

    PATH BUNDLE DTYPE THREADS SPAWNED_AT FIRST_TEXT

It says what the first vector took, in seconds, and its memory after it and after the texts that
stand on stdin, as one line of JSON.
"""

from __future__ import annotations

import sys
from time import monotonic, process_time

from edgembed.bench.spans import Spans


def main(started: float) -> None:
    """started: time.monotonic() before any other import, where Python's own start ends."""
    bundle, dtype, threads, spawned, text = sys.argv[2:]
    spans = Spans()
    spans.install()
    from edgembed import Embedder

    imported = monotonic()
    model = Embedder(bundle, dtype=dtype, threads=int(threads))
    loaded = monotonic()
    model.encode([text], prompt="")
    done, cpu = monotonic(), process_time()
    seconds = {
        "interpreter": started - float(spawned),
        "imports": imported - started,
        "load": loaded - imported,
        "first_call": done - loaded,
        "total": done - float(spawned),
        "cpu": cpu,
    }
    _answer({"seconds": seconds, "inside": spans.seconds()}, model)


def _answer(answer: dict[str, object], model: object) -> None:
    # Imported now, so that nothing here is part of what was measured.
    import json

    from edgembed.bench.memory import resident
    from edgembed.embedder import Embedder

    assert isinstance(model, Embedder)
    first = resident()
    if texts := json.load(sys.stdin):
        model.encode(texts, prompt="")
    print(json.dumps({**answer, "first": first, "last": resident()}))
