"""report.md: every figure of results.json as a table, losses included."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bars

from common.tables import number, table

Data = dict[str, Any]
MODEL_NAMES = {
    "M": "all-MiniLM-L6-v2 (M): 6 layers x 384, trained weights",
    "F": "rubert-mini-frida's shape (F): 7 layers x 312, seeded random weights",
}
TOKENS = ("8", "32", "128", "512")
_MB = 1e6


def write(data: Data, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.md").write_text("\n\n".join(_sections(data)) + "\n", "utf-8")


def _sections(data: Data) -> Iterator[str]:
    yield "# Peers, side by side"
    yield _environment(data)
    for key, model in data.get("models", {}).items():
        yield f"## {MODEL_NAMES[key]}"
        yield from _model(data, key, model)
    if "roofline" in data:
        yield "## Roofline: what the core can do on these shapes, one thread"
        yield from _rooflines(data)
    yield "## Versions"
    yield _versions(data)


def _environment(data: Data) -> str:
    machine = data["machine"]
    lines = [f"- {name}: {value}" for name, value in machine.items()]
    lines += [f"- stages {name}: `{command}`" for name, command in data["commands"].items()]
    lines += [f"- not set up: {name}: {why}" for name, why in data.get("failures", {}).items()]
    return "\n".join(lines)


def _model(data: Data, key: str, model: Data) -> Iterator[str]:
    for name, why in model.get("failures", {}).items():
        yield f"**{name} did not run:** {' '.join(why.split())[-300:]}"
    yield from _overview(data, model)
    if "latency" in model:
        yield "### Against the bars"
        yield bars.write(key, model)
    for threads, found in model.get("latency", {}).items():
        yield f"### Latency, {threads} thread(s): median ms of one text (p10 to p99)"
        yield _latency(found)
        yield f"CPU time, {threads} thread(s), median ms"
        yield _cpu(found)
    for threads, rates in model.get("throughput", {}).items():
        size = next(iter(rates.values())).get("texts_a_call")  # older results do not tell
        what = "mixed texts" if size is None else f"mixed texts, {size} a call"
        yield f"### Throughput, {threads} thread(s): {what}, at each one's best batch"
        yield _throughput(rates)
    if "cold" in model:
        yield "### Cold start: process start to first vector, median ms, page cache warm"
        yield _cold(model["cold"])


def _overview(data: Data, model: Data) -> Iterator[str]:
    """Accuracy, memory and size of every peer."""
    if "accuracy" not in model:
        return
    yield "### Accuracy and weight"
    yield (
        "Cosine to sentence-transformers on torch, one text a call; top-1: share of texts whose "
        "nearest neighbour stays the same; batch shift: largest 1 - cosine between a text's vector "
        "alone and in a batch of 32; RSS after the first vector; peak after all throughput turns "
        "of one thread."
    )
    header = ["peer", "mean cosine", "p1", "min", "top-1", "batch shift", "model MB"]
    yield table(
        [*header, "site-packages MB", "RSS MB", "peak MB"],
        [_weight(data, model, name, found) for name, found in model["accuracy"].items()],
    )


def _weight(data: Data, model: Data, name: str, found: Data) -> list[str]:
    from catalogue import PEERS

    venv = next(peer.venv for peer in PEERS if peer.name == name)
    site = data.get("venvs", {}).get(venv, {}).get("site_packages_bytes")
    cold = model.get("cold", {}).get(name, {})
    run = model.get("throughput", {}).get("1", {}).get(name, {}).get("memory", {})
    megabytes = (model["bytes"].get(name), site, cold.get("rss"), run.get("peak"))
    return [
        name,
        *(f"{found[part]:.5f}" for part in ("mean", "p1", "min")),
        f"{found['top1']:.3f}",
        f"{found['batch_shift']:.0e}",
        *(number(None if size is None else size / _MB, 1) for size in megabytes),
    ]


def _latency(found: Data) -> str:
    def cell(peer: Data, tokens: str) -> str:
        wall = peer[tokens]["wall_ms"]
        return f"{wall['median']:.3f} ({wall['p10']:.3f} to {wall['p99']:.3f})"

    return table(
        ["peer", *(f"{tokens} tokens" for tokens in TOKENS)],
        [[name, *(cell(peer, tokens) for tokens in TOKENS)] for name, peer in found.items()],
    )


def _cpu(found: Data) -> str:
    rows = [
        [name, *(number(peer[tokens]["cpu_ms"]["median"], 3) for tokens in TOKENS)]
        for name, peer in found.items()
    ]
    return table(["peer", *TOKENS], rows)


def _throughput(rates: Data) -> str:
    ranked = sorted(rates.items(), key=lambda item: -item[1]["texts_per_second"])
    return table(
        ["peer", "texts/s", "best batch", "CPU ms a text", "texts/s at batch 1 (search)", "at 32"],
        [
            [
                name,
                number(rate["texts_per_second"], 1),
                rate["best_batch"],
                number(rate["cpu_ms_per_text"], 2),
                number(rate["by_batch"]["1"], 1),
                number(rate["by_batch"]["32"], 1),
            ]
            for name, rate in ranked
        ],
    )


def _cold(cold: Data) -> str:
    parts = ("total", "python", "import", "load", "first", "cpu")
    ranked = sorted(cold.items(), key=lambda item: item[1]["seconds"]["total"]["median"])
    return table(
        ["peer", *parts, "total p10 to p99"],
        [
            [
                name,
                *(number(1e3 * found["seconds"][part]["median"], 0) for part in parts),
                "{p10:.3f} to {p99:.3f} s".format(**found["seconds"]["total"]),
            ]
            for name, found in ranked
        ],
    )


def _rooflines(data: Data) -> Iterator[str]:
    """Share: the CPU time of the GEMMs alone by that of the whole, for edgembed."""
    header = ["tokens", "MFLOP", "fp32 GFLOP/s", "int8 GOP/s", "GEMMs fp32 ms", "GEMMs int8 ms"]
    for key, found in data["roofline"].items():
        peak = found["peak_gflops"]
        yield (
            f"{key}: peak on 1024 x 1024: fp32 {peak['float32']} GFLOP/s, int8 (dynamic) "
            f"{peak['int8']} GOP/s."
        )
        yield table(
            [*header, "attention GEMMs ms", "share reached fp32", "int8"],
            [_roof_row(data, key, tokens, row) for tokens, row in found["tokens"].items()],
        )


def _roof_row(data: Data, key: str, tokens: str, row: Data) -> list[str]:
    latency = data["models"].get(key, {}).get("latency", {}).get("1", {})
    shares = []
    for dtype in ("float32", "int8"):
        ideal = row[f"{dtype}_gemm_ms"] + row["attention_ms"]
        whole = latency.get(f"edgembed-{dtype}", {}).get(tokens, {}).get("cpu_ms", {})
        shares.append(f"{ideal / whole['median']:.0%}" if whole else "-")
    return [
        tokens,
        number(row["weight_mflop"] + row["attention_mflop"], 0),
        *(number(row[name], 1) for name in ("float32_gflops", "int8_gflops")),
        *(number(row[name], 3) for name in ("float32_gemm_ms", "int8_gemm_ms", "attention_ms")),
        *shares,
    ]


def _versions(data: Data) -> str:
    telling = (
        "edgembed", "onnxruntime", "tokenizers", "numpy", "torch", "transformers",
        "sentence-transformers", "optimum", "optimum-onnx", "ctranslate2", "openvino", "fastembed",
        "light-embed", "xllamacpp",
    )  # fmt: skip
    rows = []
    for name, venv in data.get("venvs", {}).items():
        found = venv["versions"]
        listed = ", ".join(f"{one} {found[one]}" for one in telling if one in found)
        rows.append([name, listed])
    return table(["venv", "versions"], rows)
