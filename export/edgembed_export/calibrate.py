"""Calibration: what the activations of a lean float32 graph look like on real text."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from .graph.linears import linears

Array = npt.NDArray[np.float32]

_LARGE = 1 << 20
_GRAM_BUDGET = 1 << 30
"""Bytes of second moments collected in one pass; larger models take more passes."""


@dataclass(frozen=True)
class Statistics:
    """The inputs of one linear layer over all calibration tokens."""

    peak: Array
    """(in,) largest absolute value of each channel."""
    mean: Array
    """(in,) mean of each channel."""
    moment: npt.NDArray[np.float64] | None
    """(in, in) second moment x^T x / tokens, or None when it was not asked for."""


@dataclass(frozen=True)
class Calibration:
    """Statistics by the name of the layer's weight."""

    layers: Mapping[str, Statistics]
    tokens: int


def calibrate(
    model: ir.Model, texts: Iterable[Sequence[int]], *, moments: bool = False, threads: int = 1
) -> Calibration:
    """Run the lean float32 `model` on `texts` and collect what every Gemm is given.

    `texts` are token ids with special tokens, one list a text, run one by one without padding; the
    caller tokenises, with the prompts that will be used. `moments` collects second moments too
    (needed for "gptq" rounding and bias correction). Raises ValueError when there is no text.
    """
    ids = [np.asarray(text, np.int64)[None] for text in texts]
    if not ids:
        raise ValueError("calibration needs at least one text")
    sources: dict[str, list[str]] = {}
    for linear in linears(model.graph):
        sources.setdefault(linear.input.name or "", []).append(linear.name)
    totals: dict[str, _Total] = {}
    with tempfile.TemporaryDirectory() as folder:
        run = _session(model, list(sources), Path(folder), threads)
        for names in _passes(model, sources, moments):
            for text in ids:
                for name, matrix in zip(names, run(names, text), strict=True):
                    totals.setdefault(name, _Total(moments)).add(matrix)
    layers = {
        weight: total.statistics() for name, total in totals.items() for weight in sources[name]
    }
    return Calibration(layers, sum(text.size for text in ids))


class _Total:
    """Running sums over the tokens."""

    def __init__(self, moments: bool) -> None:
        self._moments = moments
        self._count = 0
        self._peak: Any = 0.0
        self._sum: Any = 0.0
        self._moment: Any = 0.0

    def add(self, matrix: Array) -> None:
        self._count += len(matrix)
        self._peak = np.maximum(self._peak, np.abs(matrix).max(axis=0))
        self._sum = self._sum + matrix.sum(axis=0, dtype=np.float64)
        if self._moments:
            self._moment = self._moment + (matrix.T @ matrix).astype(np.float64)

    def statistics(self) -> Statistics:
        mean = (self._sum / self._count).astype(np.float32)
        return Statistics(self._peak, mean, self._moment / self._count if self._moments else None)


def _passes(
    model: ir.Model, sources: Mapping[str, Sequence[str]], moments: bool
) -> list[list[str]]:
    """Values in groups small enough that their statistics fit the memory budget."""
    if not moments:
        return [list(sources)]
    groups: list[list[str]] = [[]]
    used = 0
    for name, weights in sources.items():
        shape = model.graph.initializers[weights[0]].shape
        size = 8 * int(shape[0]) ** 2 if shape is not None else 0  # type: ignore[arg-type]
        if used and used + size > _GRAM_BUDGET:
            groups.append([])
            used = 0
        groups[-1].append(name)
        used += size
    return groups


def _session(model: ir.Model, names: Sequence[str], folder: Path, threads: int) -> Any:
    """A function from (names of values, ids (1, tokens)) to the values of `model` on them."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime as ort

    probe = model.clone()
    values = {v.name: v for node in probe.graph for v in node.outputs}
    for name in names:
        values[name].type = ir.TensorType(ir.DataType.FLOAT)
        probe.graph.outputs.append(values[name])
    path = folder / "probe.onnx"
    ir.save(probe, path, external_data="probe.onnx_data", size_threshold_bytes=_LARGE)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    masked = len(session.get_inputs()) > 1

    def run(wanted: Sequence[str], ids: npt.NDArray[np.int64]) -> list[Array]:
        feed = {"input_ids": ids}
        if masked:
            feed["attention_mask"] = np.ones_like(ids)
        outputs: list[Array] = session.run(list(wanted), feed)
        return outputs

    return run
