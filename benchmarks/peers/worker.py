"""One peer in its own process: line-JSON requests on stdin, line-JSON answers on stdout.

Started by client.py with the interpreter of the peer's own venv, so it imports nothing but the
standard library and the peer. The first answer tells how the time to the first vector was spent:

    worker.py ADAPTER FOLDER THREADS POOL OPTIONS_JSON SPAWNED_AT FIRST_TEXT

POOL 1 gives the peer all THREADS for one call; POOL n > 1 gives each of n Python threads one call
of its own on the same model, which is loaded with one thread.
"""

import time

_STARTED = time.monotonic()  # before any other import: this is where Python's own start ends

import base64  # noqa: E402
import importlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from typing import Any  # noqa: E402


class Pooled:
    """Several callers at once on one model, each with a share of the texts."""

    def __init__(self, adapter: Any, callers: int) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self._adapter, self._callers = adapter, callers
        self._pool = ThreadPoolExecutor(callers)

    def encode(self, texts: list[str], batch_size: int) -> Any:
        shares = [texts[start :: self._callers] for start in range(self._callers)]
        jobs = [self._pool.submit(self._adapter.encode, s, batch_size) for s in shares if s]
        vectors: list[Any] = [None] * len(texts)
        for start, job in enumerate(jobs):
            vectors[start :: self._callers] = list(job.result())
        return vectors


def load(arguments: list[str]) -> tuple[Any, dict[str, Any]]:
    """The peer, loaded and used once, and what each step took, in seconds."""
    name, folder, threads, callers, options, spawned, text = arguments
    module = importlib.import_module(f"adapters.{name}")
    imported = time.monotonic()
    adapter = module.Adapter(folder, int(threads) if callers == "1" else 1, json.loads(options))
    if callers != "1":
        adapter = Pooled(adapter, int(callers))
    loaded = time.monotonic()
    adapter.encode([text], 1)
    done = time.monotonic()
    parts = {
        "python": _STARTED - float(spawned),
        "import": imported - _STARTED,
        "load": loaded - imported,
        "first": done - loaded,
        "total": done - float(spawned),
        "cpu": time.process_time(),
    }
    return adapter, {"cold": parts}


def encode(adapter: Any, request: dict[str, Any]) -> dict[str, Any]:
    import numpy as np

    vectors = np.asarray(adapter.encode(request["texts"], request["batch"]), np.float32)
    return {"shape": vectors.shape, "vectors": base64.b64encode(vectors.tobytes()).decode()}


def measure(adapter: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Wall and CPU seconds of each call; each call takes the next group of texts."""
    groups, batch = request["groups"], request["batch"]
    for index in range(request["warmup"]):
        adapter.encode(groups[index % len(groups)], batch)
    wall, cpu = [], []
    for index in range(request["repeats"]):
        group = groups[index % len(groups)]
        cpu_start, start = time.process_time(), time.perf_counter()
        adapter.encode(group, batch)
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - cpu_start)
    return {"wall": wall, "cpu": cpu}


def main() -> None:
    # Libraries print to stdout as they please: the protocol keeps the real one for itself.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    adapter, ready = load(sys.argv[1:])
    print(json.dumps(ready), file=answers)
    operations = {"encode": encode, "time": measure}
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(operations[request["op"]](adapter, request)), file=answers)


if __name__ == "__main__":
    main()
