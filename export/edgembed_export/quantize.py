"""The lean float32 graph with int8 weights.

Each linear layer becomes onnxruntime's DynamicQuantizeMatMul: it quantises its input with one scale
for the whole tensor, so a text must be run alone for its vector not to depend on others. What makes
that accurate is done to the weights beforehand (see `Recipe`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import common

from .calibrate import Calibration, Statistics
from .graph.constants import ORT, ORT_VERSION, add_initializer, array
from .graph.linears import Linear, linears
from .recipe import Recipe
from .weights import Float, Quantized, by_row, column_scales, is_pair_safe, nearest, smoothing

_SMALLEST_TABLE = 1024
"""Rows from which an embedding table is worth quantising; tables of positions stay float32."""


@dataclass(frozen=True)
class QuantizeReport:
    """What the quantiser did."""

    layers: int
    tables: int
    smoothed: int
    exact_units: int
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
    graph = _Graph(model.clone(), recipe, calibration.layers)
    report = graph.quantize()
    return graph.model, report


class _Graph:
    """A graph on its way to int8."""

    def __init__(
        self, model: ir.Model, recipe: Recipe, statistics: Mapping[str, Statistics]
    ) -> None:
        self.model = model
        self._graph = model.graph
        self._recipe = recipe
        self._statistics = statistics
        self._units = 0
        self._inserted = 0
        self._smoothed = 0
        self._safe = True

    def quantize(self) -> QuantizeReport:
        groups: dict[ir.Value, list[Linear]] = defaultdict(list)
        found = linears(self._graph)
        for linear in found:
            if linear.name not in self._statistics:
                raise ValueError(f"no calibration for the layer with weight {linear.name!r}")
            groups[linear.input].append(linear)
        weights = {linear.name: _float(linear.weight) for linear in found}
        for group in groups.values():
            if group[0].role == "down" and self._recipe.exact_units:
                self._keep_units(group[0], weights)
        for value, group in groups.items():
            self._group(value, group, weights)
        tables = self._tables() if self._recipe.embeddings else 0
        common.RemoveUnusedNodesPass()(self.model)
        common.TopologicalSortPass()(self.model)
        self.model.opset_imports[ORT] = ORT_VERSION
        return QuantizeReport(len(found), tables, self._smoothed, self._units, self._safe)

    def _group(self, value: ir.Value, group: list[Linear], weights: Mapping[str, Float]) -> None:
        """Quantise the layers that share one input."""
        factor = None
        source = value
        if group[0].role in self._recipe.smooth:
            peak = self._statistics[group[0].name].peak
            factor = smoothing(peak, [weights[linear.name] for linear in group], self._recipe.alpha)
            name = f"{group[0].name}.smooth"
            inverse = add_initializer(self._graph, name, (1.0 / factor).astype(np.float32))
            source = self._insert(group[0].node, "Mul", [value, inverse])
            self._smoothed += 1
        for linear in group:
            weight = weights[linear.name]
            self._replace(linear, source, weight if factor is None else weight * factor[:, None])

    def _replace(self, linear: Linear, source: ir.Value, weight: Float) -> None:
        quantized = self._round(weight)
        integers = add_initializer(self._graph, f"{linear.name}.int8", quantized.values)
        scales = add_initializer(self._graph, f"{linear.name}.scale", quantized.scales)
        inputs = [source, integers, scales, None, linear.node.inputs[2] if linear.bias else None]
        while inputs[-1] is None:
            inputs.pop()
        out = self._insert(linear.node, "DynamicQuantizeMatMul", inputs, ORT)
        linear.output.replace_all_uses_with(out, replace_graph_outputs=True)

    def _round(self, weight: Float) -> Quantized:
        scales = column_scales(weight, self._recipe.pair_safe)
        quantized = nearest(weight, scales)
        self._safe &= is_pair_safe(quantized.values)
        if self._recipe.pair_safe and not self._safe:
            raise AssertionError("a column escaped the bound on pairs")
        return quantized

    def _keep_units(self, down: Linear, weights: dict[str, Float]) -> None:
        """Compute the feed-forward units of the largest activations in float32, beside the rest.

        The unit stays in the quantised layers as zeros (so that shapes keep their round sizes) and
        is added to the residual: Gemm(activation(Gemm(x, columns)), rows, residual).
        """
        activation = down.input.producer()
        up = None if activation is None else activation.inputs[0]
        gemm = None if up is None else up.producer()
        add = _only_add(down.output)
        if activation is None or gemm is None or gemm.op_type != "Gemm" or add is None:
            return
        first = Linear(gemm, "up")
        units = self._largest(down)
        columns, rows = weights[first.name][:, units], weights[down.name][units]
        weights[first.name] = _without(weights[first.name], units, axis=1)
        weights[down.name] = _without(weights[down.name], units, axis=0)
        bias = None if first.bias is None else _float(first.bias)
        inputs = [first.input, self._constant(f"{first.name}.units", columns)]
        if bias is not None and first.bias is not None:
            inputs.append(self._constant(f"{first.bias.name}.units", bias[units]))
            rest = self._constant(f"{first.bias.name}.rest", _without(bias, units, axis=0))
            gemm.replace_input_with(2, rest)
        hidden = self._insert(gemm, "Gemm", inputs)
        kept = self._insert(gemm, activation.op_type, [hidden], activation.domain)
        place = 1 - next(use.idx for use in down.output.uses() if use.node is add)
        last = [kept, self._constant(f"{down.name}.units", rows), add.inputs[place]]
        add.replace_input_with(place, self._insert(add, "Gemm", last))
        self._units += len(units)

    def _largest(self, down: Linear) -> list[int]:
        peak = self._statistics[down.name].peak
        order = np.argsort(-peak, kind="stable")[: self._recipe.exact_units]
        return sorted(int(unit) for unit in order)

    def _tables(self) -> int:
        """Word embeddings as int8 rows: Gather, Cast, Mul by the row's scale."""
        count = 0
        for node in list(self._graph):
            table = array(node.inputs[0]) if node.op_type == "Gather" else None
            if table is None or table.ndim != 2 or len(table) < _SMALLEST_TABLE:
                continue
            if table.dtype != np.float32 or node.inputs[0] is None:
                continue
            quantized, name = by_row(table.astype(np.float32)), node.inputs[0].name
            rows = self._constant(f"{name}.int8", quantized.values)
            scales = self._constant(f"{name}.scale", quantized.scales)
            looked_up = self._insert(node, "Gather", [rows, node.inputs[1]])
            scale = self._insert(node, "Gather", [scales, node.inputs[1]])
            to_float = [ir.AttrInt64("to", int(ir.DataType.FLOAT))]
            cast = self._insert(node, "Cast", [looked_up], "", to_float)
            node.outputs[0].replace_all_uses_with(self._insert(node, "Mul", [cast, scale]))
            count += 1
        return count

    def _constant(self, name: str, content: Any) -> ir.Value:
        return add_initializer(self._graph, name, np.ascontiguousarray(content))

    def _insert(
        self, before: ir.Node, kind: str, inputs: list[Any], domain: str = "", attributes: Any = ()
    ) -> ir.Value:
        node = ir.Node(domain, kind, inputs, attributes, num_outputs=1)
        self._inserted += 1
        node.outputs[0].name = f"{kind}.{self._inserted}"
        self._graph.insert_before(before, node)
        return node.outputs[0]


def _float(value: ir.Value) -> Float:
    content = array(value)
    if content is None:
        raise ValueError(f"{value.name} is not a constant")
    plain: Float = content.astype(np.float32)
    return plain


def _without(matrix: Float, units: list[int], axis: int) -> Float:
    """A copy with zeros at `units`."""
    copy: Float = matrix.copy()
    if axis == 0:
        copy[units] = 0
    else:
        copy[:, units] = 0
    return copy


def _only_add(value: ir.Value) -> ir.Node | None:
    """The Add that is the value's only use, or None."""
    uses = list(value.uses())
    return uses[0].node if len(uses) == 1 and uses[0].node.op_type == "Add" else None
