"""Forked, spawned, preloaded, terminated, shared by many threads: right answers and a quick end.

Each in a process of its own. What hangs is found by a bound that is many times what it takes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are POSIX's")
HANGS = 120  # seconds

SETUP = """
import json, os, signal, sys, threading, time
import numpy as np
from edgembed import Embedder
TEXTS = ["кот cat " * n for n in (1, 2, 3, 4)]
bundle, threads = sys.argv[1], int(sys.argv[2])
def answers(model):
    return [model.encode(TEXTS), model.encode(TEXTS * 20), *(model.encode(t) for t in TEXTS)]
def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
def ended(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


def run(script: str, *arguments: str | Path | int) -> Any:
    """What a script prints last, as JSON; nothing may be said on stderr."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore:.*fork.*:DeprecationWarning", "-c",
         SETUP + script, *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=HANGS,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout.splitlines()[-1])


BEFORE = """
pids = []
for _ in range(3):
    if not (pid := os.fork()):
        model = Embedder(bundle, threads=threads)
        model.encode(TEXTS)
        sys.exit(0)
    pids.append(pid)
codes = [ended(pid) for pid in pids]
expected = answers(Embedder(bundle, threads=1))
print(json.dumps([codes, same(expected, answers(Embedder(bundle, threads=threads)))]))
"""
AFTER = """
model = Embedder(bundle, threads=threads)
expected = answers(model)
pids = []
for _ in range(3):
    if not (pid := os.fork()):
        right = same(expected, answers(model))
        if (grandchild := os.fork()) == 0:
            sys.exit(0 if same(expected, answers(model)) else 9)
        sys.exit(0 if right and ended(grandchild) == 0 else 9)
    pids.append(pid)
codes = [ended(pid) for pid in pids]
print(json.dumps([codes, same(expected, answers(model))]))
"""


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("script", [BEFORE, AFTER], ids=["before", "after"])
def test_forked_before_and_after_loading(bundles: Path, script: str, threads: int) -> None:
    assert run(script, bundles / "minilm", threads) == [[0, 0, 0], True]


POOL = """
import multiprocessing
def start(bundle):
    global model
    model = Embedder(bundle, threads=1)
def work(text):
    return model.encode(text).tobytes()
if __name__ == "__main__":
    bundle, threads, how = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    parent = Embedder(bundle, threads=threads)
    context = multiprocessing.get_context(how)
    with context.Pool(2, start, (bundle,)) as pool:
        got = pool.map(work, TEXTS)
    print(json.dumps(got == [parent.encode(text).tobytes() for text in TEXTS]))
"""


@pytest.mark.parametrize("how", ["spawn", "forkserver", "fork"])
def test_multiprocessing(bundles: Path, tmp_path: Path, how: str) -> None:
    script = tmp_path / "pool.py"  # a spawned process imports the main module anew
    own = SETUP.replace("bundle, threads = sys.argv[1], int(sys.argv[2])\n", "")
    script.write_text(own + POOL, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script), str(bundles / "tiny-frida"), "2", how],
        capture_output=True, text=True, check=False, timeout=HANGS,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1:] == ["true"], done.stderr


# A server that preloads: the parent has the model, its workers are forked, do some work and are
# told to end; the parent's own threads go on meanwhile.
CYCLES = """
model = Embedder(bundle, threads=threads)
expected = answers(model)
going = True
def busy():
    while going:
        assert same(expected, answers(model))
others = [threading.Thread(target=busy) for _ in range(int(sys.argv[4]))]
for other in others:
    other.start()
took, codes = [], []
for _ in range(int(sys.argv[3])):
    here, there = os.pipe()
    if not (pid := os.fork()):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
        os.write(there, b"1" if same(expected, answers(model)) else b"0")
        while True:
            model.encode(TEXTS)
    assert os.read(here, 1) == b"1"
    start = time.monotonic()
    os.kill(pid, signal.SIGTERM)
    codes.append(ended(pid))
    took.append(time.monotonic() - start)
    os.close(here), os.close(there)
going = False
for other in others:
    other.join()
took.sort()
print(json.dumps([sorted(set(codes)), took[len(took) // 2], took[-1]]))
"""


@pytest.mark.parametrize("others", [0, 2])
@pytest.mark.parametrize("threads", [1, 2])
def test_forked_and_told_to_end(
    bundles: Path,
    threads: int,
    others: int,
    amount: Callable[[int, int], int],
    figure: Callable[[str], None],
) -> None:
    count = amount(3, 50)
    codes, median, most = run(CYCLES, bundles / "tiny-frida", threads, count, others)
    assert codes == [7]
    figure(f"{count} cycles, {threads} thread(s), {others} busy thread(s) in the parent: end "
           f"after {median:.3f} s (median), {most:.3f} s (most)")  # fmt: skip


SHARED = """
from concurrent.futures import ThreadPoolExecutor
model = Embedder(bundle, threads=threads)
texts = [("кот cat " * (n % 4)) + str(n) for n in range(200)]
expected = [model.encode(text).tobytes() for text in texts]
def calls(start):
    return sum(model.encode(texts[i % 200]).tobytes() != expected[i % 200]
               for i in range(start, start + int(sys.argv[3])))
with ThreadPoolExecutor(16) as callers:
    wrong = sum(callers.map(calls, range(16)))
print(json.dumps(wrong))
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_sixteen_threads_get_what_one_gets(
    bundles: Path, threads: int, amount: Callable[[int, int], int], figure: Callable[[str], None]
) -> None:
    count = amount(50, 5_000)  # with one thread and with two: 10,000 together
    global HANGS  # noqa: PLW0603
    HANGS = amount(120, 3600)
    assert run(SHARED, bundles / "tiny-frida", threads, count) == 0
    figure(f"16 threads x {count} calls, {threads} thread(s) each: all bits equal")


ENDING = """
model = Embedder(bundle, threads=threads)
expected = answers(model)
def busy():
    while True:
        model.encode(TEXTS if threads > 1 else TEXTS[-1])
for _ in range(4):
    threading.Thread(target=busy, daemon=True).start()
time.sleep(float(sys.argv[3]))
print(json.dumps(True), flush=True)
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_the_interpreter_ends_during_a_run(
    bundles: Path, threads: int, amount: Callable[[int, int], int], figure: Callable[[str], None]
) -> None:
    count = amount(2, 25)
    for number in range(count):
        assert run(ENDING, bundles / "tiny-frida", threads, 0.01 * number)
    figure(f"{count} ends with 4 daemon threads in the middle of runs: exit code 0, nothing said")
