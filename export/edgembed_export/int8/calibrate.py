"""Calibration: what the activations of a lean float32 graph look like on real text."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgembed_export.graph.linears import linears
from edgembed_export.memory import give_back

Array = npt.NDArray[np.float32]

_LARGE = 1 << 20
_ROWS = 256
"""Tokens whose second moments are multiplied out at once: fewer take longer, more take memory."""
_LEGIBLE = 2
"""Characters a token, at least, of a text in the model's own language."""
_FRAGMENT = 4
"""Tokens of a fragment, special tokens included."""
_EXTREME = 0.7
"""How much the one text with the largest values says about a channel's range; what a text's range
is on average says the rest. Of all texts' extremes, one rare value would set the scale of a channel
for every text; of the average alone, a text with such a value has a range far wider than planned.
Measured with two models (benchmarks/recipes): .6 to .8 are alike, 0 and 1 worse."""


@dataclass(frozen=True)
class Statistics:
    """The inputs of one linear layer over all calibration texts, each counting the same."""

    low: Array
    """(in,) least value of each channel: between that of all texts and a text's on average."""
    high: Array
    """(in,) greatest value of each channel, likewise."""
    centre: Array
    """(in,) the middle between a text's least and greatest value of each channel, on average."""
    mean: Array
    """(in,) mean of each channel."""
    moment: Array | None
    """(in, in) second moment, mean of x^T x, or None when it was not asked for. float32: those of
    a large model are GiBs."""

    @property
    def peak(self) -> Array:
        """(in,) largest absolute value of each channel, as far as `low` and `high` tell."""
        peak: Array = np.maximum(np.abs(self.low), np.abs(self.high))
        return peak

    def shifted(self, shift: Array) -> Statistics:
        """Of inputs less `shift` (in)."""
        moment = self.moment
        if moment is not None:
            moment = moment - np.outer(shift, self.mean) - np.outer(self.mean, shift)
            moment += np.outer(shift, shift)
        edges = (self.low - shift, self.high - shift, self.centre - shift)
        return Statistics(*edges, self.mean - shift, moment)

    def divided(self, factor: Array) -> Statistics:
        """Of inputs divided by `factor` (in)."""
        moment = self.moment
        if moment is not None:
            moment = moment / np.outer(factor, factor)
        ends = self.low / factor, self.high / factor
        edges = (np.minimum(*ends), np.maximum(*ends), self.centre / factor)
        return Statistics(*edges, self.mean / factor, moment)

    def picked(self, index: npt.NDArray[np.int64]) -> Statistics:
        """Of inputs rearranged: channel i is what channel index[i] was."""
        moment = None if self.moment is None else self.moment[np.ix_(index, index)]
        edges = (self.low[index], self.high[index], self.centre[index])
        return Statistics(*edges, self.mean[index], moment)

    def without(self, units: list[int]) -> Statistics:
        """Of inputs that are zero at `units`."""
        used = np.ones(len(self.mean), np.float32)
        used[units] = 0
        edges = (self.low * used, self.high * used, self.centre * used)
        moment = None if self.moment is None else self.moment.copy()
        if moment is not None:
            moment[units] = moment[:, units] = 0
        return Statistics(*edges, self.mean * used, moment)


@dataclass(frozen=True)
class Calibration:
    """Statistics by the name of the layer's weight."""

    layers: Mapping[str, Statistics]
    tokens: int
    rounded: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)
    """Layers already rounded, by recipe and weight: two graphs of one model share them."""


def calibrate(
    model: ir.Model, texts: Iterable[Sequence[int]], *, moments: bool = False, threads: int = 1
) -> Calibration:
    """Run the lean float32 `model` on `texts` and collect what every Gemm is given.

    `texts` are token ids with special tokens, one list a text, run one by one without padding; the
    caller tokenises, with the prompts that will be used. Their beginnings and ends are run as texts
    of their own. `moments` collects second moments too (needed for "gptq" rounding). Raises
    ValueError when there is no text.
    """
    ids = [np.asarray(text, np.int64)[None] for text in _with_fragments(texts)]
    if not ids:
        raise ValueError("calibration needs at least one text")
    sources: dict[str, list[str]] = {}
    for linear in linears(model.graph):
        sources.setdefault(linear.input.name or "", []).append(linear.name)
    totals: dict[str, _Total] = {}
    with tempfile.TemporaryDirectory() as folder:
        run = _session(model, list(sources), Path(folder), threads)
        for text in ids:
            for name, matrix in zip(sources, run(list(sources), text), strict=True):
                totals.setdefault(name, _Total(moments)).add(matrix)
    del run  # onnxruntime's own copy of the weights
    give_back()
    inputs = {name: total.statistics() for name, total in totals.items()}
    layers = {weight: inputs[name] for name, weights in sources.items() for weight in weights}
    return Calibration(layers, sum(text.size for text in ids))


def legible(texts: Sequence[str], ids: Sequence[Sequence[int]]) -> list[Sequence[int]]:
    """The ids of texts that the tokenizer has words for; all of them when it has for none.

    An English model takes a Russian text letter by letter: such tokens are nothing its users see,
    and there are many of them.
    """
    pairs = list(zip(texts, ids, strict=True))
    kept = [own for text, own in pairs if len(text) >= _LEGIBLE * len(own)]
    return kept or list(ids)


def _with_fragments(texts: Iterable[Sequence[int]]) -> list[Sequence[int]]:
    """Texts of one to three words are where int8 is weakest, and calibration texts are longer."""
    whole = list(texts)
    long = [text for text in whole if len(text) > 2 * _FRAGMENT]
    beginnings = [[*text[: _FRAGMENT - 1], text[-1]] for text in long]
    ends = [[text[0], *text[1 - _FRAGMENT :]] for text in long]
    return [*whole, *beginnings, *ends]


class _Total:
    """Running sums in which every text counts the same, however many tokens it has.

    Nothing is copied at the end: all the second moments of a model are there at once.

    A short text's vector is the mean of few tokens, so each of them matters more.
    """

    def __init__(self, moments: bool) -> None:
        self._moments = moments
        self._texts = 0
        self._low: Any = np.float32(np.inf)
        self._high: Any = np.float32(-np.inf)
        self._lows: Any = 0.0
        self._highs: Any = 0.0
        self._sum: Any = 0.0
        self._moment: Any = None
        self._waiting: list[Array] = []

    def add(self, matrix: Array) -> None:
        """Count one text: (tokens, in)."""
        self._texts += 1
        low, high = matrix.min(axis=0), matrix.max(axis=0)
        self._low, self._high = np.minimum(self._low, low), np.maximum(self._high, high)
        self._lows = self._lows + low.astype(np.float64)
        self._highs = self._highs + high.astype(np.float64)
        self._sum = self._sum + matrix.mean(axis=0, dtype=np.float64)
        if self._moments:
            self._waiting.append(matrix / np.float32(np.sqrt(len(matrix))))
            if sum(len(rows) for rows in self._waiting) >= _ROWS:
                self._multiply()

    def _multiply(self) -> None:
        # Many texts at once: a product per text would spend its time on adding up the results.
        if self._waiting:
            rows = np.concatenate(self._waiting)
            product = rows.T @ rows
            if self._moment is None:
                self._moment = product
            else:
                self._moment += product
            self._waiting = []

    def statistics(self) -> Statistics:
        """What was counted; to be asked for once, at the end."""
        self._multiply()
        if self._moments:
            self._moment /= self._texts
        lows, highs, mean = (s / self._texts for s in (self._lows, self._highs, self._sum))
        low = _EXTREME * self._low + (1 - _EXTREME) * lows
        high = _EXTREME * self._high + (1 - _EXTREME) * highs
        middle = ((lows + highs) / 2).astype(np.float32)
        edges = low.astype(np.float32), high.astype(np.float32), middle
        return Statistics(*edges, mean.astype(np.float32), self._moment)


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
