"""Activations of int8 products in 16 bits: two 8-bit numbers each, for the same int8 matrix.

What rounding to 8 bits left over is an activation like any other, 256 times smaller: it is rounded
to 8 bits with a scale of its own and multiplied by the same matrix, and both products are added.
Weights are as they were, so only the graph changes. For models whose activations do not fit 8 bits
(products of a gate have heavy tails), and for those who want less error at the price of time.
"""

from __future__ import annotations

import onnx_ir as ir

from edgembed_export.graph.constants import ORT
from edgembed_export.int8.edit import Editor

_PRODUCT = "DynamicQuantizeMatMul"


def keep_residuals(model: ir.Model) -> int:
    """Give every int8 product of `model` 16-bit activations, in place; how many products."""
    editor = Editor(model.graph, "residual.")
    rounded: dict[ir.Value, tuple[list[ir.Value], ir.Value]] = {}
    products = [node for node in model.graph if node.op_type == _PRODUCT]
    for node in products:
        x, weight, scales, zero, bias = (*node.inputs, None, None)[:5]
        if x is None:
            raise AssertionError("a product without an input")
        if x not in rounded:
            rounded[x] = _rounded(editor, node, x)
        (integers, step, middle), left = rounded[x]
        inputs = [integers, weight, step, scales, middle, zero, bias]
        coarse = editor.insert(node, "MatMulIntegerToFloat", inputs, ORT)
        fine = editor.insert(node, _PRODUCT, [left, weight, scales, zero], ORT)
        total = editor.insert(node, "Add", [coarse, fine])
        node.outputs[0].replace_all_uses_with(total, replace_graph_outputs=True)
        model.graph.remove(node, safe=True)
    return len(products)


def _rounded(editor: Editor, before: ir.Node, x: ir.Value) -> tuple[list[ir.Value], ir.Value]:
    """`x` as integers, their step and zero point; and what they leave over of it."""
    parts = list(editor.insert_many(before, "DynamicQuantizeLinear", [x], 3))
    restored = editor.insert(before, "DequantizeLinear", parts)
    return parts, editor.insert(before, "Sub", [x, restored])
