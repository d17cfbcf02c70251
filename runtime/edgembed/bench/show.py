"""The report for people: tables for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgembed.bench.shape import Report

_INSIDE = {
    "imports": ("numpy", "tokenizers"),
    "load": ("onnxruntime", "bundle_check", "tokenizer", "session", "canaries"),
}


def lines(report: Report) -> Iterator[str]:
    """Line by line."""
    dtypes = list(report["bundle"]["bytes"])
    yield from _bundle(report)
    yield from _environment(report)
    for table in (_latency, _throughput, _cold, _memory):
        yield ""
        yield from table(report, dtypes)


def _bundle(report: Report) -> Iterator[str]:
    own = report["bundle"]
    yield f"{own['model']}: {own['dimension']} dimensions, at most {own['max_seq_length']} tokens"
    for dtype, size in own["bytes"].items():
        yield f"  {dtype:8}{size / 1e6:7.1f} MB  fingerprint {own['fingerprints'][dtype][:16]}..."


def _environment(report: Report) -> Iterator[str]:
    own = report["environment"]
    quota = "" if own["cpu_quota"] is None else f", quota {own['cpu_quota']:g} CPUs"
    memory = "" if own["memory_gb"] is None else f", {own['memory_gb']} GiB"
    yield own["cpu"]
    yield f"  {' '.join(own['flags'])}"
    yield f"  {own['cpus_allowed']} of {own['logical_cpus']} CPUs{quota}{memory}"
    yield f"  {own['system']}, Python {own['python']}, {own['date']}"
    yield "  " + ", ".join(f"{name} {version}" for name, version in own["versions"].items())
    for name, value in own["variables"].items():
        yield f"  {name}={value}"
    if own["load_average"] and own["load_average"][0] > own["cpus_allowed"] / 2:
        yield (
            f"  NOTE: others were at work (load average {own['load_average'][0]}): of these "
            "figures,\n  only the ratios between dtypes mean much"
        )


def _latency(report: Report, dtypes: Sequence[str]) -> Iterator[str]:
    yield "Latency: one text a call, milliseconds"
    yield " " * 17 + "".join(f"{dtype:>30}" for dtype in dtypes)
    yield f"{'tokens':>8}{'threads':>9}" + f"{'median':>12}{'p10':>9}{'p99':>9}" * len(dtypes)
    for tokens, threads in dict.fromkeys((r["tokens"], r["threads"]) for r in report["latency"]):
        row = f"{tokens:8}{threads:9}"
        for one in report["latency"]:
            if (one["tokens"], one["threads"]) == (tokens, threads):
                ms = one["ms"]
                row += f"{_digits(ms['median']):>12}{_digits(ms['p10']):>9}{_digits(ms['p99']):>9}"
        yield row


def _digits(value: float) -> str:
    """Four digits that count, 2 ms as 2.000 and 2 s as 2000."""
    return f"{value:.{max(0, 3 - len(str(int(value))) + 1)}f}"


def _throughput(report: Report, dtypes: Sequence[str]) -> Iterator[str]:
    mix = report["mix"]
    yield (
        f"Throughput: {mix['texts']} mixed texts a call (median {mix['median_tokens']:g} tokens, "
        f"longest {mix['longest_tokens']})"
    )
    yield " " * 17 + "".join(f"{dtype:>30}" for dtype in dtypes)
    yield f"{'threads':>17}" + f"{'texts/s':>15}{'tokens/s':>15}" * len(dtypes)
    for threads in dict.fromkeys(one["threads"] for one in report["throughput"]):
        found = [one for one in report["throughput"] if one["threads"] == threads]
        yield f"{threads:17}" + "".join(
            f"{one['texts_per_second']:15.1f}{one['tokens_per_second']:15.0f}" for one in found
        )


def _cold(report: Report, dtypes: Sequence[str]) -> Iterator[str]:
    found = report["cold_start"]
    yield "Cold start: a fresh process to its first vector, milliseconds (median)"
    yield " " * 30 + "".join(f"{dtype:>12}" for dtype in dtypes)

    def row(label: str, values: Sequence[float]) -> str:
        return f"  {label:28}" + "".join(f"{1e3 * value:12.0f}" for value in values)

    for part in ("interpreter", "imports", "load", "first_call", "total"):
        yield row(part.replace("_", " "), [one["seconds"][part]["median"] for one in found])
        for name in _INSIDE.get(part, ()):
            yield row(f"  {name.replace('_', ' ')}", [one["inside"][name] for one in found])
    yield row("p99 of the total", [one["seconds"]["total"]["p99"] for one in found])
    yield "  (what is indented is part of the line above it; some of it happens at once)"


def _memory(report: Report, dtypes: Sequence[str]) -> Iterator[str]:
    yield "Memory of a process, MB"
    yield " " * 30 + "".join(f"{dtype:>12}" for dtype in dtypes)
    for key, label in (("rss", "after the first vector"), ("peak", "highest, all lengths")):
        sizes = [one["rss"] if key == "rss" else one["peak"] for one in report["memory"]]
        cells = ("unknown" if size is None else f"{size / 1e6:.1f}" for size in sizes)
        yield f"  {label:28}" + "".join(f"{cell:>12}" for cell in cells)
