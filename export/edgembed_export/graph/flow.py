"""Linear layers as Gemm nodes, in a flow of matrices.

A traced linear layer is a MatMul of (batch, tokens, in) and an Add; Gemm does both at once but
takes matrices only. So the graph is walked once, keeping beside every value that has one its
matrix form (batch * tokens, features): norms, activations and residual sums then work on matrices
too, and Reshape nodes (no copy in onnxruntime) stand only where attention begins and ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from onnxscript.rewriter import pattern

from edgembed_export.graph.constants import INTERNAL, add_initializer

_BY_ROW = ("LayerNormalization", "SimplifiedLayerNormalization", "Gelu", "FastGelu", "Relu", "Tanh")
_SUMS = ("Add", "Mul")


def linear_rules() -> list[pattern.RewriteRuleSet]:
    """MatMul by a constant matrix as the stand-in `Linear`: those with a constant bias first."""
    with_bias = pattern.RewriteRule(
        lambda op, x, weight, bias: op.Add(op.MatMul(x, weight), bias), _linear, _is_linear
    )
    without_bias = pattern.RewriteRule(
        lambda op, x, weight: op.MatMul(x, weight), _linear, _is_linear
    )
    return [
        pattern.RewriteRuleSet([with_bias], commute=True),
        pattern.RewriteRuleSet([without_bias]),
    ]


def to_matrices(model: ir.Model) -> None:
    """Write every `Linear` as a Gemm and everything around it on matrices, in place."""
    flow = _Flow(model.graph)
    for node in list(model.graph):
        flow.visit(node)
    flow.finish()


def _linear(op: Any, x: ir.Value, weight: ir.Value, bias: ir.Value | None = None, **_: Any) -> Any:
    inputs = [x, weight] if bias is None else [x, weight, bias]
    return op.Linear(*inputs, _domain=INTERNAL)


def _is_linear(
    _context: Any, x: ir.Value, weight: ir.Value, bias: ir.Value | None = None, **_: Any
) -> bool:
    return (
        _constant_of_rank(weight, 2)
        and x.const_value is None
        and (bias is None or _constant_of_rank(bias, 1))
    )


def _constant_of_rank(value: ir.Value, rank: int) -> bool:
    return value.is_initializer() and value.shape is not None and value.shape.rank() == rank


class _Flow:
    """The walk's memory: a value's matrix form, and the value its leading axes come from."""

    def __init__(self, graph: ir.Graph) -> None:
        self._graph = graph
        self._matrices: dict[ir.Value, ir.Value] = {}
        self._roots: dict[ir.Value, ir.Value] = {}
        self._widths: dict[ir.Value, int] = {}
        self._tensors: dict[ir.Value, ir.Value] = {}
        self._shapes: dict[ir.Value, ir.Value] = {}

    def visit(self, node: ir.Node) -> None:
        """Put `node` on matrices if it can work on them; else give it tensors."""
        if node.op_type == "Linear" and node.domain == INTERNAL:
            self._linear(node)
        elif self._works_on_matrices(node):
            self._by_row(node)
        else:
            self._on_tensors(node)

    def finish(self) -> None:
        """Give the graph's outputs their tensors, under their old names."""
        for place, output in enumerate(self._graph.outputs):
            if output in self._matrices:
                tensor = self._tensor(output, None)
                tensor.name, output.name = output.name, f"{output.name}.plain"
                tensor.shape, tensor.type = output.shape, output.type
                self._graph.outputs[place] = tensor

    def _linear(self, node: ir.Node) -> None:
        x, weight, out = node.inputs[0], node.inputs[1], node.outputs[0]
        if x is None or weight is None or weight.shape is None:
            raise ValueError(f"the linear layer {node.name} lacks its input or weight")
        rows, columns = weight.shape.numpy()
        inputs = [self._matrix(x, rows, node), *node.inputs[1:]]
        self._matrices[out] = self._insert(node, "Gemm", inputs, out.name)
        self._roots[out], self._widths[out] = self._root(x), columns

    def _by_row(self, node: ir.Node) -> None:
        out = node.outputs[0]
        first = next(v for v in node.inputs if v in self._matrices)
        self._roots[out], self._widths[out] = self._root(first), self._widths[first]
        inputs = [
            v if v is None or _is_vector(v) else self._matrix(v, self._widths[first], node)
            for v in node.inputs
        ]
        self._matrices[out] = self._insert(
            node, node.op_type, inputs, out.name, node.domain, node.attributes.values()
        )

    def _on_tensors(self, node: ir.Node) -> None:
        if node.op_type in (*_BY_ROW, "MultiHeadAttention") and node.inputs[0] is not None:
            self._roots[node.outputs[0]] = self._root(node.inputs[0])
        for place, value in enumerate(node.inputs):
            if value in self._matrices:
                node.replace_input_with(place, self._tensor(value, node))

    def _works_on_matrices(self, node: ir.Node) -> bool:
        if not any(value in self._matrices for value in node.inputs):
            return False
        if node.op_type in _BY_ROW:
            axis = node.attributes.get("axis")
            rest = node.inputs[1:]
            return (axis is None or axis.as_int() == -1) and all(_is_vector(v) for v in rest)
        operands = [v for v in node.inputs if v is not None and not _is_vector(v)]
        return node.op_type in _SUMS and len({self._root(v) for v in operands}) == 1

    def _root(self, value: ir.Value) -> ir.Value:
        return self._roots.get(value, value)

    def _matrix(self, value: ir.Value, width: int, before: ir.Node) -> ir.Value:
        if value not in self._matrices:
            target = add_initializer(
                self._graph, f"edgembed.matrix.{width}", np.array([-1, width], np.int64)
            )
            name = f"{value.name}.matrix"
            self._matrices[value] = self._insert(before, "Reshape", [value, target], name)
            self._widths[value] = width
        return self._matrices[value]

    def _tensor(self, value: ir.Value, before: ir.Node | None) -> ir.Value:
        if value not in self._tensors:
            inputs = [self._matrices[value], self._shape(self._root(value), before)]
            name = f"{value.name}.tensor"
            self._tensors[value] = self._insert(before, "Reshape", inputs, name)
        return self._tensors[value]

    def _shape(self, root: ir.Value, before: ir.Node | None) -> ir.Value:
        """(batch, tokens, -1) of the value that has them."""
        if root not in self._shapes:
            end = [ir.AttrInt64("end", -1)]
            lead = self._insert(before, "Shape", [root], f"{root.name}.lead", "", end)
            rest = add_initializer(self._graph, "edgembed.rest", np.array([-1], np.int64))
            axis = [ir.AttrInt64("axis", 0)]
            name = f"{root.name}.shape"
            self._shapes[root] = self._insert(before, "Concat", [lead, rest], name, "", axis)
        return self._shapes[root]

    def _insert(
        self,
        before: ir.Node | None,
        kind: str,
        inputs: Sequence[ir.Value | None],
        name: str | None,
        domain: str = "",
        attributes: Any = (),
    ) -> ir.Value:
        node = ir.Node(domain, kind, inputs, attributes, num_outputs=1)
        node.outputs[0].name = f"{name}.{kind}"
        if before is None:
            self._graph.append(node)
        else:
            self._graph.insert_before(before, node)
        return node.outputs[0]


def _is_vector(value: ir.Value | None) -> bool:
    """A constant over features (a norm's weight, a bias) or an absent input."""
    return value is None or _constant_of_rank(value, 1)
