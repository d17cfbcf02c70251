"""Accuracy and speed of every INT8 recipe that was tried, on one checkpoint.

    python benchmarks/recipes/run.py CHECKPOINT --data FOLDER [--prompt "query: "] [--only NAME]

Accuracy is the cosine of pooled vectors to the float32 graph's (which equals torch's to 1e-6);
speed is the session's alone, all variants taking turns in one process. The texts are never those
of the calibration. Results go to results/NAME.md and .json beside this file.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import onnx_ir as ir

import edgembed  # noqa: F401  (turns onnxruntime's telemetry off before it is imported)
from common.tables import table
from edgembed.agreement import cosines, neighbour_agreement
from edgembed.bench.machine import describe
from edgembed_export.checkpoint import read_checkpoint
from edgembed_export.convert import convert
from edgembed_export.corpus import read_texts
from edgembed_export.graph import rewrite
from edgembed_export.int8.calibrate import Calibration, calibrate, legible
from edgembed_export.int8.quantize import quantize
from edgembed_export.reference import TorchReference
from recipes.variants import VARIANTS, Variant

LENGTHS = (8, 32, 128, 512)
REPEATS = {8: 12, 32: 6, 128: 2, 512: 1}
PLAIN = "optimum float32"
Row = dict[str, Any]


def main() -> None:
    options = _options()
    checkpoint = read_checkpoint(options.checkpoint, options.checkpoint.name, None, None)
    reference = TorchReference(checkpoint)
    texts = [options.prompt + text for text in read_data(options.data, options.english)]
    ids = [reference.token_ids(text) for text in texts]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain = convert(checkpoint.transformer, folder / "plain")
        lean = rewrite(ir.load(plain), dict(checkpoint.config), mask=False)[0]
        own = [options.prompt + text for text in read_texts(None, "calibration")]
        shown = legible(own, [reference.token_ids(text) for text in own])
        material = Material(lean, plain, shown, calibrate(lean, shown, moments=True), folder)
        paths = {PLAIN: plain, "lean float32": _saved(lean, folder, "lean")}
        for variant in VARIANTS:
            if options.only in variant.name:
                print(variant.name, file=sys.stderr, flush=True)
                paths[variant.name] = build(variant, material)
        rows = measure(paths, ids, options.seconds)
    write(options.checkpoint.name, rows, len(texts), options.out)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="a folder with text/*-test.txt")
    parser.add_argument("--prompt", default="")
    parser.add_argument("--english", action="store_true", help="English texts only")
    parser.add_argument("--only", default="", help="variants whose name contains this")
    parser.add_argument("--seconds", type=float, default=8.0, help="of turns for each length")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    return parser.parse_args()


def read_data(folder: Path, english: bool, count: int = 500) -> list[str]:
    """`count` sentences of the treebanks' test halves, by a fixed draw."""
    files = [folder / "text" / "en_ewt-test.txt"]
    if not english:
        files.append(folder / "text" / "ru_gsd-test.txt")
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        sys.exit(
            f"--data: {', '.join(missing)} is not there. Wanted are plain sentences, one a line: "
            "the texts of Universal Dependencies' EWT (English) and GSD (Russian)."
        )
    drawn: list[str] = []
    for file in files:
        lines = list(dict.fromkeys(filter(None, file.read_text("utf-8").split("\n"))))
        order = np.random.default_rng(0).permutation(len(lines))[: count // len(files)]
        drawn += [lines[index] for index in order]
    return drawn


@dataclass(frozen=True)
class Material:
    """What variants are made of: the float32 graphs, the calibration's texts and what it saw."""

    lean: ir.Model
    plain: Path
    texts: Sequence[Sequence[int]]
    calibration: Calibration
    folder: Path


def build(variant: Variant, made: Material) -> Path:
    """The variant's graph on disk."""
    name = re.sub(r"\W+", "_", variant.name)
    if variant.recipe is None:
        from onnxruntime.quantization import QuantType, quantize_dynamic

        # What AutoQuantizationConfig.avx2(is_static=False, per_channel=True) asks of onnxruntime.
        path = made.folder / f"{name}.onnx"
        quantize_dynamic(
            made.plain, path, per_channel=True, weight_type=QuantType.QUInt8,
            op_types_to_quantize=["MatMul", "Attention", "Gather"],
        )  # fmt: skip
        return path
    model = quantize(made.lean, variant.recipe, made.calibration)[0]
    if variant.change is not None:
        variant.change(model, made.texts)
    return _saved(model, made.folder, name)


def _saved(model: ir.Model, folder: Path, name: str) -> Path:
    ir.save(model, folder / f"{name}.onnx", external_data=f"{name}.data")
    return folder / f"{name}.onnx"


def measure(paths: dict[str, Path], ids: Sequence[Sequence[int]], seconds: float) -> list[Row]:
    """A row for every path: accuracy against the lean float32 graph, then speed in turns."""
    runs = {name: _session(path) for name, path in paths.items()}
    exact = _vectors(runs["lean float32"], ids)
    rows = []
    for name, run in runs.items():
        rows.append({"variant": name, **_accuracy(exact, _vectors(run, ids))})
        rows[-1]["megabytes"] = (
            sum(file.stat().st_size for file in paths[name].parent.glob(f"{paths[name].stem}.*"))
            / 1e6
        )
    for length in LENGTHS:
        samples = _turns(runs, length, seconds)
        base = np.array(samples[PLAIN])
        for row in rows:
            own = np.array(samples[row["variant"]])
            row[f"ms_{length}"], row[f"x_{length}"] = median(own), float(np.median(base / own))
    return rows


def _session(path: Path) -> Callable[[Any], Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]

    def run(ids: Any) -> Any:
        whole = {"attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        return session.run(None, {n: ids if n == "input_ids" else whole[n] for n in names})[0]

    return run


def _vectors(run: Callable[[Any], Any], ids: Sequence[Sequence[int]]) -> Any:
    rows = np.stack([run(np.array([own], np.int64))[0].mean(axis=0) for own in ids])
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _accuracy(exact: Any, found: Any) -> Row:
    cosine = cosines(exact, found)
    return {
        "mean": float(cosine.mean()),
        "p1": float(np.quantile(cosine, 0.01)),
        "min": float(cosine.min()),
        "top1": neighbour_agreement(exact, found),
    }


def _turns(
    runs: dict[str, Callable[[Any], Any]], length: int, seconds: float
) -> dict[str, list[float]]:
    """Milliseconds of every variant, which take turns until the time is up."""
    ids = np.random.default_rng(0).integers(1000, 20000, (1, length))
    samples: dict[str, list[float]] = {name: [] for name in runs}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(samples[PLAIN]) < 5:
        for name, run in runs.items():
            run(ids)
            start = time.perf_counter()
            for _ in range(REPEATS[length]):
                run(ids)
            samples[name].append((time.perf_counter() - start) / REPEATS[length] * 1e3)
    return samples


def write(name: str, rows: Sequence[Row], count: int, folder: Path) -> None:
    """results/NAME.json for programs and NAME.md for people."""
    folder.mkdir(parents=True, exist_ok=True)
    machine = describe()
    command = shlex.join(["python", "benchmarks/recipes/run.py", name, *_told(sys.argv[2:])])
    document = {"command": command, "machine": machine, "texts": count, "rows": rows}
    (folder / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    header = ["variant", "mean", "p1", "min", "top-1", *(f"x at {n}" for n in LENGTHS), "MB"]
    body = [
        [row["variant"], *(f"{row[key]:.5f}" for key in ("mean", "p1", "min")),
         f"{row['top1']:.3f}", *(f"{row[f'x_{n}']:.2f}" for n in LENGTHS),
         f"{row['megabytes']:.1f}"]
        for row in rows
    ]  # fmt: skip
    text = (
        f"# INT8 recipes on {name}\n\n{table(header, body)}\n\n"
        f"Cosines to float32 over {count} sentences; speed as a multiple of {PLAIN} at 8, 32, 128 "
        f"and 512 tokens, one thread, medians of turns.\n\nMachine: {machine['cpu']}, flags "
        f"{' '.join(machine['flags'])}, {machine['date']}.\n\n    {command}\n"
    )
    (folder / f"{name}.md").write_text(text, "utf-8")
    print(text)


def _told(arguments: Sequence[str]) -> list[str]:
    """The command line without the paths of this machine."""
    told = list(arguments)
    for option in ("--data", "--out"):
        if option in told:
            told[told.index(option) + 1] = option.strip("-").upper()
    return told


if __name__ == "__main__":
    main()
