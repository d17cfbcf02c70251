"""Cold start and memory: fresh processes from their start to their first vector."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from edgembed.bench.shape import ColdStart, MemoryUse
from edgembed.bench.stats import summary
from edgembed.errors import ModelLoadError

# The clock is read before anything is imported; the path is this process' own.
_CODE = """
import time
started = time.monotonic()
import sys
sys.path[:] = sys.argv[1].split("\\n")
from edgembed.bench.child import main
main(started)
"""
_FEWEST, _MOST = 3, 15  # rounds
_SECONDS = ("interpreter", "imports", "load", "first_call", "total", "cpu")


@dataclass(frozen=True)
class Start:
    """What decides how a process starts, but the dtype."""

    bundle: Path
    threads: int
    text: str

    def run(self, dtype: str, texts: Sequence[str] = ()) -> dict[str, Any]:
        """One process: what it says of its start, and of its memory after `texts`."""
        path, bundle = "\n".join(sys.path), os.fspath(self.bundle.absolute())
        arguments = [path, bundle, dtype, str(self.threads), str(time.monotonic()), self.text]
        done = subprocess.run(
            [sys.executable, "-c", _CODE, *arguments],
            input=json.dumps(texts),
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        if done.returncode:
            raise ModelLoadError(
                f"{dtype} does not load in a process of its own (exit {done.returncode}: "
                f"{done.stderr.strip()[-300:]}): does it fit into memory?"
            )
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer


def memory(start: Start, dtype: str, texts: Sequence[str]) -> MemoryUse:
    """Resident bytes after the first vector, and at their highest after `texts` as well."""
    answer = start.run(dtype, texts)
    first, last = answer["first"] or {}, answer["last"] or {}
    return {"dtype": dtype, "rss": first.get("rss"), "peak": last.get("peak")}


def cold_start(start: Start, dtypes: Sequence[str], seconds: float) -> list[ColdStart]:
    """Rounds of one process a dtype, for about `seconds`; the files are in the page cache."""
    answers: dict[str, list[dict[str, Any]]] = {dtype: [] for dtype in dtypes}
    deadline = time.monotonic() + seconds
    for number in range(_MOST):
        if number >= _FEWEST and time.monotonic() > deadline:
            break
        for dtype in dtypes:
            answers[dtype].append(start.run(dtype))
    return [_summary(dtype, start.threads, found) for dtype, found in answers.items()]


def _summary(dtype: str, threads: int, answers: list[dict[str, Any]]) -> ColdStart:
    return {
        "dtype": dtype,
        "threads": threads,
        "seconds": {part: summary([a["seconds"][part] for a in answers]) for part in _SECONDS},
        "inside": {
            part: round(median(a["inside"][part] for a in answers), 5)
            for part in answers[0]["inside"]
        },
    }
