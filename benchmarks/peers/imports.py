"""How much of a cold start is over before anything of a bundle is read.

    python benchmarks/peers/imports.py BUNDLE [--dtype int8] [--rounds 15]

Processes in turns, each with the imports of the one before and some more, as quick as edgembed
makes them, until the last of them is done; the last process embeds a text. So whatever a bundle
holds and however it is read, a cold start takes as long as the last row of imports. Prints a
Markdown table.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.tables import number, table
from edgembed.bench.stats import summary

_QUICKLY = "from edgembed.startup import quick_imports\nwith quick_imports():\n    import "
_EMBED = "from edgembed import Embedder\nEmbedder({!r}, {!r}, 1).encode('Hello, world', prompt='')"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--dtype", default="int8")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    if not (options.bundle / "manifest.json").is_file():
        raise SystemExit(f"no bundle in {options.bundle}: write one with  edgembed-export MODEL")
    print(measure(_programs(options.bundle, options.dtype), options.rounds))


def _programs(bundle: Path, dtype: str) -> dict[str, str]:
    return {
        "Python": "pass",
        "and numpy": f"{_QUICKLY}numpy",
        "and onnxruntime": f"{_QUICKLY}onnxruntime",
        "and tokenizers": f"{_QUICKLY}onnxruntime, tokenizers",
        "a text's vector by edgembed": _EMBED.format(str(bundle), dtype),
    }


def measure(programs: dict[str, str], rounds: int) -> str:
    """Milliseconds of each program, in turns after one round to warm up, as a table."""
    taken: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(rounds + 1):
        for name, code in programs.items():
            taken[name].append(1e3 * _seconds(code))
    rows = []
    for name, samples in taken.items():
        found = summary(samples[1:])
        rows.append([name, *(number(found[key], 0) for key in ("median", "p10", "p99"))])
    return table(["ms", "median", "p10", "p99"], rows)


def _seconds(code: str) -> float:
    """From before the process starts until its code is done."""
    own = {**os.environ, "ORT_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-c", f"{code}\nimport time\nprint(time.monotonic())"]
    start = time.monotonic()
    done = subprocess.run(command, check=True, env=own, stdout=subprocess.PIPE, text=True)
    return float(done.stdout) - start


if __name__ == "__main__":
    main()
