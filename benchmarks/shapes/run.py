"""Exporting a full shape with seeded weights by the real command line: time, memory, parity.

    python benchmarks/shapes/run.py multilingual-e5-large --work FOLDER
    python benchmarks/shapes/run.py FRIDA --work FOLDER [--layers 24] [--tokenizer FOLDER] [...]

Makes FOLDER/NAME-LAYERS/checkpoint (kept for the next run) and .../bundle beside it. Options that
this script does not know go to edgembed-export. CPU seconds are those of both threads, and mean
something where others are at work too. Peak memory is resident, by step; "own" leaves out pages of
mapped files, which the system takes back when it needs them. Wants 20 GB of disk, and a machine
with 12 GB to spare. Results go to results/NAME-LAYERS.json and are printed as a table.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from common.tables import table
from edgembed.bench.machine import describe
from shapes.checkpoints import SHAPES, write

_MIB = 2**20
_PAUSE = 0.02
_STEP = re.compile(r"\[\d+/\d+\] (.+?)  ([\d.]+) s")
_EDGEMBED_EXPORT = "import sys; from edgembed_export.cli import main; sys.exit(main(sys.argv[1:]))"


def main() -> None:
    options, rest = _options()
    shape = SHAPES[options.shape]
    layers = options.layers or shape.layers
    name = f"{options.shape}-{layers}"
    folder = options.work / name
    checkpoint, bundle = folder / "checkpoint", folder / "bundle"
    if not (checkpoint / "modules.json").is_file():  # the last file that `write` writes
        write(shape, layers, options.tokenizer, checkpoint)
    found = run([str(checkpoint), str(bundle), "--overwrite", "--json", *rest])
    result = {"shape": options.shape, "layers": layers, "options": rest, **found}
    if found["exit_code"] == 0 and not options.keep:
        shutil.rmtree(bundle)
    document = {"machine": describe(), **result}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    print(text(result))
    sys.exit(found["exit_code"])


def _options() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoint and bundle")
    parser.add_argument("--layers", type=int, help="fewer than the shape has, for a quick look")
    parser.add_argument("--tokenizer", type=Path, help="a fast tokenizer's folder")
    parser.add_argument("--keep", action="store_true", help="leave the bundle where it is")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    return parser.parse_known_args()


def run(arguments: list[str]) -> dict[str, Any]:
    """edgembed-export in a process of its own: exit code, steps, and what it printed."""
    start = time.perf_counter()
    # A terminal's worth of Python: -c, so that it is this environment's edgembed_export.
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _EDGEMBED_EXPORT, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_environment(),
    )  # fmt: skip
    watch = _Watch(process.pid)
    steps, others = [], []
    assert process.stderr is not None
    for line in process.stderr:
        print(line, end="", file=sys.stderr, flush=True)
        if match := _STEP.match(line):
            steps.append({"step": match[1], "seconds": float(match[2]), **watch.used()})
        else:
            others.append(line.rstrip())
    answer = process.communicate()[0]
    watch.stop()
    return {
        "exit_code": process.returncode,
        "seconds": round(time.perf_counter() - start, 1),
        "steps": steps,
        "unfinished": watch.used(),
        "said": others,
        "result": _told(json.loads(answer)) if answer else None,
    }


def _environment() -> dict[str, str]:
    # Settings of a container that slow numpy's products down on the machine this was written on.
    slow = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
    return {name: value for name, value in os.environ.items() if name not in slow}


def _told(result: dict[str, Any]) -> dict[str, Any]:
    """The result without this machine's paths."""
    return {k: v for k, v in result.items() if k not in ("out", "model")}


class _Watch:
    """What a process used since it was last asked for, sampled (Linux)."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")
        self._lock = threading.Lock()
        self._peak = {"peak_mib": 0, "own_mib": 0}
        self._cpu = self._told = 0.0
        self._stopped = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while not self._stopped.wait(_PAUSE):
            try:
                lines = (self._folder / "status").read_text().splitlines()
                ticks = (self._folder / "stat").read_text().rpartition(")")[2].split()[11:13]
                fields = dict(line.split(":", 1) for line in lines if ":" in line)
                sizes = [int(fields[key].split()[0]) // 1024 for key in ("VmRSS", "RssAnon")]
            except (OSError, KeyError):  # it has ended
                return
            with self._lock:
                self._cpu = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
                for key, size in zip(("peak_mib", "own_mib"), sizes, strict=True):
                    self._peak[key] = max(self._peak[key], size)

    def used(self) -> dict[str, float]:
        """Since the last call: MiB, resident and without mapped files, and seconds of all CPUs."""
        with self._lock:
            peak, self._peak = self._peak, {"peak_mib": 0, "own_mib": 0}
            cpu, self._told = self._cpu - self._told, self._cpu
        return {**peak, "cpu_seconds": round(cpu, 1)}

    def stop(self) -> None:
        """Sample no more."""
        self._stopped.set()


def text(result: dict[str, Any]) -> str:
    """What people read."""
    title = f"{result['shape']}, {result['layers']} layers: exit code {result['exit_code']}"
    rows = [
        [step["step"], f"{step['seconds']:.0f}", f"{step['cpu_seconds']:.0f}", step["peak_mib"],
         step["own_mib"]]
        for step in result["steps"]
    ]  # fmt: skip
    lines = [title, "", table(["step", "s", "CPU s", "peak MiB", "own MiB"], rows), ""]
    lines += [f"{result['seconds']:.0f} s in all", *result["said"]]
    for dtype, parity in ((result["result"] or {}).get("parity") or {}).items():
        size = result["result"]["bytes_after"][dtype] / _MIB
        figures = ", ".join(f"{key} {parity[key]:.6f}" for key in ("mean", "p1", "min"))
        lines.append(f"{dtype}: {size:.0f} MiB, cosine to torch {figures}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
