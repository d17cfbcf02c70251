"""What giving memory back costs in speed.

    python benchmarks/memory/cost.py BUNDLE [--rounds 60]

Two sessions of the same graph and weights take turns in one process: edgembed's own, with its arena
whose regions can be given back, and onnxruntime's as it comes. Ratios of CPU time (own / plain) per
number of tokens: median of the rounds, and their quartiles.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from edgembed import session
from edgembed.bench.machine import describe
from edgembed.bundle import Bundle
from edgembed.engine import _arrays

TOKENS = (8, 32, 128, 256)


def sessions(folder: Path, dtype: str) -> tuple[Any, Any]:
    bundle = Bundle.open(folder)
    weights = bundle.weights(dtype)
    contents = bundle.read_weights(dtype)
    made = (
        bytes(contents[weights.graph]),
        _arrays(weights, contents[weights.data]),
        (bundle.folder / weights.graph).parent,
        1,
    )
    own = session.Session(*made)
    with patch.object(session, "_has_arena", return_value=False):
        plain = session.Session(*made)
    return own, plain


def as_it_comes(plain: Any) -> Callable[[Any], Any]:
    """A run that copies nothing and gives nothing back."""
    return lambda ids: plain._session.run([plain._output], {"input_ids": ids})[0]


def seconds(run: Callable[[Any], Any], ids: Any) -> float:
    start = time.process_time()
    run(ids)
    return time.process_time() - start


def ratio(own: Any, plain: Callable[[Any], Any], ids: Any) -> float:
    """Of the median calls: single calls alternate, so that what the machine does meets both."""
    took: tuple[list[float], list[float]] = ([], [])
    for number in range(2 * max(4, 1024 // ids.size)):
        runs = (own, plain) if number % 2 else (plain, own)  # the first may find colder caches
        for run in runs:
            took[run is plain].append(seconds(run, ids))
    return statistics.median(took[0]) / statistics.median(took[1])


def ratios(own: Any, plain: Any, tokens: int, rounds: int) -> dict[str, float]:
    ids = np.full((1, tokens), 2000, np.int64)
    run, run_plain = own.run, as_it_comes(plain)
    found = [ratio(run, run_plain, ids) for _ in range(rounds)]
    low, median, high = statistics.quantiles(found, n=4)
    return {"median": round(median, 4), "q1": round(low, 4), "q3": round(high, 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results"))
    options = parser.parse_args()
    found = {}
    for dtype in ("int8", "float32"):
        own, plain = sessions(options.bundle, dtype)
        for tokens in TOKENS:
            ratios(own, plain, tokens, 3)  # warm
            found[f"{dtype}, {tokens} tokens"] = ratios(own, plain, tokens, options.rounds)
    result = {"machine": describe(), "bundle": options.bundle.name, "own / plain": found}
    options.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1) + "\n"
    (options.out / "cost.json").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
