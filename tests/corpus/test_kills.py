"""The command killed at random moments, again and again: the output is as if nothing had been."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpora import contents, embed, lines, output

ROWS, PART = 3000, 25


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_killed_at_random_moments(
    bundle: Path,
    tmp_path: Path,
    amount: Callable[[int, int], int],
    figure: Callable[[str], None],
) -> None:
    texts: list[str | None] = [*lines(ROWS)]
    texts[::100] = [None] * 30
    pq.write_table(pa.table({"id": range(ROWS), "text": texts}), tmp_path / "in.parquet")
    embed(bundle, tmp_path / "in.parquet", tmp_path / "whole", part_rows=PART, key="id")
    whole, out = contents(tmp_path / "whole"), tmp_path / "out"
    kills, wanted, finished, resumed = 0, amount(4, 100), 0, 0
    generator = random.Random(time.time_ns())
    while kills < wanted or not finished:
        before = len(list(out.glob("_edgembed/done/*")))
        last = None if kills >= wanted else _moment(generator)
        if _run(bundle, tmp_path, last) == -signal.SIGKILL:
            kills += 1
            resumed += len(list(out.glob("_edgembed/done/*"))) > before > 0
            continue
        finished += 1
        assert contents(out) == whole
        ids = output(out).column("id").to_pylist()
        assert ids == [i for i in range(ROWS) if i % 100]
        if kills < wanted:
            shutil.rmtree(out)
    figure(
        f"{kills} SIGKILLs at random moments, {resumed} of them in runs that had gone on from an "
        f"earlier one's parts and added some; {finished} outputs finished, each byte for byte that "
        "of a run that nobody stopped"
    )
    assert resumed or wanted < 10


def _moment(generator: random.Random) -> tuple[bool, float]:
    """Whether to count from the start or from the first new part, and how many seconds then."""
    return generator.random() < 0.3, generator.uniform(0, 2)


def _run(bundle: Path, work: Path, last: tuple[bool, float] | None) -> int:
    """The command's exit code; last: when it is killed."""
    out = work / "out"
    command = [sys.executable, "-W", "ignore", "-m", "edgembed", "corpus", bundle,
               work / "in.parquet", out, "--part-rows", PART, "--key", "id"]  # fmt: skip
    process = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    if last is not None:
        from_start, seconds = last
        there = len(list(out.glob("part-*")))
        while not from_start and process.poll() is None and len(list(out.glob("part-*"))) == there:
            time.sleep(0.01)
        time.sleep(seconds)
        process.kill()
    _, said = process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), said.decode()
    return process.returncode
