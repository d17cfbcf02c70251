"""What Linux says of the first CPU."""

from __future__ import annotations

from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_ENOUGH = 16_384  # bytes: the first CPU of what may be hundreds
# Instructions that multiply bytes and add up the products, which onnxruntime's INT8 kernels use.
_BYTE_PRODUCTS = frozenset(("avx512_vnni", "avx_vnni", "asimddp"))


def first_cpu(file: Path = _CPUINFO) -> dict[str, str]:
    """Its fields of /proc/cpuinfo by name; empty where there is no such file."""
    try:
        with file.open("rb") as lines:
            text = lines.read(_ENOUGH).decode("utf-8", "replace")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def flags(file: Path = _CPUINFO) -> frozenset[str]:
    """Its instruction sets, by Linux' names; empty where they are not known."""
    own = first_cpu(file)
    return frozenset(own.get("flags", own.get("Features", "")).split())


def multiplies_bytes(file: Path = _CPUINFO) -> bool:
    """Whether it has instructions for INT8 products; taken to be so where its flags are unknown."""
    own = flags(file)
    return not own or not own.isdisjoint(_BYTE_PRODUCTS)
