"""More than it can bear: some are refused at once, nobody is forgotten, and all are right."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from loading import begin, by_status, crowd, finish, load, percentile

from edgembed import Embedder
from serving import Server

_REFUSED_WITHIN = 50.0  # milliseconds


@pytest.fixture(scope="module")
def open_load(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What asks at a steady rate (Linux)."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("open_load.c needs Linux and a C compiler")
    made = tmp_path_factory.mktemp("load") / "open_load"
    source = Path(__file__).with_name("open_load.c")
    subprocess.run([compiler, "-O2", "-Wall", "-Werror", "-o", made, source], check=True)
    return made


def test_four_times_what_it_can_bear(
    start: Callable[..., Any],
    bundles: Path,
    embedder: Callable[..., Embedder],
    amount: Callable[[int, int], int],
    figure: Callable[[str], None],
    open_load: Path,
    tmp_path: Path,
) -> None:
    model, seconds = embedder("minilm", "int8"), amount(4, 60)
    with start(bundles / "minilm", MAX_CONCURRENT_REQUESTS="64") as server:
        before = load(server, model, "closed", connections=8, seconds=amount(2, 10))
        rate = 4 * len(before) / amount(2, 10)
        records = crowd(open_load, server, model, rate, seconds, tmp_path / "answers")
        after = load(server, model, "closed", connections=8, seconds=amount(2, 10))
        server.stop()
        logged = "".join(server.lines)
    for own in (before, after):
        assert by_status(own) == {200: len(own)}
    found = by_status(records)
    assert len(records) == int(rate * seconds)
    assert set(found) == {200, 429}
    answered = [record for record in records if record["status"] == 200]
    assert all(record["right"] for record in [*before, *answered, *after])
    assert all(record["echoed"] for record in records)
    assert all(int(r["retry_after"]) >= 1 for r in records if r["status"] == 429)
    for status, count in found.items():
        assert len(re.findall(f"status={status} .*request_id=load-", logged)) >= count
    late = percentile(records, 429, 99)
    figure(
        f"{rate:.0f} requests/s for {seconds} s, {rate / 4:.0f} alone: {found[200]} answered "
        f"(p99 {percentile(records, 200, 99):.0f} ms), {found[429]} refused (median "
        f"{percentile(records, 429, 50):.1f} ms, p99 {late:.1f} ms), 0 lost; requests/s after "
        f"it / before it {len(after) / len(before):.2f}"
    )
    if amount(0, 1):  # a test's clock is for soak only: a busy machine is no defect
        assert late <= _REFUSED_WITHIN
        assert len(after) > 0.8 * len(before)


@pytest.mark.skipif(sys.platform != "linux", reason="priorities of threads are Linux's")
def test_the_workers_step_back(server: Server) -> None:
    threads = [int(path.name) for path in Path(f"/proc/{server.process.pid}/task").iterdir()]
    kinds = Counter(
        (os.sched_getscheduler(thread), os.getpriority(os.PRIO_PROCESS, thread))
        for thread in threads
    )
    own = os.getpriority(os.PRIO_PROCESS, 0)
    workers = json.loads(server.get("/info").body)["tokenization_workers"]
    assert kinds.pop((os.SCHED_BATCH, min(own + 5, 19))) == workers
    assert set(kinds) == {(os.SCHED_OTHER, own)}


def test_sigterm_under_load(
    start: Callable[..., Any],
    frida: Path,
    embedder: Callable[..., Embedder],
    amount: Callable[[int, int], int],
    figure: Callable[[str], None],
) -> None:
    model, dice = embedder("tiny-frida", "int8"), random.Random(5)
    answered, refused, unheard, longest = 0, 0, 0, 0.0
    cycles = amount(2, 100)
    for cycle in range(cycles):
        with start(frida) as server:
            client = begin(server, model, "closed", connections=32, seconds=60, name=f"c{cycle}")
            server.logged(f"request_id=c{cycle}-{dice.randrange(20, 400)}")
            began = time.monotonic()
            assert server.stop() == 0
            longest = max(longest, time.monotonic() - began)
            records = finish(client)
            check_accepted(records, server)
        found = by_status(records)
        answered, refused = answered + found[200], refused + found[503]
        unheard += found[None]
    assert longest <= 10
    figure(
        f"{cycles} times, 32 connections: {answered} answered, {refused} refused with 503, "
        f"{unheard} connections closed before their request was read, 0 cut or lost; longest exit "
        f"{longest:.2f} s"
    )


def check_accepted(records: list[dict[str, Any]], server: Server) -> None:
    """Whatever the server has seen was answered whole, and rightly."""
    assert set(by_status(records)) <= {200, 503, None}
    assert all(record["right"] for record in records if record["status"] == 200)
    assert all(record["retry_after"] == "1" for record in records if record["status"] == 503)
    seen = set(re.findall(r"request_id=(c\d+-\d+)", "".join(server.lines)))
    heard = {record["id"] for record in records if record["status"] is not None}
    assert seen == heard
