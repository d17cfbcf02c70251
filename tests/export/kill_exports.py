"""Exports killed at random moments, in a process of its own: see test_killed.py.

    python kill_exports.py CHECKPOINT TEXTS TARGET KILLS fresh|overwrite

Each export is a fork of this process, which has all imports done but has not computed anything yet
(torch's thread pool does not survive a fork).
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

from edgembed.bundle import Bundle
from edgembed_export.parity import Tolerance
from edgembed_export.pipeline import Request, export


def main(checkpoint: str, texts: Path, target: Path, kills: int, overwrite: bool) -> None:
    loose = Tolerance(int8_min=0.9, int8_mean=0.9)
    request = Request(
        checkpoint, target, calibration=texts, evaluation=texts, tolerance=loose, overwrite=True
    )
    start = time.monotonic()
    finish(begin(request))
    seconds = time.monotonic() - start
    moments = random.Random(overwrite)
    for _ in range(kills):
        if not overwrite:
            shutil.rmtree(target, ignore_errors=True)
        pid = begin(request)
        time.sleep(moments.uniform(0, seconds))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        if overwrite or target.exists():
            Bundle.open(target).verify()
            print("whole", flush=True)
        else:
            print("none", flush=True)
    finish(begin(request))
    left = sorted(path.name for path in target.parent.iterdir())
    assert left == [target.name], left  # what killed exports left was swept by the last one


def begin(request: Request) -> int:
    """Start an export in a fork; returns its pid."""
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
        try:
            export(request)
        except BaseException:
            os._exit(1)
        os._exit(0)
    return pid


def finish(pid: int) -> None:
    """Wait for an export that must end well."""
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code == 0, code


if __name__ == "__main__":
    _, own, few, out, count, mode = sys.argv
    main(own, Path(few), Path(out), int(count), mode == "overwrite")
