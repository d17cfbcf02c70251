"""Load bundles that must be refused, each in a process of its own, and measure what it takes.

    python refusals.py < BUNDLES

One bundle a line on standard input; one JSON object a line on standard output: the error's class
and message, what onnxruntime and tokenizers were given by then, seconds of CPU and of wall clock,
and by how many MB the process grew. The processes are forked from one that has imported all that
a load imports, so that they measure the load alone.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import traceback
from typing import Any

import tokenizers

from edgembed import EdgembedError, Embedder, session, wordpiece
from edgembed import tokenize as own_tokenize

_MB = 1024  # ru_maxrss counts in KB


def _watch(seen: set[str]) -> None:
    """Note what is handed on; the calls go on as they would."""
    make, read, parse = (
        session.ort.InferenceSession,
        tokenizers.Tokenizer.from_buffer,
        tokenizers.Tokenizer.from_str,
    )

    def noting(name: str, call: Any) -> Any:
        def noted(*arguments: Any, **keywords: Any) -> Any:
            seen.add(name)
            return call(*arguments, **keywords)

        return noted

    class Watched:
        from_buffer = noting("tokenizers", read)
        from_str = noting("tokenizers", parse)

    session.ort.InferenceSession = noting("onnxruntime", make)
    own_tokenize.RustTokenizer = Watched  # type: ignore[misc, assignment]
    wordpiece.Tokenizer = Watched  # type: ignore[misc, assignment]


def _load(bundle: str) -> dict[str, Any]:
    seen: set[str] = set()
    _watch(seen)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        Embedder(bundle, threads=1, canaries="refuse").encode("The cat sits at the window.")
        error, message = "", ""
    except EdgembedError as raised:
        error, message = type(raised).__name__, str(raised)
    except BaseException:
        error, message = "not EdgembedError", traceback.format_exc()
    taken = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / _MB
    return {"error": error, "message": message, "seen": sorted(seen), "mb": grown, **taken}


def _apart(bundle: str) -> str:
    """_load in a process of its own; what is said of one that dies."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.close(reading)
        with os.fdopen(writing, "w") as out:
            out.write(json.dumps(_load(bundle)))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as result:
        said = result.read()
    _, status = os.waitpid(child, 0)
    died = {
        "error": "died",
        "message": f"status {status}",
        "seen": [],
        "mb": 0,
        "cpu": 0,
        "wall": 0,
    }
    return said or json.dumps(died)


if __name__ == "__main__":
    for line in sys.stdin:
        print(_apart(line.rstrip("\n")), flush=True)
