"""Attention by the length of a run: which of onnxruntime's two operators computes it.

`MultiHeadAttention` streams over blocks of keys; the standard's `Attention` writes the scores down,
which is quicker for few tokens and slower for many. Both are in the graph, and an `If` in each
layer takes one. It is the last pass: what comes before it knows `MultiHeadAttention` alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgembed_export.graph.constants import add_initializer

FEW = 192
"""Tokens below which `Attention` is taken: between 128, where it is the faster one or no slower,
and 512, where it is up to a tenth slower (benchmarks/peers/README.md)."""
_OPSET = 23
"""The first that has `Attention`; onnxruntime has its kernel from 1.23 on, our oldest."""


def attention_by_length(model: ir.Model, few: int = FEW) -> ir.Model:
    """A copy of a lean graph without a mask, whose attention is chosen by the number of tokens.

    Below `few` tokens it is `Attention`. Attention that has a mask or a bias stays what it is, and
    so does a graph that has no other.
    """
    copy = model.clone()
    plain = [node for node in copy.graph if _is_plain(node)]
    if plain:
        is_short = _is_short(copy.graph, few)
        for node in plain:
            _choose(copy.graph, node, is_short)
        copy.opset_imports[""] = max(_OPSET, copy.opset_imports[""])
    return copy


def _is_plain(node: ir.Node) -> bool:
    """Whether it is attention of nothing but queries, keys and values."""
    return node.op_type == "MultiHeadAttention" and len(node.inputs) == 3


def _is_short(graph: ir.Graph, few: int) -> ir.Value:
    """Whether the run's texts have few tokens: (1) bool."""
    sides = [ir.AttrInt64("start", 1), ir.AttrInt64("end", 2)]
    tokens = _node("", "Shape", [graph.inputs[0]], sides, "edgembed.tokens")
    bound = add_initializer(graph, "edgembed.few", np.array([few], np.int64))
    is_short = _node("", "Less", [tokens.outputs[0], bound], [], "edgembed.is_short")
    graph.insert_before(graph[0], [tokens, is_short])
    return is_short.outputs[0]


def _choose(graph: ir.Graph, long: ir.Node, is_short: ir.Value) -> None:
    """Put the choice in the place of a MultiHeadAttention."""
    heads, scale = long.attributes["num_heads"].as_int(), long.attributes["scale"].as_float()
    own = [
        ir.AttrInt64("q_num_heads", heads),
        ir.AttrInt64("kv_num_heads", heads),
        ir.AttrFloat32("scale", scale),
    ]
    out = long.outputs[0]
    _tell_width(long.inputs[2])
    short = _node("", "Attention", long.inputs, own, f"{out.name}.short")
    same = _node(
        long.domain, long.op_type, long.inputs, list(long.attributes.values()), f"{out.name}.long"
    )
    branches = [
        ir.AttrGraph("then_branch", _branch(short)),
        ir.AttrGraph("else_branch", _branch(same)),
    ]
    choice = _node("", "If", [is_short], branches, f"{out.name}.chosen")
    graph.insert_before(long, choice)
    out.replace_all_uses_with(choice.outputs[0])
    graph.remove(long, safe=True)


def _tell_width(values: ir.Value | None) -> None:
    """Note how wide attention's values are, where their layer tells.

    onnxruntime's inference for `Attention` makes 0 of a width it does not know, and warns of it at
    every run.
    """
    reshape = None if values is None else values.producer()
    source = None if reshape is None else reshape.inputs[0]
    gemm = None if source is None else source.producer()
    weight = None if gemm is None or gemm.op_type != "Gemm" else gemm.inputs[1]
    if values is not None and weight is not None and weight.shape is not None:
        values.shape = ir.Shape([None, None, weight.shape[1]])
        values.type = ir.TensorType(ir.DataType.FLOAT)


def _branch(node: ir.Node) -> ir.Graph:
    """A graph of one node, whose inputs are the outer graph's values."""
    (out,) = node.outputs
    out.type = ir.TensorType(ir.DataType.FLOAT)
    return ir.Graph([], [out], nodes=[node], name=node.op_type)


def _node(
    domain: str,
    kind: str,
    inputs: Sequence[ir.Value | None],
    attributes: Sequence[ir.Attr],
    output: str,
) -> ir.Node:
    node = ir.Node(domain, kind, inputs, attributes, num_outputs=1)
    node.outputs[0].name = output
    return node
