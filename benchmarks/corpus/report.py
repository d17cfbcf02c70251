"""The results of run.py as tables."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

from common.stats import paired_ratio
from common.tables import number, table

Data = dict[str, Any]


def report(folder: Path) -> str:
    """All that was measured and stands in this folder."""
    found = [(kind, folder / f"{name}.json") for name, kind in REPORTS.items()]
    return "\n".join(kind(json.loads(path.read_text())) for kind, path in found if path.is_file())


def _head(data: Data, title: str) -> str:
    machine = data["machine"]
    return (
        f"## {title}\n\n{data['bundle']}, {data['dtype']}, {data['rows']:,} rows, "
        f"{_long(data)}{data['threads']} threads; {machine['cpu']}, {machine['date']}, "
        f"load average {machine['load_average']}\n\n`{data['command']}`\n"
    )


def _long(data: Data) -> str:
    return f"{data['tokens']:.1f} tokens a text, " if "tokens" in data else ""


def _compared(data: Data, title: str, base: str) -> str:
    rounds = data["rounds"]
    rows = []
    for arm in rounds[0]:
        cpu = [one[arm]["cpu_s"] for one in rounds]
        peaks = [one[arm]["peak_mb"] for one in rounds if "peak_mb" in one[arm]]
        rows.append([
            arm,
            number(median(cpu), 1),
            f"{min(cpu):.1f} to {max(cpu):.1f}",
            number(median(one[arm]["wall_s"] for one in rounds), 1),
            number(paired_ratio([one[base]["cpu_s"] for one in rounds], cpu), 3),
            number(paired_ratio([one[base]["wall_s"] for one in rounds],
                                [one[arm]["wall_s"] for one in rounds]), 3),
            number(max(peaks, default=None), 0),
        ])  # fmt: skip
    header = ["", "CPU s", "spread", "wall s", f"throughput over {base}, CPU", "wall", "peak MB"]
    return f"{_head(data, title)}\n{table(header, rows)}\n"


def _memory(data: Data) -> str:
    points = data["resident"]
    rows = []
    for share in (0.1, 0.25, 0.5, 0.75, 1.0):
        seen = [value for done, value in points if done <= share * data["rows"]]
        rows.append([f"{share:.0%} of the rows", number(max(seen) / 1e6, 0),
                     number(seen[-1] / 1e6, 0)])  # fmt: skip
    return f"{_head(data, 'Memory')}\n{table(['after', 'highest MB so far', 'MB then'], rows)}\n"


REPORTS = {
    "throughput": lambda data: _compared(data, "Throughput", "bare"),
    "ways": lambda data: _compared(data, "Where the work runs", "threads"),
    "memory": _memory,
}
