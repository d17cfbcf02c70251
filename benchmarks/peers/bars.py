"""The bars edgembed has set itself, each with what was reached and whether that is enough."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any

from common.stats import paired_ratio
from common.tables import number, table

Data = dict[str, Any]
_TOKENS = ("8", "32", "128", "512")
# (ours, rival, models, bar at 8, 32, 128, 512 tokens); "best float32": whoever is fastest there.
_LATENCY = (
    ("edgembed-int8", "onnxruntime-float32", "F", (2.6, 1.8, 1.55, 1.65)),
    ("edgembed-int8", "ctranslate2-int8", "MF", (1.2, 1.05, 1.05, 1.2)),
    ("edgembed-float32", "best float32", "MF", (1.1, 1.05, 1.05, 1.1)),
)
_THROUGHPUT = (
    ("edgembed-int8", "ctranslate2-int8", 1.15),
    ("edgembed-float32", "best float32", 1.1),
)
_COLD = (("ctranslate2-int8", 2.0), ("fastembed", 5.0), ("st-torch", 30.0))
# It computes in bfloat16 where the CPU can: no float32 peer.
_NOT_FLOAT32 = ("openvino-default",)


def write(key: str, model: Data) -> str:
    """One thread: CPU time decides (on an idle machine it is the wall time, and on a busy one it
    leaves out what neighbours took); more threads: wall time.
    """
    return table(["what", "bar", "wall", "CPU", "by start", ""], list(_rows(key, model)))


def _rows(key: str, model: Data) -> Iterator[list[str]]:
    found = model["latency"].get("1", {})
    for ours, rival, models, wanted in _LATENCY:
        if key in models and ours in found:
            for tokens, bar in zip(_TOKENS, wanted, strict=True):
                yield _latency_row(found, ours, rival, tokens, bar)
    for threads, rates in model.get("throughput", {}).items():
        for ours, rival, bar in _THROUGHPUT:
            if any(name.startswith(ours) for name in rates):
                yield _throughput_row(rates, threads, ours, rival, bar)
    yield from _cold_rows(key, model.get("cold", {}))


def _latency_row(found: Data, ours: str, rival: str, tokens: str, bar: float) -> list[str]:
    medians = {name: peer[tokens]["cpu_ms"]["median"] for name, peer in found.items()}
    name = _best_float32(medians) if rival == "best float32" else rival
    if name not in found:
        return [f"{ours} over {name}, {tokens} tokens", f"{bar}", "not measured", "", "", ""]
    rival_there, ours_there = found[name][tokens], found[ours][tokens]
    wall, cpu = _ratios(rival_there, ours_there)
    spread = _by_start(rival_there, ours_there)
    return _row(f"{ours} over {name}, {tokens} tokens", bar, wall, cpu, decides=cpu, spread=spread)


def _throughput_row(rates: Data, threads: str, ours: str, rival: str, bar: float) -> list[str]:
    clock = "rounds_cpu" if threads == "1" else "rounds_wall"
    speeds = {name: median(rate[clock]) for name, rate in rates.items()}
    mine = min((name for name in rates if name.startswith(ours)), key=speeds.__getitem__)
    if rival == "best float32":
        name = _best_float32(speeds)
    else:
        name = min((n for n in rates if n.startswith(rival)), key=speeds.__getitem__)
    wall, cpu = _ratios(rates[name], rates[mine])
    decides = cpu if threads == "1" else wall
    return _row(f"throughput, {threads} thread(s): {mine} over {name}", bar, wall, cpu, decides)


def _ratios(rival: Data, ours: Data) -> tuple[float, float]:
    """How many times ours is faster, by wall time and by CPU time."""
    return (
        paired_ratio(rival["rounds_wall"], ours["rounds_wall"]),
        paired_ratio(rival["rounds_cpu"], ours["rounds_cpu"]),
    )


def _by_start(rival: Data, ours: Data) -> str:
    """The least and the largest of the ratios by CPU time that each start alone gives."""
    starts = ours.get("starts", 1)  # older results do not tell
    if starts == 1:
        return ""
    size = len(ours["rounds_cpu"]) // starts
    parts = [slice(first, first + size) for first in range(0, size * starts, size)]
    ratios = [paired_ratio(rival["rounds_cpu"][p], ours["rounds_cpu"][p]) for p in parts]
    return f"{number(min(ratios), 2)} to {number(max(ratios), 2)}"


def _cold_rows(key: str, cold: Data) -> Iterator[list[str]]:
    if not (ours := cold.get("edgembed-int8")):
        return
    yield _row("cold start, edgembed-int8, s", 0.25, *_cold_seconds(ours), most=True)
    for name, bar in _COLD:
        if name in cold:
            (wall, cpu), (our_wall, our_cpu) = _cold_seconds(cold[name]), _cold_seconds(ours)
            what = f"cold start, edgembed-int8 over {name}"
            yield _row(what, bar, wall / our_wall, cpu / our_cpu)
    if key == "F":
        yield _row(
            "RSS after the first vector, edgembed-int8, MB", 95, ours["rss"] / 1e6, most=True
        )


def _cold_seconds(found: Data) -> tuple[float, float]:
    """Wall and CPU seconds."""
    return found["seconds"]["total"]["median"], found["seconds"]["cpu"]["median"]


def _best_float32(cost: dict[str, float]) -> str:
    """The float32 rival of the least cost."""
    from catalogue import PEERS

    rivals = {p.name for p in PEERS if p.dtype == "float32"} - set(_NOT_FLOAT32)
    names = [n for n in cost if n.removesuffix(" (pool)") in rivals and "edgembed" not in n]
    return min(names, key=cost.__getitem__)


def _row(
    what: str,
    bar: float,
    wall: float,
    cpu: float | None = None,
    decides: float | None = None,
    most: bool = False,
    spread: str = "",
) -> list[str]:
    reached = wall if decides is None else decides
    good = reached <= bar if most else reached >= bar
    sign, verdict = "<=" if most else ">=", "ok" if good else "MISSED"
    return [what, f"{sign} {bar}", number(wall, 3), number(cpu, 3), spread, verdict]
