"""The lean graph: optimum's export rewritten for onnxruntime's CPU kernels.

Read `rewrite` as a list of passes. Each either matches a pattern or leaves the graph as it is, so
what comes out is correct for an architecture nobody foresaw; the report says what was left.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import onnx_ir as ir
from onnx_ir.passes import common
from onnxscript import optimizer
from onnxscript.rewriter import pattern

from edgembed_export.graph.activations import gelu_rules, norm_rules
from edgembed_export.graph.attention import attention_rules
from edgembed_export.graph.constants import ORT, ORT_VERSION
from edgembed_export.graph.embeddings import EmbeddingRules
from edgembed_export.graph.flow import linear_rules, to_matrices
from edgembed_export.graph.inputs import fix_input, output_only
from edgembed_export.graph.masks import drop_rules, mask_rules, restore_rules
from edgembed_export.graph.report import RewriteReport, operators

__all__ = ["RewriteReport", "rewrite"]

OUTPUT = "last_hidden_state"
_MOST_PASSES = 16


def rewrite(
    model: ir.Model, config: dict[str, Any], *, mask: bool
) -> tuple[ir.Model, RewriteReport]:
    """The lean form of an exported encoder, and what was done to it.

    `model` is a graph of `convert`; it is not changed. `config` is the checkpoint's config.json.
    The result takes `input_ids` (int64, batch x tokens) and, with `mask`, `attention_mask` (int64,
    the same shape, 1 for a token and 0 for padding); it gives `last_hidden_state` (float32, batch x
    tokens x hidden). Without `mask` all texts of a batch must be of one length.

    Raises ValueError when the graph has no `last_hidden_state`.
    """
    lean = model.clone()
    matched: Counter[str] = Counter()
    output_only(lean, OUTPUT)
    fix_input(lean, "token_type_ids", 0)
    optimizer.optimize(lean, onnx_shape_inference=True)
    _apply(lean, mask_rules(), matched, "mask")
    if not mask:
        _apply(lean, drop_rules(), matched, "no mask")
        fix_input(lean, "attention_mask", 1)
        common.IdentityEliminationPass()(lean)
    _apply(lean, attention_rules(), matched, "attention")
    _apply(lean, gelu_rules(), matched, "gelu")
    _apply(lean, norm_rules(), matched, "norm")
    _apply(lean, EmbeddingRules(lean.graph).rules(), matched, "embeddings")
    for rules in linear_rules():
        _apply(lean, rules, matched, "linear")
    _apply(lean, restore_rules(), Counter(), "mask")
    to_matrices(lean)
    _tidy(lean)
    return lean, RewriteReport(dict(matched), operators(lean), _layers(config))


def _layers(config: dict[str, Any]) -> int:
    """The number of layers, by the names the families give it."""
    names = ("num_hidden_layers", "num_layers", "n_layers")
    return next((int(config[name]) for name in names if config.get(name)), 0)


def _apply(
    model: ir.Model, rules: pattern.RewriteRuleSet, matched: Counter[str], name: str
) -> None:
    """Apply the rules until nothing changes, counting."""
    for _ in range(_MOST_PASSES):
        count = rules.apply_to_model(model)
        matched[name] += count
        if not count:
            return


def _tidy(model: ir.Model) -> None:
    """Fold, merge and sort, so that onnxruntime finds nothing left to optimise when it loads."""
    optimizer.optimize(model, onnx_shape_inference=False)
    common.CommonSubexpressionEliminationPass()(model)
    common.RemoveUnusedNodesPass()(model)
    common.TopologicalSortPass()(model)
    _forget_shapes(model.graph)
    model.opset_imports[ORT] = ORT_VERSION


def _forget_shapes(graph: ir.Graph) -> None:
    """Clear what the tracer and the rules noted about values and nodes, in place.

    A rule may make a value of another shape than the one it stands for (positions without a batch
    axis): onnxruntime warns about such notes on every load, and infers shapes by itself anyway.
    """
    kept = set(graph.outputs)
    for node in graph:
        node.metadata_props.clear()
        for value in node.outputs:
            value.metadata_props.clear()
            if value not in kept:
                value.shape = value.type = None
