"""The export, to be read as a list: load, convert, rewrite, quantize, verify, write."""

from __future__ import annotations

import resource
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import onnx_ir as ir

from edgembed.manifest import Manifest
from edgembed_export.assemble import (
    LAYOUT,
    write_manifest,
    write_settings,
    write_tokenizer,
    write_weights,
)
from edgembed_export.checkpoint import Checkpoint, read_checkpoint
from edgembed_export.convert import convert
from edgembed_export.corpus import read_texts
from edgembed_export.finish import finish
from edgembed_export.gate import Gate
from edgembed_export.graph import rewrite
from edgembed_export.graph.bylength import attention_by_length
from edgembed_export.graph.report import operators
from edgembed_export.hub import locate
from edgembed_export.int8.calibrate import calibrate, legible
from edgembed_export.int8.quantize import quantize
from edgembed_export.int8.recipe import RECIPE, ActivationBits
from edgembed_export.labelled import read_evaluation
from edgembed_export.parity import Tolerance
from edgembed_export.reference import TorchReference
from edgembed_export.report.graphs import left
from edgembed_export.steps import Steps
from edgembed_export.verify import Verified, expect
from edgembed_export.write import staging

Graphs = Mapping[str, ir.Model]  # by layout key: "graph", "masked_graph"
Made = dict[str, Any]  # what a step did, by parity.json's key


@dataclass(frozen=True)
class Request:
    """What edgembed-export was asked for; see its --help."""

    model: str
    out: Path
    revision: str | None = None
    max_seq_length: int | None = None
    dtypes: tuple[str, ...] = ("int8", "float32")
    calibration: Path | None = None
    evaluation: Path | None = None
    tolerance: Tolerance = field(default_factory=Tolerance)
    activation_bits: ActivationBits = "auto"
    overwrite: bool = False


@dataclass(frozen=True)
class Result:
    """What stands at `out` now. Sizes in bytes, time in seconds; parity is the manifest's summary,
    graph is parity.json's account of the rewrite. activation_bits: INT8's, 0 without INT8.
    """

    out: Path
    model: str
    bytes_before: int
    bytes_after: Mapping[str, int]
    parity: Mapping[str, Any]
    graph: Mapping[str, Any]
    activation_bits: int
    seconds: float
    peak_memory_bytes: int

    def text(self) -> str:
        """A few lines for people."""
        lines = [f"{self.out}: a verified bundle of {self.model}"]
        for dtype, size in self.bytes_after.items():
            parity = self.parity[dtype]
            lines.append(
                f"  {dtype:8} {size / 1e6:6.1f} MB   cosine to torch: mean {parity['mean']:.6f}, "
                f"p1 {parity['p1']:.6f}, min {parity['min']:.6f} ({parity['count']} texts)"
            )
        if self.activation_bits > 8:
            lines.append(f"  int8 has {self.activation_bits}-bit activations: half as fast as 8")
        if plain := left(self.graph):
            lines.append(f"  left as optimum exported it: {plain} (correct, but not the leanest)")
        memory = f"{self.peak_memory_bytes / 2**20:.0f} MiB"
        lines.append(f"  took {self.seconds:.1f} s, peak memory {memory}")
        lines.append(f'  next:  python -c "from edgembed import Embedder; '
                     f"print(Embedder('{self.out}').encode('Привет').shape)\"")  # fmt: skip
        return "\n".join(lines)


def export(request: Request) -> Result:
    """Write a verified bundle to request.out, or raise and leave it as it was."""
    start = time.perf_counter()
    steps = Steps(6)
    evaluation = read_evaluation(request.evaluation)
    calibration = read_texts(request.calibration, "calibration")
    with staging(request.out, overwrite=request.overwrite) as folder:
        with steps.step("load"):
            located = locate(request.model, request.revision)
            checkpoint = read_checkpoint(
                located.folder, located.model_id, located.revision, request.max_seq_length
            )
            reference = TorchReference(checkpoint)
        with steps.step("convert (optimum)"):
            plain = ir.load(convert(checkpoint.transformer, folder / ".convert"))
        with steps.step("rewrite (lean graph)"):
            graphs, by_length, made = _rewrite(plain, checkpoint)
        with steps.step("quantize"):
            ids = _calibration_ids(reference, checkpoint, calibration)
            for dtype in request.dtypes:
                own: Graphs = {**graphs, "graph": by_length}
                if dtype == "int8":
                    own, made["int8"] = _quantize(graphs, ids)
                write_weights(folder, dtype, own)
            shutil.rmtree(folder / ".convert")
        with steps.step("verify"):
            write_tokenizer(folder, reference.tokenizer, checkpoint.max_seq_length)
            write_settings(folder, checkpoint, request.dtypes)
            expected = expect(checkpoint, reference, evaluation.texts, steps.detail)
            describe = partial(write_manifest, folder, checkpoint, request.dtypes)
            describe()
            gate = Gate(folder, expected, request.tolerance, steps, describe)
            verified = _verified(gate, request, made)
        with steps.step("write"):
            manifest = finish(folder, checkpoint, request.dtypes, verified, evaluation, made)
    return _result(request, checkpoint, manifest, made, time.perf_counter() - start)


def _rewrite(plain: ir.Model, checkpoint: Checkpoint) -> tuple[Graphs, ir.Model, Made]:
    """Both lean graphs; the maskless one as float32 runs it; what was done, as parity.json has it.

    INT8 does not choose its attention by length: it would be 1 to 6 % faster, but every vector
    would be another by rounding, and lost bars of quality that these keep (benchmarks/peers).
    """
    config = dict(checkpoint.config)
    maskless, report = rewrite(plain, config, mask=False)
    masked, masked_report = rewrite(plain, config, mask=True)
    by_length = attention_by_length(maskless)
    report = replace(report, operators=operators(by_length))
    made = {"graph": {"maskless": report.to_dict(), "masked": masked_report.to_dict()}}
    return {"graph": maskless, "masked_graph": masked}, by_length, made


def _calibration_ids(
    reference: TorchReference, checkpoint: Checkpoint, texts: Sequence[str]
) -> list[Sequence[int]]:
    """Token ids of the texts, under no prompt and each of the checkpoint's in turn."""
    prompts = list(dict.fromkeys(["", *checkpoint.prompts.texts.values()]))
    prompted = [prompts[i % len(prompts)] + text for i, text in enumerate(texts)]
    return legible(prompted, [reference.token_ids(text) for text in prompted])


def _quantize(graphs: Graphs, ids: Sequence[Sequence[int]]) -> tuple[Graphs, Made]:
    """Both graphs in INT8, with the same weights bit for bit; what was done, and the recipe."""
    calibration = calibrate(graphs["graph"], ids, moments=RECIPE.needs_moments)
    small = {name: quantize(graph, RECIPE, calibration) for name, graph in graphs.items()}
    done = {**small["graph"][1].to_dict(), "recipe": RECIPE.to_dict()}
    return {name: graph for name, (graph, _) in small.items()}, done


def _verified(gate: Gate, request: Request, made: Made) -> Verified:
    """Every dtype through the gate; what INT8 needed for it goes into its account."""
    own = {}
    for dtype in request.dtypes:
        if dtype == "int8":
            own[dtype], made["int8"]["activation_bits"] = gate.int8(request.activation_bits)
        else:
            own[dtype] = gate.passed(dtype)
    return Verified.of(gate.expected, own)


def _result(
    request: Request, checkpoint: Checkpoint, manifest: Manifest, made: Made, seconds: float
) -> Result:
    weights = checkpoint.transformer.glob("model*.safetensors")
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return Result(
        out=request.out,
        model=checkpoint.model_id,
        bytes_before=sum(path.stat().st_size for path in weights),
        bytes_after={
            dtype: sum(manifest.artifacts[LAYOUT[dtype][k]].bytes for k in ("graph", "data"))
            for dtype in request.dtypes
        },
        parity=dict(manifest.parity),
        graph=made["graph"],
        activation_bits=made.get("int8", {}).get("activation_bits", 0),
        seconds=seconds,
        peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
    )
