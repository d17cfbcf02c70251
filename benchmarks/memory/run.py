"""What memory does while edgembed embeds a great many texts, and what a text costs among many.

    python benchmarks/memory/run.py BUNDLE [--dtype int8] [--texts 1000000] [--out FOLDER]

Needs edgembed and matplotlib. Three measurements, in one process:

- a stream of texts of all lengths (log-normal, cut out of real sentences, up to what the model
  takes): resident memory after the first 1,000 and then after every thousand;
- a spike, 32 texts of full length by several callers at once: what it takes, and what is left of
  it a second later;
- the cost of a token in one call of 1,000, 10,000 and 100,000 short texts, in CPU time.

Writes memory.json, memory.md, stream.svg, spike.svg and linear.svg.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from edgembed import Embedder
from edgembed.bench.machine import describe

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
from common.tables import number, table  # noqa: E402

TEXTS = ROOT / "export" / "edgembed_export" / "texts" / "evaluation.txt"
CHUNK = 1000
TOLD = 20  # after how many chunks the stream says how far it is
SPIKE = 32
CALLERS = 8
CALLS = (1_000, 10_000, 100_000)
SHORT = 8  # median tokens of the texts of the last measurement
_MB = 1e6

Data = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--dtype", default=None)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--texts", type=int, default=1_000_000, help="texts of the stream")
    parser.add_argument("--median", type=int, default=30, help="tokens of the stream's texts")
    parser.add_argument("--calls", default=",".join(map(str, CALLS)), help="texts of each call")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results"))
    options = parser.parse_args()
    # Cut texts are meant here, and said once for all.
    warnings.simplefilter("ignore")
    model = Embedder(options.bundle, dtype=options.dtype, threads=options.threads)
    model.encode("one")
    data: Data = {
        "machine": describe(),
        "model": {"bundle": options.bundle.name, "dtype": model.dtype, "threads": options.threads},
        "first_vector": resident(),
        "stream": stream(model, options.texts, options.median),
        "spike": spike(model),
        "calls": [call(model, int(count)) for count in options.calls.split(",")],
    }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "memory.json").write_text(json.dumps(data, indent=1) + "\n")
    (options.out / "memory.md").write_text(report(data))
    from plots import write  # matplotlib takes memory of its own

    write(data, options.out)
    print(report(data))


def resident() -> int:
    """Bytes of memory that this process has, as the system counts them page by page."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("Rss:"))


def mixed(count: int, median: int, longest: int, seed: int) -> Iterator[str]:
    """Texts of real words, about two of them in three tokens, log-normal in length."""
    words = TEXTS.read_text(encoding="utf-8").split()
    generator = random.Random(seed)
    for _ in range(count):
        tokens = min(median * generator.lognormvariate(0, 1), longest)
        start = generator.randrange(len(words) - longest)
        yield " ".join(words[start : start + max(1, round(tokens / 1.5))])


def stream(model: Any, count: int, median: int) -> Data:
    """Resident bytes after each thousand texts; the first thousand is where growth counts from."""
    longest = model.max_seq_length
    points = []
    for number_of in range(max(2, count // CHUNK)):
        texts = list(mixed(CHUNK, median, longest, seed=number_of))
        # Every length is met in the first thousand, the greatest too.
        model.encode([*texts, "word " * longest] if number_of == 0 else texts)
        points.append([(number_of + 1) * CHUNK, resident()])
        if number_of % TOLD == 0:
            print(f"{points[-1][0]:,} texts: {_mb(points[-1][1])} MB", file=sys.stderr, flush=True)
    first = points[0][1]
    return {
        "resident": points,
        "growth": round(points[-1][1] / first - 1, 5),
        "largest_growth": round(max(value for _, value in points) / first - 1, 5),
    }


def spike(model: Any) -> Data:
    """Resident bytes before, at the height of, and one second after many long texts at once."""
    before, height = resident(), 0
    text = "word " * model.max_seq_length
    with ThreadPoolExecutor(CALLERS) as callers:
        jobs = [callers.submit(model.encode, text) for _ in range(SPIKE)]
        while not all(job.done() for job in jobs):
            height = max(height, resident())
            time.sleep(0.005)
    time.sleep(1)
    return {"texts": SPIKE, "callers": CALLERS, "before": before, "height": height,
            "after": resident()}  # fmt: skip


def call(model: Any, count: int) -> Data:
    """CPU seconds of one call of so many short texts, and the tokens in them."""
    texts = list(mixed(count, SHORT, model.max_seq_length, seed=count))
    tokens = sum(len(model._engine.tokenizer.encode(text).ids) for text in texts)
    start = time.process_time()
    model.encode(texts)
    seconds = time.process_time() - start
    return {"texts": count, "tokens": tokens, "cpu_s": round(seconds, 3),
            "us_per_token": round(1e6 * seconds / tokens, 3)}  # fmt: skip


def report(data: Data) -> str:
    model, streamed, found = data["model"], data["stream"], data["spike"]
    points = streamed["resident"]
    rows = [
        ["after the first vector", _mb(data["first_vector"])],
        ["after the first 1,000 texts", _mb(points[0][1])],
        [f"after {points[-1][0]:,} texts", _mb(points[-1][1])],
        ["growth over the stream", f"{streamed['growth']:.2%}"],
        ["largest growth on the way", f"{streamed['largest_growth']:.2%}"],
        [f"at the height of {found['texts']} longest texts, {found['callers']} callers",
         _mb(found["height"])],
        ["one second later", _mb(found["after"])],
    ]  # fmt: skip
    base = data["calls"][0]["us_per_token"]
    costs = [
        [f"{one['texts']:,}", one["tokens"], number(one["us_per_token"]),
         number(one["us_per_token"] / base)]
        for one in data["calls"]
    ]  # fmt: skip
    machine = data["machine"]
    return (
        f"# Memory and linear cost: {model['bundle']}, {model['dtype']}, "
        f"{model['threads']} thread(s)\n\n{machine['cpu']}, {machine['date']}, load average "
        f"{machine['load_average']}\n\n{table(['resident', 'MB'], rows)}\n\n"
        f"{table(['texts in one call', 'tokens', 'us a token', 'ratio'], costs)}\n"
    )


def _mb(value: int) -> str:
    return number(value / _MB, 1)


if __name__ == "__main__":
    main()
