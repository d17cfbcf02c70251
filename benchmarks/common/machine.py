"""The machine a figure was measured on: written beside every figure."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from pathlib import Path

_TELLING_FLAGS = ("avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16")
_ARM_FLAGS = ("asimd", "asimddp", "i8mm", "bf16", "sve")


def describe() -> dict[str, object]:
    """CPU, its vector flags, threads, memory, system, Python and date."""
    fields = _cpuinfo()
    flags = fields.get("flags", fields.get("Features", "")).split()
    return {
        "cpu": fields.get("model name", platform.processor() or platform.machine()),
        "family_model": f"{fields.get('cpu family', '?')}/{fields.get('model', '?')}",
        "flags": [flag for flag in (*_TELLING_FLAGS, *_ARM_FLAGS) if flag in flags],
        "logical_cpus": os.cpu_count(),
        "cpus_allowed": _allowed(),
        "memory_gb": _memory_gb(),
        # Far above the threads of the bench: others were at work, and only ratios mean something.
        "load_average": [round(value, 1) for value in os.getloadavg()],
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _cpuinfo() -> dict[str, str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _allowed() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _memory_gb() -> float:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
