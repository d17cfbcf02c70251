"""Memory stays where it was, however many texts are embedded, and a spike's is given back.

Each in a process of its own, whose resident bytes the system itself counts. The long form, with
curves, is benchmarks/memory.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support import python

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self")

SETUP = """
import random, sys, warnings
from concurrent.futures import ThreadPoolExecutor
from edgembed import Embedder
warnings.simplefilter("ignore")
def resident():
    with open("/proc/self/smaps_rollup") as rollup:
        return 1024 * next(int(line.split()[1]) for line in rollup if line.startswith("Rss:"))
model = Embedder(sys.argv[1], dtype=sys.argv[2], threads=1)
"""
STREAM = (
    SETUP
    + """
generator = random.Random(0)
def texts(count):
    lengths = (min(1 + int(generator.lognormvariate(2, 1)), 250) for _ in range(count))
    return ["кот cat " * (length // 3) + "x" for length in lengths]
model.encode([*texts(1000), "кот " * 500])
before = resident()
for _ in range(4):
    model.encode(texts(500))
print(resident() / before)
"""
)
SPIKE = (
    SETUP
    + """
long = "кот " * 500
model.encode(long)
before = resident()
with ThreadPoolExecutor(16) as callers:
    list(callers.map(model.encode, [long] * 32))
print((resident() - before) / 2**20)
"""
)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_a_stream_of_texts_takes_no_more_memory(bundles: Path, dtype: str) -> None:
    done = python("-c", STREAM, bundles / "tiny-frida", dtype)
    assert float(done.stdout) < 1.02, done.stderr.decode()


def test_a_spike_is_given_back(bundles: Path) -> None:
    # All-MiniLM-L6-v2 takes 5 MiB for a text of 256 tokens; 16 at once take 80.
    done = python("-c", SPIKE, bundles / "minilm", "int8")
    assert float(done.stdout) < 16, done.stderr.decode()
