"""A share of a machine: affinity masks, and real CPU quotas and memory limits of cgroups.

Groups are made under the first hierarchy that this process may write to (v1 or v2); elsewhere these
tests are skipped, and tests/test_threads.py reads quotas from folders that look alike.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="cgroups and masks are Linux's")
ROOT = Path("/sys/fs/cgroup")
PERIOD = 100_000


@contextlib.contextmanager
def group(controller: str, **limits: str) -> Iterator[Path]:
    """A cgroup of that controller with limits by file name ("__" for a dot), to put a process in.

    Skips where none can be made.
    """
    v1 = ROOT / controller
    folder = (v1 if v1.is_dir() else ROOT) / f"edgembed-{uuid.uuid4().hex}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup can be made here ({error})")
    try:
        try:
            for name, value in limits.items():
                (folder / name.replace("__", ".")).write_text(value)
        except OSError as error:
            pytest.skip(f"this group knows no such limit ({error})")
        yield folder
    finally:
        folder.rmdir()


def is_v1(controller: str) -> bool:
    return (ROOT / controller).is_dir()


def cpu_limits(quota: float) -> dict[str, str]:
    if is_v1("cpu"):
        return {"cpu__cfs_period_us": str(PERIOD), "cpu__cfs_quota_us": str(int(quota * PERIOD))}
    return {"cpu__max": f"{int(quota * PERIOD)} {PERIOD}"}


def inside(folder: Path | None, script: str, *arguments: str | Path, mask: str = "") -> str:
    """What a script prints that runs as a member of a group from its first instruction on."""
    join = f"echo $$ > {folder}/cgroup.procs && " if folder else ""
    pin = f"taskset -c {mask} " if mask else ""
    command = ["sh", "-c", f'{join}exec {pin}"$@"', "sh", sys.executable, "-c", script]
    kept = {k: v for k, v in os.environ.items() if k != "CI"}
    done = subprocess.run(
        [*command, *map(str, arguments)], env=kept, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


THREADS = """
import json, os, sys, time
from edgembed import Embedder
def masks():
    found = {}
    for task in os.listdir("/proc/self/task"):
        try:
            found[task] = sorted(os.sched_getaffinity(int(task)))
        except ProcessLookupError:
            pass
    return found
before = set(masks())
model = Embedder(sys.argv[1])
texts = ["кот " * n for n in (1, 5, 20, 40)] * 8
took = []
for _ in range(int(sys.argv[2])):
    start = time.perf_counter()
    model.encode(texts[0])
    took.append(time.perf_counter() - start)
import threading
most, stop = [{}], threading.Event()
def watch():
    while not stop.is_set():
        now = {t: m for t, m in masks().items() if t not in before}
        if len(now) > len(most[0]):
            most[0] = now
        stop.wait(0.001)
watcher = threading.Thread(target=watch)
watcher.start()
for _ in range(20):
    model.encode(texts)
stop.set(); watcher.join()
took.sort()
print(json.dumps({"threads": model._engine.threads, "started": len(most[0]) - 1,
    "cpus": sorted({cpu for mask in masks().values() for cpu in mask}),
    "p50": 1000 * took[len(took) // 2], "p99": 1000 * took[int(0.99 * len(took))]}))
"""


@pytest.mark.parametrize("quota", [0.5, 1.0, 2.0])
def test_threads_stay_within_a_real_quota(
    bundles: Path, quota: float, amount: Callable[[int, int], int], figure: Callable[[str], None]
) -> None:
    with group("cpu", **cpu_limits(quota)) as folder:
        said = json.loads(inside(folder, THREADS, bundles / "minilm", amount(20, 1000)))
    most = min(math.ceil(quota), len(os.sched_getaffinity(0)))
    assert said["threads"] == most
    # Beside the caller there are as many workers, or onnxruntime's own for one text, never both
    # sets busy; each set is no larger than the quota.
    assert said["started"] <= 2 * most, said
    figure(f"quota {quota}: {said['threads']} thread(s), p50 {said['p50']:.2f} ms, "
           f"p99 {said['p99']:.2f} ms, ratio {said['p99'] / said['p50']:.2f}")  # fmt: skip


@pytest.mark.parametrize("cpu", sorted(os.sched_getaffinity(0))[:2] if os.name == "posix" else [])
def test_no_thread_is_off_the_mask(
    bundles: Path, cpu: int, amount: Callable[[int, int], int], figure: Callable[[str], None]
) -> None:
    script = THREADS
    said = json.loads(inside(None, script, bundles / "minilm", amount(5, 1000), mask=str(cpu)))
    assert said["threads"] == 1
    assert said["cpus"] == [cpu]
    figure(f"CPU {cpu} alone: p50 {said['p50']:.2f} ms, p99 {said['p99']:.2f} ms, "
           f"ratio {said['p99'] / said['p50']:.2f}")  # fmt: skip


LIMITED = """
import sys, warnings
from edgembed import Embedder
warnings.simplefilter("ignore")
model = Embedder(sys.argv[1])
texts = ["кот cat " * n for n in (1, 10, 100, 1000)] * 8
print(model.encode(texts).shape)
"""


@pytest.mark.parametrize("dtype", ["int8"])
def test_a_limit_of_256_mb(bundles: Path, dtype: str) -> None:
    name = "memory__limit_in_bytes" if is_v1("memory") else "memory__max"
    with group("memory", **{name: str(256 * 2**20)}) as folder:
        assert inside(folder, LIMITED, bundles / "minilm").split() == ["(32,", "384)"]
