"""Where edgembed's time goes: per operator (onnxruntime's profiler) and around the session.

    python benchmarks/peers/breakdown.py BUNDLE [--dtype int8] [--tokens 8,32,128,512]

Runs in any environment that has edgembed. Prints one Markdown table of operators and one of the
steps of encode(); the rest of a call is what neither tokeniser, session nor pooling took.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

from common.tables import number, table
from edgembed import Embedder
from edgembed.bench.stats import percentile
from edgembed.pooling import normalize, pool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--dtype", default="int8")
    parser.add_argument("--tokens", default="8,32,128,512")
    options = parser.parse_args()
    lengths = [int(value) for value in options.tokens.split(",")]
    manifest = json.loads((options.bundle / "manifest.json").read_text())
    graph = options.bundle / manifest["dtypes"][options.dtype]["graph"]
    model = Embedder(options.bundle, dtype=options.dtype, threads=1)
    print(_operators(graph, model, lengths), end="\n\n")
    print(_steps(graph, model, lengths))


def _text(tokens: int) -> str:
    """A text of that many tokens; single letters are tokens in every tokenizer used here."""
    generator = random.Random(tokens)
    return " ".join(generator.choices("abcdefghijklmnopqrstuvwxyz", k=tokens - 2))


def _operators(graph: Path, model: Any, lengths: list[int]) -> str:
    columns = {tokens: _profile(graph, model, tokens) for tokens in lengths}
    total = Counter[str]()
    for column in columns.values():
        total.update(column)
    rows = [
        [
            kind,
            *(
                f"{column[kind]:.0f} ({column[kind] / column.total():.0%})"
                for column in columns.values()
            ),
        ]
        for kind, _ in total.most_common()
    ]
    return table(["us of a run", *(f"{tokens} tokens" for tokens in lengths)], rows)


def _session(graph: Path, prefix: str = "") -> Any:
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    settings.enable_profiling = bool(prefix)
    settings.profile_file_prefix = prefix
    return onnxruntime.InferenceSession(str(graph), settings, ["CPUExecutionProvider"])


def _profile(graph: Path, model: Any, tokens: int, runs: int = 40) -> Counter[str]:
    """Microseconds of one run by operator: each node's p10 over the runs, summed.

    The profiler knows wall time only, so a low percentile leaves out what neighbours took. The time
    of an If is that of the node it takes; such nodes of all layers go by one name.
    """
    ids = model.tokenize([_text(tokens)])["input_ids"]
    with TemporaryDirectory() as folder:
        session = _session(graph, f"{folder}/trace")
        for _ in range(runs):
            session.run(None, {"input_ids": ids})
        events = json.loads(Path(session.end_profiling()).read_text())
    nodes: dict[tuple[str, str], list[float]] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            key = (event["args"]["op_name"], event["name"])
            nodes.setdefault(key, []).append(event["dur"])
    found = Counter[str]()
    for (kind, _), durations in nodes.items():
        if kind != "If":
            found[kind] += round(percentile(durations, 10) * len(durations) / runs)
    return found


def _steps(graph: Path, model: Any, lengths: list[int]) -> str:
    session = _session(graph)
    header = ["tokens", "tokenise us", "session us", "pool, normalise us", "rest us", "encode us"]
    return table(header, [_step_row(session, model, tokens) for tokens in lengths])


def _step_row(session: Any, model: Any, tokens: int) -> list[str]:
    text, engine = _text(tokens), model._engine
    feed = {"input_ids": engine.tokenizer.encode(text).ids[None, :]}
    hidden = session.run(None, feed)[0][0]
    parts = [
        _microseconds(lambda: engine.tokenizer.encode(text)),
        _microseconds(lambda: session.run(None, feed)),
        _microseconds(lambda: normalize(pool(hidden, "mean"))),
    ]
    whole = _microseconds(lambda: model.encode([text], prompt=""))
    return [str(tokens), *(number(value, 0) for value in (*parts, whole - sum(parts), whole))]


def _microseconds(call: Callable[[], object], seconds: float = 1.0) -> float:
    """p10 of the CPU time of the calls that fit into that many seconds, after two to warm up."""
    call(), call()
    samples: list[float] = []
    deadline = time.perf_counter() + seconds
    while len(samples) < 5 or time.perf_counter() < deadline:
        start = time.process_time()
        call()
        samples.append(1e6 * (time.process_time() - start))
    return percentile(samples, 10)


if __name__ == "__main__":
    main()
