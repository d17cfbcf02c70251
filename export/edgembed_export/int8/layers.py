"""The numbers of a linear layer on its way to int8, apart from any graph.

Every step gives a new `Layer` that computes the same function as before, with other ranges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgembed_export.graph.constants import array
from edgembed_export.graph.linears import Linear
from edgembed_export.int8.calibrate import Calibration, Statistics
from edgembed_export.int8.gptq import gptq
from edgembed_export.int8.recipe import Recipe
from edgembed_export.int8.weights import (
    Float,
    Quantized,
    column_scales,
    is_pair_safe,
    nearest,
)

Int64 = npt.NDArray[np.int64]

_WORTHWHILE = 0.8
"""Splitting must lower the largest value to this share of it, or it is not worth its nodes."""


@dataclass(frozen=True)
class Layer:
    """x @ weight + bias, and what x looks like."""

    weight: Float
    """(in, out)"""
    bias: Float | None
    """(out)"""
    inputs: Statistics

    @classmethod
    def of(cls, linear: Linear, calibration: Calibration) -> Layer:
        """A graph's layer. ValueError where `calibration` has not seen it."""
        if linear.name not in calibration.layers:
            raise ValueError(f"no calibration for the layer with weight {linear.name!r}")
        bias = None if linear.bias is None else _float(linear.bias)
        return cls(_float(linear.weight), bias, calibration.layers[linear.name])

    def shifted(self, shift: Float) -> Layer:
        """The layer for inputs less `shift` (in): the bias makes up for it."""
        missing = shift @ self.weight
        bias = missing if self.bias is None else self.bias + missing
        return replace(self, bias=bias, inputs=self.inputs.shifted(shift))

    def divided_input(self, factor: Float) -> Layer:
        """The layer for inputs divided by `factor` (in)."""
        return replace(
            self, weight=self.weight * factor[:, None], inputs=self.inputs.divided(factor)
        )

    def smoothed(self, factor: Float, parts: Int64) -> tuple[Layer, Float]:
        """The layer for divided inputs, and their divisor (in + len(parts)).

        Channels are divided by `factor` (in); those that `parts` names are shared out equally to
        themselves and to new channels at the end, one for each time they are named.
        """
        index = np.concatenate([np.arange(len(factor)), parts])
        shares = np.bincount(index)[index].astype(np.float32)
        # Equal parts are neighbours: of opposite signs they cancel in the bound on pairs.
        signs = np.ones(len(index), np.float32)
        signs[len(factor) + 1 :: 2] = -1
        divisor: Float = factor[index] * shares * signs
        weight = self.weight[index] * (divisor / shares)[:, None]
        layer = replace(self, weight=weight, inputs=self.inputs.picked(index).divided(divisor))
        return layer, divisor

    def divided_output(self, factor: Float) -> Layer:
        """The layer whose outputs are divided by `factor` (out)."""
        bias = None if self.bias is None else self.bias / factor
        return replace(self, weight=self.weight / factor, bias=bias)

    def without_inputs(self, units: list[int]) -> Layer:
        """The layer for inputs that are zero at `units`."""
        weight = self.weight.copy()
        weight[units] = 0
        return replace(self, weight=weight, inputs=self.inputs.without(units))

    def of_inputs(self, units: Int64, bias: bool) -> Layer:
        """The layer for the inputs `units` alone, with or without its bias."""
        return Layer(self.weight[units], self.bias if bias else None, self.inputs.picked(units))

    def of_outputs(self, units: Int64) -> Layer:
        """The layer for the outputs `units` alone."""
        bias = None if self.bias is None else self.bias[units]
        return replace(self, weight=self.weight[:, units], bias=bias)

    def without_outputs(self, units: list[int]) -> Layer:
        """The layer whose outputs are zero at `units`."""
        weight, bias = self.weight.copy(), None if self.bias is None else self.bias.copy()
        weight[:, units] = 0
        if bias is not None:
            bias[units] = 0
        return replace(self, weight=weight, bias=bias)


@dataclass(frozen=True)
class Rounded:
    """A layer in int8: integers and scales, and the float32 bias that goes with them."""

    weight: Quantized
    bias: Float | None


def _float(value: ir.Value) -> Float:
    content = array(value)
    if content is None:
        raise ValueError(f"{value.name} is not a constant")
    plain: Float = content.astype(np.float32, copy=False)
    return plain


def smoothing(layers: Sequence[Layer], alpha: float) -> Float:
    """SmoothQuant's factor of each input channel (in): divide activations, multiply weights.

    s = peak^alpha / max|w|^(1 - alpha) (Xiao et al., arXiv 2211.10438, equation 4), scaled to a
    geometric mean of 1. The layers share one input.
    """
    peak = layers[0].inputs.peak
    top = np.maximum.reduce([np.abs(layer.weight).max(axis=1) for layer in layers])
    factor = np.maximum(peak, 1e-5) ** alpha / np.maximum(top, 1e-5) ** (1.0 - alpha)
    whole: Float = (factor / np.exp(np.log(factor).mean())).astype(np.float32)
    return whole


def splits(peak: Float, most: int) -> Int64:
    """Which channels to split into equal parts, by index: one entry for each part but the first.

    Outlier channel splitting (Zhao et al. 2019, arXiv 1901.09504): x w = (x/2) w + (x/2) w. The
    part with the largest value is split, `most` times over. `peak` is (in). Empty when the largest
    value of all would not fall by much.
    """
    parts = np.ones(len(peak), np.int64)
    chosen = []
    for _ in range(most):
        largest = int(np.argmax(peak / parts))
        parts[largest] += 1
        chosen.append(largest)
    if (peak / parts).max() > _WORTHWHILE * peak.max():
        chosen = []
    return np.array(sorted(chosen), np.int64)


def rounded(layer: Layer, recipe: Recipe) -> Rounded:
    """The layer in int8, as the recipe says.

    Raises AssertionError when a matrix that must be pair-safe is not: that would be our bug.
    """
    weight = _round(layer, recipe)
    if recipe.pair_safe and not is_pair_safe(weight.values):
        raise AssertionError("a column escaped the bound on pairs")
    if not recipe.bias_correction:
        return Rounded(weight, layer.bias)
    missing = layer.inputs.mean @ (layer.weight - weight.restored)
    return Rounded(weight, missing if layer.bias is None else layer.bias + missing)


def _round(layer: Layer, recipe: Recipe) -> Quantized:
    moment, mean = layer.inputs.moment, layer.inputs.mean
    if moment is not None and recipe.bias_correction:
        # The bias takes care of the mean: what is left to fit is the covariance.
        moment = moment - np.outer(mean, mean)
    scales = column_scales(layer.weight, recipe.pair_safe)
    if recipe.rounding == "gptq" and moment is not None:
        return gptq(layer.weight, scales, moment, recipe.damping, recipe.pair_safe)
    return nearest(layer.weight, scales)


def joined(parts: Sequence[Rounded]) -> Rounded:
    """Layers of one input side by side."""
    values = np.concatenate([part.weight.values for part in parts], axis=1)
    scales = np.concatenate([part.weight.scales for part in parts])
    if all(part.bias is None for part in parts):
        return Rounded(Quantized(values, scales), None)
    biases = [
        np.zeros_like(part.weight.scales) if part.bias is None else part.bias for part in parts
    ]
    return Rounded(Quantized(values, scales), np.concatenate(biases))
