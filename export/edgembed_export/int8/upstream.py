"""Smoothing at no cost: the divisor of a layer's input goes into the weights it comes from.

Attention is linear in its values, and a gated feed-forward block, activation(x W) * (x V), in the
half without activation: dividing an output channel of that layer divides an input channel of the
next one.
"""

from __future__ import annotations

import onnx_ir as ir

from edgembed_export.graph.linears import ACTIVATIONS, Linear
from edgembed_export.int8.edit import producer


def upstream(linear: Linear) -> Linear | None:
    """The layer whose output channel i, and nothing but it, scales input channel i of `linear`.

    None where there is no such layer, or its output is used elsewhere too.
    """
    node = producer(linear.input)
    if node is None or not _used_once(node.outputs[0]):
        return None
    if node.op_type == "MultiHeadAttention":
        return _gemm(node.inputs[2], "qkv")
    return _straight(node) if node.op_type == "Mul" else None


def _straight(gate: ir.Node) -> Linear | None:
    """The half of a gated block that no activation changes."""
    halves = [producer(value) for value in gate.inputs]
    kinds = ["" if half is None else half.op_type for half in halves]
    for place in (0, 1):
        if kinds[place] == "Gemm" and kinds[1 - place] in ACTIVATIONS:
            return _gemm(gate.inputs[place], "up")
    return None


def _gemm(value: ir.Value | None, role: str) -> Linear | None:
    gemm = producer(value)
    if gemm is None or gemm.op_type != "Gemm" or not _used_once(gemm.outputs[0]):
        return None
    return Linear(gemm, role)


def _used_once(value: ir.Value) -> bool:
    """Whether one node takes the value, looking through Reshape, and no graph gives it out."""
    uses = list(value.uses())
    if len(uses) != 1 or value.is_graph_output():
        return False
    node = uses[0].node
    return node.op_type != "Reshape" or _used_once(node.outputs[0])
