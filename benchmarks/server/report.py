"""The figures as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any

from common.stats import paired_ratio
from common.tables import number, table

_OWN = "edgembed int8"


def markdown(data: Mapping[str, Any]) -> str:
    """The whole report."""
    machine, load, added = data["machine"], data["load"], data["added_ms"]
    facts = ", ".join(f"{name} {version}" for name, version in data["packages"].items())
    others = median(
        o for own in load.values() for turns in own.values() for o in turns["others_cpus"]
    )
    head = (
        f"{machine['cpu']}, {machine['cpus_allowed']} CPUs, {machine['system']}, Python "
        f"{machine['python']}; {facts}; {machine['date']}; `{data['command']}`.\n\n"
        f"all-MiniLM-L6-v2, one text of {data['tokens']} tokens a request, OpenAI's body, vectors "
        "as JSON numbers, every server as it comes and with all CPUs; wrk on the same machine; "
        f"{data['rounds']} rounds of {data['seconds']:g} s each, in turn, medians. While one is "
        "measured the others are stopped. Programs that are no part of this kept "
        f"{others:.2f} CPUs busy meanwhile (median of all turns)"
        f"{': compare the CPU time and the ratios, not the times' if others > 0.1 else ''}."
    )
    parts = ["# Servers side by side", head]
    for clients in next(iter(load.values())):
        parts += [f"## {clients} client{'s' if int(clients) > 1 else ''}", _load(load, clients)]
    parts += ["## What the server adds to an encode in process", _added(added)]
    parts += ["## The same work", _cosines(data["lowest_cosine"])]
    return "\n\n".join([*parts, ""])


def _load(load: Mapping[str, Any], clients: str) -> str:
    own = load.get(_OWN, {}).get(clients)
    rows = []
    for name, turns in load.items():
        figures = turns[clients]
        times = (
            paired_ratio(own["requests_per_second"], figures["requests_per_second"])
            if own
            else None
        )
        rows.append([name, *_medians(figures), number(times)])
    head = ["server", "requests/s", "p50 ms", "p99 ms", "CPU ms a request", f"{_OWN} is faster by"]
    return table(head, rows)


def _medians(figures: Mapping[str, list[float]]) -> Iterator[str]:
    for name, digits in (
        ("requests_per_second", 1), ("p50_ms", 2), ("p99_ms", 2), ("cpu_ms_per_request", 2),
    ):  # fmt: skip
        yield number(median(figures[name]), digits)


def _added(added: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        [name, *(number(own[part]) for part in ("encode", "request", "added")),
         *(number(own[part]) for part in ("encode_cpu", "request_cpu")), own["pairs"]]
        for name, own in added.items()
    ]  # fmt: skip
    head = ["", "encode, 1 thread, ms", "request, ms", "added, ms"]
    head += ["CPU of an encode, ms", "CPU of the server, ms", "pairs"]
    return (
        "An encode in process and a request on an open connection in turn, of the same text: "
        "medians, and the median of the differences; CPU time on average. On a busy machine a "
        "request waits its turn for a CPU several times, an encode does not: then only the CPU "
        "time says what is added.\n\n" + table(head, rows)
    )


def _cosines(lowest: Mapping[str, float]) -> str:
    rows = [[name, number(value, 6)] for name, value in lowest.items()]
    return table(["server", "lowest cosine with torch's vectors"], rows)
