"""The machine a figure was measured on: written beside every figure."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from importlib import import_module
from typing import TypedDict

from edgembed.cpu import first_cpu, flags
from edgembed.threads import affinity, cpu_quota
from edgembed.version import __version__

# What decides which kernels onnxruntime takes.
_X86_FLAGS = (
    "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8",
)  # fmt: skip
_ARM_FLAGS = ("asimd", "asimddp", "i8mm", "bf16", "sve")
# Whatever begins so changes how numpy, onnxruntime, tokenizers or malloc behave.
_VARIABLES = ("OPENBLAS_", "OMP_", "MKL_", "RAYON_", "TOKENIZERS_", "MALLOC_", "LD_PRELOAD")


class Machine(TypedDict):
    """Computer, system, Python, and the moment. None: the system does not tell."""

    cpu: str
    family_model: str
    flags: list[str]
    logical_cpus: int | None
    cpus_allowed: int
    cpu_quota: float | None
    memory_gb: float | None
    load_average: list[float]
    system: str
    python: str
    date: str


def describe() -> Machine:
    """CPU, its vector flags, the CPUs this process may use, memory, system, Python and date."""
    fields, known = first_cpu(), flags()
    return {
        "cpu": fields.get("model name") or platform.processor() or platform.machine(),
        "family_model": f"{fields.get('cpu family', '?')}/{fields.get('model', '?')}",
        "flags": [flag for flag in (*_X86_FLAGS, *_ARM_FLAGS) if flag in known],
        "logical_cpus": os.cpu_count(),
        "cpus_allowed": affinity(),
        "cpu_quota": cpu_quota(),
        "memory_gb": _memory_gb(),
        # Far above the threads of the bench: others were at work, and only ratios mean something.
        "load_average": [round(value, 1) for value in _load_average()],
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    }


def versions() -> dict[str, str]:
    """edgembed's version and those of what it imports."""
    # First, since it is what switches onnxruntime's telemetry off before it imports it.
    import_module("edgembed.session")
    names = ("numpy", "onnxruntime", "tokenizers")
    return {"edgembed": __version__} | {name: import_module(name).__version__ for name in names}


def variables() -> dict[str, str]:
    """The environment variables, of those that are set, that a figure may depend on."""
    return {name: os.environ[name] for name in sorted(os.environ) if name.startswith(_VARIABLES)}


def _load_average() -> tuple[float, ...]:
    return os.getloadavg() if hasattr(os, "getloadavg") else ()


def _memory_gb() -> float | None:
    if not hasattr(os, "sysconf"):  # Windows
        return None
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
