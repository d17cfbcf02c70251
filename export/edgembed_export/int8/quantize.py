"""The lean float32 graph with int8 weights.

Each linear layer becomes onnxruntime's DynamicQuantizeMatMul: it quantises its input with one scale
for the whole tensor, so a text must be run alone for its vector not to depend on others. What makes
that accurate is done to the weights beforehand (see `Recipe`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import common

from edgembed_export.graph.constants import ORT, ORT_VERSION, array
from edgembed_export.graph.linears import Linear, linears
from edgembed_export.int8.bands import block, cut
from edgembed_export.int8.calibrate import Calibration
from edgembed_export.int8.edit import Editor
from edgembed_export.int8.flatten import drop_matrix_forms
from edgembed_export.int8.layers import Layer, Rounded, joined, rounded, smoothing, splits
from edgembed_export.int8.recipe import Recipe
from edgembed_export.int8.tokens import scaled_by_token
from edgembed_export.int8.units import keep_units
from edgembed_export.int8.upstream import upstream
from edgembed_export.int8.weights import by_row

_SMALLEST_TABLE = 1024
"""Rows from which an embedding table is worth quantising; tables of positions stay float32."""
_FREE = {"out": "out", "down": "gated"}
"""How the recipe calls the smoothing of a role's inputs in the layer before."""
_LAST_AXIS = ir.AttrInt64("axis", -1)


@dataclass(frozen=True)
class QuantizeReport:
    """What the quantiser did."""

    layers: int
    tables: int
    smoothed: int
    """Inputs that are smoothed at run time; attention's values are at no cost."""
    split_channels: int
    exact_units: int
    banded: int
    """Feed-forward blocks cut into two bands."""
    pair_safe: bool
    """Whether every int8 matrix was proved free of 16-bit saturation."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a manifest."""
        return dict(self.__dict__)


def quantize(
    model: ir.Model, recipe: Recipe, calibration: Calibration
) -> tuple[ir.Model, QuantizeReport]:
    """The int8 form of a lean float32 `model` (from `rewrite`, masked or not) and a report.

    The same weights come out bit for bit for the masked and the maskless graph, so both can share
    one data file. `model` is not changed. Raises ValueError when `calibration` lacks a layer.
    """
    copy = model.clone()
    report = _Quantizer(copy.graph, recipe, calibration).quantize()
    common.RemoveUnusedNodesPass()(copy)
    drop_matrix_forms(copy)
    common.TopologicalSortPass()(copy)
    copy.opset_imports[ORT] = ORT_VERSION
    return copy, report


class _Quantizer:
    """A graph on its way to int8: the layers' numbers first, then their nodes."""

    def __init__(self, graph: ir.Graph, recipe: Recipe, calibration: Calibration) -> None:
        self._editor = Editor(graph)
        self._recipe = recipe
        self._rounded = calibration.rounded
        self._smoothed = self._split = 0
        self._linears = linears(graph)
        self._layers = {linear.name: Layer.of(linear, calibration) for linear in self._linears}
        self._free: dict[str, tuple[str, float]] = {}
        """By layer: the one after it, whose input is smoothed here at no cost, and its alpha."""
        self._gated: set[str] = set()
        """Layers whose inputs are the values of a layer before, times a gate or attention."""
        self._apart: set[str] = set()
        """Layers of one input that stay products of their own: bands of a feed-forward block."""

    def quantize(self) -> QuantizeReport:
        groups: dict[ir.Value, list[Linear]] = defaultdict(list)
        whole = len(self._linears)
        units = self._blocks()
        for linear in self._linears:
            groups[linear.input].append(linear)
            source, alpha = upstream(linear), self._recipe.alpha(_FREE.get(linear.role, ""))
            if source is not None:
                self._gated.add(linear.name)
            if source is not None and alpha:
                self._free[source.name] = linear.name, alpha
        for value, group in groups.items():
            self._group(value, group)
        tables = self._tables() if self._recipe.embeddings else 0
        return QuantizeReport(
            layers=whole,
            tables=tables,
            smoothed=self._smoothed,
            split_channels=self._split,
            exact_units=units,
            banded=len(self._apart) // 4,
            pair_safe=self._recipe.pair_safe,
        )

    def _blocks(self) -> int:
        """Keep and cut units of the feed-forward blocks; how many are kept."""
        kept = 0
        for whole in filter(None, [block(end) for end in self._linears if end.role == "down"]):
            kept += keep_units(self._editor, whole, self._layers, self._recipe.exact_units)
            self._apart |= cut(self._editor, whole, self._layers, self._recipe.coarse_band)
        self._linears = linears(self._editor.graph)
        return kept

    def _smooth_next(self, name: str) -> None:
        """Divide the outputs of a layer so that the next one's inputs are smoothed.

        As late as can be: the next layer's numbers are then there twice, and there are many layers.
        """
        after, alpha = self._free[name]
        factor = smoothing([self._layers[after]], alpha)
        self._layers[after] = self._layers[after].divided_input(factor)
        self._layers[name] = self._layers[name].divided_output(factor)

    def _group(self, value: ir.Value, group: Sequence[Linear]) -> None:
        """Quantise the layers that share one input."""
        for linear in group:
            if linear.name in self._free:
                self._smooth_next(linear.name)
        role = group[0].role
        if self._recipe.alpha(role) and role != "out":
            value = self._smooth(value, group, self._recipe.alpha(role))
        if len(group) > 1 and group[0].name not in self._apart:
            self._fused(value, group)
            return
        for linear in group:
            out = self._alone(linear, value)
            linear.output.replace_all_uses_with(out, replace_graph_outputs=True)

    def _smooth(self, value: ir.Value, group: Sequence[Linear], alpha: float) -> ir.Value:
        """Centre and divide the input's channels, the largest into parts; the weights make up."""
        name, node = group[0].name, group[0].node
        members = [self._layers[linear.name] for linear in group]
        if self._recipe.centre:
            shift = members[0].inputs.centre
            members = [layer.shifted(shift) for layer in members]
            middle = self._editor.constant(f"{name}.centre", shift)
            value = self._editor.insert(node, "Sub", [value, middle])
        factor = smoothing(members, alpha)
        parts = splits(members[0].inputs.peak / factor, self._recipe.split)
        if len(parts):
            places = self._editor.constant(f"{name}.parts", parts)
            again = self._editor.insert(node, "Gather", [value, places], "", [_LAST_AXIS])
            value = self._editor.insert(node, "Concat", [value, again], "", [_LAST_AXIS])
        divisor = factor
        for linear, layer in zip(group, members, strict=True):
            self._layers[linear.name], divisor = layer.smoothed(factor, parts)
        self._smoothed += 1
        self._split += len(parts)
        inverse = self._editor.constant(f"{name}.smooth", (1.0 / divisor).astype(np.float32))
        return self._editor.insert(node, "Mul", [value, inverse])

    def _round(self, linear: Linear) -> Rounded:
        key, layer = (self._recipe, linear.name), self._layers.pop(linear.name)
        if key not in self._rounded:
            self._rounded[key] = rounded(layer, self._recipe)
        result: Rounded = self._rounded[key]
        return result

    def _alone(self, linear: Linear, source: ir.Value) -> ir.Value:
        """The product of a layer that shares its input with no other."""
        layer = self._round(linear)
        is_gated = linear.role == "down" and linear.name in self._gated
        if not (is_gated and self._recipe.by_token):
            return self._product(linear, linear.name, source, layer)
        source, scale = scaled_by_token(self._editor, linear.node, source)
        bias, layer = layer.bias, replace(layer, bias=None)
        product = self._product(linear, linear.name, source, layer)
        product = self._editor.insert(linear.node, "Mul", [product, scale])
        if bias is None:
            return product
        added = self._editor.constant(f"{linear.name}.bias", bias)
        return self._editor.insert(linear.node, "Add", [product, added])

    def _product(self, linear: Linear, name: str, source: ir.Value, layer: Rounded) -> ir.Value:
        integers = self._editor.constant(f"{name}.int8", layer.weight.values)
        scales = self._editor.constant(f"{name}.scale", layer.weight.scales)
        inputs = [source, integers, scales]
        if layer.bias is not None:
            bias = self._editor.constant(f"{name}.bias", layer.bias)
            return self._editor.insert(
                linear.node, "DynamicQuantizeMatMul", [*inputs, None, bias], ORT
            )
        return self._editor.insert(linear.node, "DynamicQuantizeMatMul", inputs, ORT)

    def _fused(self, source: ir.Value, group: Sequence[Linear]) -> None:
        """One product and a Split for layers of one input: it is quantised once."""
        name, parts = f"{group[0].name}.fused", [self._round(linear) for linear in group]
        first = min(group, key=self._linears.index)
        whole = self._product(first, name, source, joined(parts))
        widths = np.array([len(part.weight.scales) for part in parts], np.int64)
        sizes = self._editor.constant(f"{name}.widths", widths)
        outputs = self._editor.insert_many(
            first.node, "Split", [whole, sizes], len(group), "", [_LAST_AXIS]
        )
        for linear, output in zip(group, outputs, strict=True):
            linear.output.replace_all_uses_with(output, replace_graph_outputs=True)

    def _tables(self) -> int:
        """Word embeddings as int8 rows: Gather, Cast, Mul by the row's scale."""
        count = 0
        for node in list(self._editor.graph):
            table = array(node.inputs[0]) if node.op_type == "Gather" else None
            if table is None or table.ndim != 2 or len(table) < _SMALLEST_TABLE:
                continue
            if table.dtype != np.float32 or node.inputs[0] is None:
                continue
            quantized, name = by_row(table.astype(np.float32)), node.inputs[0].name
            rows = self._editor.constant(f"{name}.int8", quantized.values)
            scales = self._editor.constant(f"{name}.scale", quantized.scales)
            looked_up = self._editor.insert(node, "Gather", [rows, node.inputs[1]])
            scale = self._editor.insert(node, "Gather", [scales, node.inputs[1]])
            to_float = [ir.AttrInt64("to", int(ir.DataType.FLOAT))]
            cast = self._editor.insert(node, "Cast", [looked_up], "", to_float)
            node.outputs[0].replace_all_uses_with(self._editor.insert(node, "Mul", [cast, scale]))
            count += 1
        return count
