"""Attention: two products, a softmax and their transposes become one MultiHeadAttention node.

onnxruntime's `com.microsoft.MultiHeadAttention` takes queries, keys and values as (batch, tokens,
hidden), so the transposes go as well, and without a mask and a bias its CPU kernel streams over
blocks of keys (flash attention) instead of writing the scores down.
"""

from __future__ import annotations

from typing import Any

import onnx_ir as ir
from onnxscript.rewriter import pattern

from edgembed_export.graph.constants import INTERNAL, ORT, array, scalar
from edgembed_export.graph.masks import LOWEST

# What may stand between a table of biases and attention.
_MOVES = ("Slice", "Expand", "Unsqueeze", "Transpose")


def attention_rules() -> pattern.RewriteRuleSet:
    """One rule: with or without a scale, an additive bias and a mask."""
    # The mask is one node for all layers: it must outlive the first match.
    rule = pattern.RewriteRule(_target, _fused, _is_attention, name="attention", remove_nodes=False)
    return pattern.RewriteRuleSet([rule])


def _target(op: Any, q: Any, k: Any, v: Any, scale: Any, bias: Any, mask: Any, shape: Any) -> Any:
    either, named = pattern.OrValue, pattern.Var
    query = op.Transpose(op.Reshape(q, named("q_shape")), perm=[0, 2, 1, 3])
    key = op.Transpose(op.Reshape(k, named("k_shape")), perm=[0, 2, 3, 1])
    value = op.Transpose(op.Reshape(v, named("v_shape")), perm=[0, 2, 1, 3])
    query = either([op.Div(query, named("query_scale")), query])
    scores = op.MatMul(query, key)
    scores = either(
        [op.Div(scores, scale), op.Mul(scores, scale), scores],
        tag_var="scaling",
        tag_values=["divided", "multiplied", "none"],
    )
    masked = op.MaskBias(mask, _domain=INTERNAL)
    scores = either([op.Add(op.Add(scores, bias), masked), op.Add(scores, masked),
                     op.Add(scores, bias), scores])  # fmt: skip
    context = op.MatMul(op.Softmax(scores, axis=-1), value)
    return op.Reshape(op.Transpose(context, perm=[0, 2, 1, 3]), shape)


def _last_sizes(shape: ir.Value, count: int) -> list[int] | None:
    """The last `count` sizes of a Reshape's target when they are constants, else None."""
    whole = array(shape)
    if whole is not None:
        return [int(size) for size in whole[-count:]]
    node = shape.producer()
    if node is None or node.op_type != "Concat":
        return None
    sizes = [scalar(part) for part in node.inputs[-count:]]
    return None if None in sizes else [int(size) for size in sizes if size is not None]


def _is_attention(_context: Any, **bound: Any) -> bool:
    heads = [_last_sizes(bound[name], 2) for name in ("q_shape", "k_shape", "v_shape")]
    hidden = _last_sizes(bound["shape"], 1)
    if hidden is None or heads[0] is None or heads.count(heads[0]) != len(heads):
        return False
    scales = [bound.get(name) for name in ("query_scale", "scale")]
    constant = all(value is None or scalar(value) for value in scales)
    bias = bound.get("bias")
    fits = hidden[0] == heads[0][0] * heads[0][1]
    return constant and fits and (bias is None or _has_rows(bias))


def _has_rows(bias: ir.Value) -> bool:
    """Whether the bias is (.., .., tokens, tokens): the fused operator repeats no row of it.

    Known from its shape, or because it is looked up by relative position (MPNet, T5).
    """
    shape = bias.shape
    if shape is not None and shape.rank() == 4 and _is_named(shape[2]) and shape[2] == shape[3]:
        return True
    node = bias.producer()
    while node is not None and node.op_type in _MOVES:
        node = None if node.inputs[0] is None else node.inputs[0].producer()
    return node is not None and node.op_type == "Gather" and array(node.inputs[0]) is not None


def _is_named(size: int | ir.SymbolicDim) -> bool:
    return isinstance(size, ir.SymbolicDim) and size.value is not None


def _fused(op: Any, q: ir.Value, k: ir.Value, v: ir.Value, **bound: Any) -> Any:
    sizes = _last_sizes(bound["q_shape"], 2)
    if sizes is None:
        raise AssertionError("the pattern's check lets no attention without heads through")
    factor = 1.0 / (scalar(bound.get("query_scale")) or 1.0)
    scale = scalar(bound.get("scale")) or 1.0
    factor *= {"divided": 1.0 / scale, "multiplied": scale}.get(bound.get("scaling") or "", 1.0)
    mask = bound.get("mask")
    padding = None if mask is None else op.Cast(mask, to=ir.DataType.INT32)
    inputs = [q, k, v, None, padding, bound.get("bias")]
    while inputs[-1] is None:
        inputs.pop()
    return op.MultiHeadAttention(
        *inputs, num_heads=sizes[0], scale=factor, mask_filter_value=LOWEST, _domain=ORT
    )
