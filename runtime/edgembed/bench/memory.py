"""What memory a process holds."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict


class Memory(TypedDict):
    """Bytes resident now, and at their highest."""

    rss: int
    peak: int


def resident(process: int | str = "self") -> Memory | None:
    """Memory of a process by its id; None where the system has no /proc to ask (not Linux)."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in lines)
    return {
        "rss": int(fields["VmRSS"].split()[0]) * 1024,
        "peak": int(fields["VmHWM"].split()[0]) * 1024,
    }
