"""How many threads: the affinity mask, and quotas in folders laid out as Linux lays them out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgembed.threads import affinity, available_threads, cpu_quota
from support import python

linux = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux only")


def v2(folder: Path, content: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cpu.max").write_text(content)
    return folder


def v1(folder: Path, quota: str, period: str = "100000\n") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cpu.cfs_quota_us").write_text(quota)
    (folder / "cpu.cfs_period_us").write_text(period)
    return folder


@pytest.mark.parametrize(
    ("content", "cpus"),
    [
        ("max 100000\n", None),
        ("50000 100000\n", 0.5),
        ("200000 100000\n", 2.0),
        ("25000 50000\n", 0.5),
        ("150000\n", 1.5),
        ("0 100000\n", None),
        ("-1 100000\n", None),
        ("100000 0\n", None),
        ("", None),
        ("junk and more\n", None),
    ],
)
def test_quota_of_cgroup_v2(tmp_path: Path, content: str, cpus: float | None) -> None:
    assert cpu_quota(v2(tmp_path, content)) == cpus


@pytest.mark.parametrize(
    ("quota", "cpus"), [("-1\n", None), ("50000\n", 0.5), ("300000\n", 3.0), ("junk", None)]
)
def test_quota_of_cgroup_v1(tmp_path: Path, quota: str, cpus: float | None) -> None:
    v1(tmp_path / "cpu", quota)
    assert cpu_quota(tmp_path) == cpus


def test_no_cgroups_at_all(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path) is None
    assert cpu_quota(tmp_path / "absent") is None
    assert available_threads(tmp_path) == affinity()


@linux
def test_the_tightest_of_a_group_and_its_parents_counts(tmp_path: Path) -> None:
    # This process' own group, wherever it is, as a folder under tmp_path.
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    for number, controllers, path in (line.split(":", 2) for line in lines):
        if controllers == "" or "cpu" in controllers.split(","):
            root = tmp_path / number / ("cpu" if controllers else "")
            write = v1 if controllers else lambda f, q: v2(f, q.strip() + " 100000\n")
            own = root / path.lstrip("/")
            write(own, "70000\n")
            assert cpu_quota(tmp_path / number) == 0.7
            if own != root:
                write(root, "30000\n")
                assert cpu_quota(tmp_path / number) == 0.3
            return
    pytest.skip("this system has no cgroup for CPUs")


@pytest.mark.parametrize(
    ("content", "threads"),
    [("10000 100000", 1), ("100000 100000", 1), ("110000 100000", 2), ("99900000 100000", 10**6)],
)
def test_threads_are_the_quota_rounded_up_within_the_mask(
    tmp_path: Path, content: str, threads: int
) -> None:
    assert available_threads(v2(tmp_path, content)) == min(threads, affinity())


@linux
def test_the_affinity_mask_bounds_a_real_process(tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from edgembed.threads import available_threads
print(available_threads(Path(sys.argv[1])))
"""
    done = python("-c", script, tmp_path)
    assert done.stdout.strip() == b"1", done.stderr
    assert available_threads(tmp_path) == len(os.sched_getaffinity(0))


@linux
def test_a_model_starts_no_more_threads_than_it_may(bundles: Path) -> None:
    script = """
import os, sys, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from edgembed.engine import Engine
before = len(os.listdir("/proc/self/task"))
model = Engine(sys.argv[1], None, None)
model.embed("The cat")
for _ in range(200):  # a thread that has ended leaves the list a moment later
    if len(os.listdir("/proc/self/task")) == before:
        break
    time.sleep(0.05)
print(model.threads, len(os.listdir("/proc/self/task")) - before)
"""
    done = python("-c", script, bundles / "tiny-frida", ORT_DISABLE_TELEMETRY=None, CI=None)
    assert done.stdout.split() == [b"1", b"0"], done.stderr


def test_this_machine_answers() -> None:
    assert 1 <= available_threads() <= affinity()
