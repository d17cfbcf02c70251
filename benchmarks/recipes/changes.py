"""Changes to a quantised graph that no `Recipe` can ask for, because they lost."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from edgembed_export.int8.edit import Editor, producer

_ACTIVATIONS = ("Gelu", "FastGelu", "Relu", "Tanh")


def per_token(where: str) -> Callable[[ir.Model], None]:
    """One activation scale a token: rows divided by their largest value, results multiplied.

    `where` is "down" (the second feed-forward matrix) or "all".
    """

    def change(model: ir.Model) -> None:
        editor = Editor(model.graph)
        for node in _products(model):
            source = producer(node.inputs[0])
            if where == "all" or (source is not None and source.op_type in _ACTIVATIONS):
                _by_row(editor, node)

    return change


def unsigned_weights(model: ir.Model) -> None:
    """u8 weights with zero point 128: exact without a bound on pairs, by a slower kernel."""
    editor = Editor(model.graph)
    for node in _products(model):
        value = node.inputs[1]
        if value is None or value.const_value is None:
            raise AssertionError("a product without its weight")
        shifted = (value.const_value.numpy().astype(np.int16) + 128).astype(np.uint8)
        node.replace_input_with(1, editor.constant(f"{value.name}.u8", shifted))
        zero = editor.constant(f"{value.name}.zero", np.full(shifted.shape[1], 128, np.uint8))
        node.replace_input_with(3, zero)


def _products(model: ir.Model) -> list[ir.Node]:
    return [
        node
        for node in model.graph
        if node.op_type == "DynamicQuantizeMatMul" and len(node.inputs) > 4
    ]


def _by_row(editor: Editor, node: ir.Node) -> None:
    x, bias = node.inputs[0], node.inputs[4]
    size = editor.insert(node, "Abs", [x])
    axis = editor.constant("edgembed.last_axis", np.array([-1], np.int64))
    peak = editor.insert(node, "ReduceMax", [size, axis])
    tiny = editor.constant("edgembed.tiny", np.array(1e-9, np.float32))
    scale = editor.insert(node, "Max", [peak, tiny])
    node.replace_input_with(0, editor.insert(node, "Div", [x, scale]))
    node.replace_input_with(4, None)
    follower = ir.Node("", "Mul", [node.outputs[0], scale], num_outputs=1)
    total = ir.Node("", "Add", [follower.outputs[0], bias], num_outputs=1)
    follower.outputs[0].name = f"{node.outputs[0].name}.scaled"
    total.outputs[0].name = f"{node.outputs[0].name}.biased"
    uses = list(node.outputs[0].uses())
    editor.graph.insert_after(node, [follower, total])
    for use in uses:
        if use.node is not follower:
            use.node.replace_input_with(use.idx, total.outputs[0])
