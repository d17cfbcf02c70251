"""Dropping the matrix forms that float32's Gemm needs and int8's products do not."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes import common


def drop_matrix_forms(model: ir.Model) -> None:
    """Remove the Reshapes around attention when no Gemm is left, in place.

    `graph.flow` writes values of (batch, tokens, features) as matrices because Gemm takes nothing
    else. DynamicQuantizeMatMul takes tensors, and so does every other node that the flow puts on
    matrices: it only takes those that work row by row.
    """
    if any(node.op_type == "Gemm" for node in model.graph):
        return
    for node in list(model.graph):
        if node.op_type == "Reshape" and _of_the_flow(node.inputs[1]):
            _bypass(node)
    common.RemoveUnusedNodesPass()(model)


def _of_the_flow(shape: ir.Value | None) -> bool:
    """Whether a Reshape's target is (-1, width), or (batch, tokens, -1) made for the purpose."""
    if shape is None:
        return False
    if (shape.name or "").startswith("edgembed.matrix."):
        return True
    node = shape.producer()
    return (
        node is not None
        and node.op_type == "Concat"
        and any(value is not None and value.name == "edgembed.rest" for value in node.inputs)
    )


def _bypass(node: ir.Node) -> None:
    source, result = node.inputs[0], node.outputs[0]
    if source is None:
        return
    if result.is_graph_output():
        if source.is_graph_input() or source.is_graph_output():
            return
        result.name, source.name = f"{result.name}.reshaped", result.name
        source.shape, source.type = result.shape, result.type
    else:
        source.shape = None
    result.replace_all_uses_with(source, replace_graph_outputs=True)
