"""What `edgembed corpus` costs over bare encode, and what its memory does over a long run.

    python benchmarks/corpus/run.py BUNDLE [--rows 200000] [--rounds 3] [--only NAME] [--out FOLDER]

Needs edgembed[corpus]. Every figure is of a process of its own, its CPU time (user and system) and
its memory as the system counts them, with everything: starting, importing, reading, writing. Rounds
are interleaved, so what a busy neighbour takes, it takes from all.

- throughput: the command beside a process that reads the same Parquet file, calls
  Embedder.encode once with all texts, and saves the vectors; the same threads for both.
- ways: where the work of one machine may run: threads that share one model (what the command does),
  a process each (Daft's use_process), one worker whose model has all threads.
- memory: resident memory of one command over --memory-rows rows, sampled as it goes.

Texts are runs of words of the project's own evaluation texts, log-normal in length. --out is
results/BUNDLE unless named.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from edgembed.bench.machine import describe

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
from report import report  # noqa: E402

TEXTS = ROOT / "export" / "edgembed_export" / "texts" / "evaluation.txt"
BARE = """
import sys, numpy as np, pyarrow.parquet as pq
from edgembed import Embedder
bundle, dtype, threads, source, out = sys.argv[1:]
texts = pq.read_table(source, columns=["text"]).column("text").to_pylist()
np.save(out + ".npy", Embedder(bundle, dtype, int(threads)).encode(texts))
"""
WAYS = ("threads", "processes", "one worker")
Data = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--dtype", default="int8")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--words", type=float, default=6, help="median words of a text")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ways-rows", type=int, default=20_000)
    parser.add_argument("--memory-rows", type=int, default=1_000_000)
    parser.add_argument("--memory-bundle", type=Path, help="default: BUNDLE")
    parser.add_argument("--distinct", type=int, help="distinct texts in the rows of memory")
    parser.add_argument("--part-rows", type=int, help="the command's own")
    parser.add_argument("--only", choices=("throughput", "ways", "memory"))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    options.out = options.out or Path(__file__).with_name("results") / options.bundle.name
    options.out.mkdir(parents=True, exist_ok=True)
    # What this machine sets for others' sake is not what a user has.
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        os.environ.pop(name, None)
    for name, measure in (("throughput", throughput), ("ways", ways), ("memory", memory)):
        if options.only in (None, name):
            with tempfile.TemporaryDirectory() as work:
                data = {
                    "machine": describe(),
                    "command": " ".join(["benchmarks/corpus/run.py", *_shown(options)]),
                    **measure(options, Path(work)),
                }
            (options.out / f"{name}.json").write_text(json.dumps(data, indent=1) + "\n")
    text = report(options.out)
    (options.out / "corpus.md").write_text(text)
    print(text)


def throughput(options: argparse.Namespace, work: Path) -> Data:
    source = texts(work / "in.parquet", options.rows, options.words)
    rounds: list[Data] = []
    for number_of in range(options.rounds):
        arms = {"bare": bare(options, source), "corpus": corpus(options, source)}
        order = list(arms) if number_of % 2 == 0 else list(arms)[::-1]
        rounds.append({arm: run(arms[arm], work / "out") for arm in order})
        print(rounds[-1], flush=True)
    return {"bundle": options.bundle.name, "dtype": options.dtype, "rows": options.rows,
            "tokens": tokens(options.bundle, source), "threads": options.threads,
            "rounds": rounds}  # fmt: skip


def tokens(bundle: Path, source: Path) -> float:
    """Tokens of a text, on average, of the first thousand."""
    tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
    some = pq.read_table(source, columns=["text"]).column("text")[:1000].to_pylist()
    return sum(len(one.ids) for one in tokenizer.encode_batch(some)) / len(some)


def ways(options: argparse.Namespace, work: Path) -> Data:
    source = texts(work / "in.parquet", options.ways_rows, options.words)
    script = str(Path(__file__).with_name("ways.py"))
    rounds = []
    for _ in range(options.rounds):
        rounds.append({
            way: run([sys.executable, script, way, str(options.bundle), options.dtype,
                      str(options.threads), str(source)], work / "out")
            for way in WAYS
        })  # fmt: skip
        print(rounds[-1], flush=True)
    return {"bundle": options.bundle.name, "dtype": options.dtype, "rows": options.ways_rows,
            "threads": options.threads, "rounds": rounds}  # fmt: skip


def memory(options: argparse.Namespace, work: Path) -> Data:
    bundle = options.memory_bundle or options.bundle
    source = texts(work / "in.parquet", options.memory_rows, options.words, options.distinct)
    command = corpus(options, source, bundle)
    process = subprocess.Popen([*command, str(work / "out")])
    points: list[tuple[int, int]] = []
    while process.poll() is None:
        rows = len(list((work / "out" / "_edgembed" / "done").glob("*.json"))) if points else 0
        if resident_now := resident(process.pid):
            points.append((rows, resident_now))
        time.sleep(0.5)
    if process.returncode:
        raise SystemExit(f"the command failed: {process.returncode}")
    parts = len(list((work / "out").glob("part-*.parquet")))
    share = options.memory_rows / parts
    return {"bundle": bundle.name, "dtype": options.dtype, "rows": options.memory_rows,
            "threads": options.threads, "parts": parts, "distinct": options.distinct,
            "resident": [[round(done * share), value] for done, value in points]}  # fmt: skip


def texts(path: Path, rows: int, words: float, distinct: int | None = None) -> Path:
    """A Parquet file of ids and texts, of which so many are distinct (None: all)."""
    known = TEXTS.read_text(encoding="utf-8").split()
    generator = random.Random(20)
    with pq.ParquetWriter(path, pa.schema({"id": pa.int64(), "text": pa.string()})) as writer:
        few = [_text(known, generator, words, i) for i in range(distinct or 0)]
        for first in range(0, rows, 50_000):
            ids = range(first, min(first + 50_000, rows))
            own = [few[i % len(few)] if few else _text(known, generator, words, i) for i in ids]
            writer.write_table(pa.table({"id": ids, "text": own}, schema=writer.schema))
    return path


def _text(known: list[str], generator: random.Random, words: float, i: int) -> str:
    count = max(1, min(60, round(words * generator.lognormvariate(0, 0.5))))
    start = generator.randrange(len(known) - count)
    return f"{' '.join(known[start : start + count])} {i}"


def bare(options: argparse.Namespace, source: Path) -> list[str]:
    return [sys.executable, "-c", BARE, str(options.bundle), options.dtype, str(options.threads),
            str(source)]  # fmt: skip


def corpus(options: argparse.Namespace, source: Path, bundle: Path | None = None) -> list[str]:
    asked = ["--dtype", options.dtype, "--threads", str(options.threads), "--prompt", ""]
    if options.part_rows:
        asked += ["--part-rows", str(options.part_rows)]
    command = [sys.executable, "-m", "edgembed", "corpus", *asked]
    return [*command, str(bundle or options.bundle), str(source)]


def run(command: list[str], out: Path) -> Data:
    """What a process takes that has `out` for its last argument."""
    start = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([*command, str(out)], stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - start
        shutil.rmtree(out, ignore_errors=True)
        Path(f"{out}.npy").unlink(missing_ok=True)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{command} failed:\n{said.read()[-2000:].decode()}")
    cpu, peak = used.ru_utime + used.ru_stime, used.ru_maxrss * 1024  # of Linux, in KiB
    return {"wall_s": round(wall, 2), "cpu_s": round(cpu, 2), "peak_mb": round(peak / 1e6)}


def resident(process: int) -> int:
    """Bytes of memory of a process, 0 when it has gone."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return 1024 * next((int(x.split()[1]) for x in lines if x.startswith("Rss:")), 0)


def _shown(options: argparse.Namespace) -> list[str]:
    return [f"--{k.replace('_', '-')} {v}" for k, v in vars(options).items()
            if v is not None and k not in ("bundle", "memory_bundle", "out")]  # fmt: skip


if __name__ == "__main__":
    main()
