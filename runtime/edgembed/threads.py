"""How many threads this process may really use.

onnxruntime looks at neither the affinity mask nor the cgroup's CPU quota (it starts a thread per
core of the machine), so we look for it.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

from edgembed.errors import ArgumentError

_MOST = 1024  # more than any machine this is for
CGROUP = Path("/sys/fs/cgroup")


def available_threads(cgroup: Path = CGROUP) -> int:
    """Threads worth starting: CPUs of the affinity mask, at most ceil(cgroup quota), at least 1."""
    quota = cpu_quota(cgroup)
    return max(1, min(affinity(), math.ceil(quota) if quota else affinity()))


def checked_threads(threads: int | None) -> int:
    """The number itself, or available_threads() for None; ArgumentError for what is none."""
    if threads is None:
        return available_threads()
    if isinstance(threads, bool) or not isinstance(threads, int) or not 0 < threads <= _MOST:
        raise ArgumentError(
            f"threads must be a whole number from 1 to {_MOST}, or None, not {threads!r}"
        )
    return threads


def affinity() -> int:
    """CPUs that this process is allowed to run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS and Windows have no mask to ask


def cpu_quota(cgroup: Path = CGROUP) -> float | None:
    """The cgroup's quota in CPUs (0.5 is half of one), or None where there is none.

    Reads cgroup v2's cpu.max ("max 100000" or "50000 100000"), then v1's cfs files. A process
    usually sees its own group at the root of its namespace; where it does not, the group's own
    folder is named in /proc/self/cgroup and its parents may bound it further.
    """
    quotas = [q for folder in _own_groups(cgroup) if (q := _quota_of(folder)) is not None]
    return min(quotas, default=None)


def _own_groups(cgroup: Path) -> list[Path]:
    folders = [cgroup, cgroup / "cpu"]
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return folders
    for line in lines:
        _, controllers, path = ([*line.split(":", 2), "", ""])[:3]
        root = cgroup if controllers == "" else cgroup / "cpu"
        if controllers == "" or "cpu" in controllers.split(","):
            own = root / path.lstrip("/")
            folders += [own, *(p for p in own.parents if p.is_relative_to(root))]
    return folders


def _quota_of(folder: Path) -> float | None:
    try:
        quota, _, period = (folder / "cpu.max").read_text().strip().partition(" ")
    except OSError:
        try:
            quota = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    try:
        cpus = float(quota) / float(period or 100_000)
    except (ValueError, ZeroDivisionError):  # "max": no quota
        return None
    return cpus if cpus > 0 else None
