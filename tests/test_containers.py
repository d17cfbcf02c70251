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

from edgembed.threads import cpu_quota

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


def inside(folder: Path | None, script: str, *arguments: object, mask: str = "") -> str:
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
def calls(rest):
    took = []
    for _ in range(int(sys.argv[2])):
        start = time.perf_counter()
        model.encode(texts[0])
        took.append(time.perf_counter() - start)
        time.sleep(rest)
    took.sort()
    return [1000 * took[len(took) // 2], 1000 * took[int(0.99 * len(took))]]
busy = calls(0)
# Half of the share that there is, so that the kernel has no reason to stop it.
share = min(float(sys.argv[3]), 1) / 2
rested = calls(busy[0] / 1000 * (1 / share - 1))
import threading
most, stop, seen = [0], threading.Event(), set()
def watch():
    while not stop.is_set():
        found = set(masks()) - before
        alive = {str(thread.native_id) for thread in threading.enumerate()}
        seen.update(alive)
        # A worker that has ended may stay with the kernel for a while after it was joined.
        most[0] = max(most[0], len(found - (seen - alive)))
        stop.wait(0.001)
watcher = threading.Thread(target=watch)
watcher.start()
for _ in range(20):
    model.encode(texts)
stop.set(); watcher.join()
print(json.dumps({"threads": model._engine.threads, "started": most[0] - 1,
    "cpus": sorted({cpu for mask in masks().values() for cpu in mask}),
    "busy": busy, "rested": rested}))
"""


SPINNING = """
from edgembed.session import _options
print([_options(n).get_session_config_entry("session.intra_op.allow_spinning") for n in (1, 2)])
"""


def test_threads_spin_during_a_run_but_not_under_a_quota() -> None:
    free = cpu_quota() is None  # whoever runs the tests may have a quota, too
    assert inside(None, SPINNING) == f"['0', '{free:d}']\n"
    with group("cpu", **cpu_limits(2)) as folder:
        assert inside(folder, SPINNING) == "['0', '0']\n"


@pytest.mark.parametrize("quota", [0.5, 1.0, 2.0])
def test_threads_stay_within_a_real_quota(
    bundles: Path, quota: float, amount: Callable[[int, int], int], figure: Callable[[str], None]
) -> None:
    with group("cpu", **cpu_limits(quota)) as folder:
        said = json.loads(inside(folder, THREADS, bundles / "minilm", amount(20, 1000), quota))
        counts = dict(line.split() for line in (folder / "cpu.stat").read_text().splitlines())
    most = min(math.ceil(quota), len(os.sched_getaffinity(0)))
    assert said["threads"] == most
    # Beside the caller there are as many workers, or onnxruntime's own for one text, never both
    # sets busy; each set is no larger than the quota.
    assert said["started"] <= 2 * most, said
    figure(f"quota {quota}: {said['threads']} thread(s); {times(said)}; stopped by the kernel in "
           f"{counts['nr_throttled']} of {counts['nr_periods']} periods")  # fmt: skip


def times(said: dict[str, list[float]]) -> str:
    """p50 and p99 of calls one after the other, and of calls with rests."""
    return ", ".join(
        f"{name} p50 {p50:.2f} ms, p99 {p99:.2f} ms, ratio {p99 / p50:.2f}"
        for name, (p50, p99) in ((name, said[name]) for name in ("busy", "rested"))
    )


@pytest.mark.parametrize("cpu", sorted(os.sched_getaffinity(0))[:2] if os.name == "posix" else [])
def test_no_thread_is_off_the_mask(
    bundles: Path, cpu: int, amount: Callable[[int, int], int], figure: Callable[[str], None]
) -> None:
    done = inside(None, THREADS, bundles / "minilm", amount(5, 1000), 1, mask=str(cpu))
    said = json.loads(done)
    assert said["threads"] == 1
    assert said["cpus"] == [cpu]
    figure(f"CPU {cpu} alone: {times(said)}")


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
