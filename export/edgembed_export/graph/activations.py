"""Activations and norms that a tracer takes apart, put back into one node each."""

from __future__ import annotations

import math
from typing import Any

import onnx_ir as ir
from onnxscript.rewriter import pattern

from edgembed_export.graph.constants import ORT, scalar

_NEW_GELU_CUBE = 0.044715
_NEW_GELU_FACTOR = math.sqrt(2.0 / math.pi)


def gelu_rules() -> pattern.RewriteRuleSet:
    """Exact Gelu, x/2 (1 + erf(x/sqrt 2)), and its tanh form (Hendrycks & Gimpel, 1606.08415)."""
    rules = [
        pattern.RewriteRule(_erf_halved_last, _gelu, name="gelu"),
        pattern.RewriteRule(_erf_halved_first, _gelu, name="gelu"),
        pattern.RewriteRule(_tanh, _fast_gelu, name="gelu"),
    ]
    return pattern.RewriteRuleSet(rules, commute=True)


def norm_rules() -> pattern.RewriteRuleSet:
    """T5's norm, x / rms(x) * weight (Zhang & Sennrich, 1910.07467), as one node."""
    rule = pattern.RewriteRule(_rms, _rms_norm, _is_rms, name="norm")
    return pattern.RewriteRuleSet([rule], commute=True)


def _erf_halved_last(op: Any, x: Any) -> Any:
    return op.Mul(op.Mul(x, op.Add(op.Erf(op.Div(x, math.sqrt(2.0))), 1.0)), 0.5)


def _erf_halved_first(op: Any, x: Any) -> Any:
    return op.Mul(x, op.Mul(op.Add(op.Erf(op.Div(x, math.sqrt(2.0))), 1.0), 0.5))


def _gelu(op: Any, x: Any) -> Any:
    return op.Gelu(x, _domain=ORT)


def _tanh(op: Any, x: Any) -> Any:
    inner = op.Add(x, op.Mul(op.Pow(x, 3.0), _NEW_GELU_CUBE))
    return op.Mul(op.Mul(x, 0.5), op.Add(op.Tanh(op.Mul(inner, _NEW_GELU_FACTOR)), 1.0))


def _fast_gelu(op: Any, x: Any) -> Any:
    return op.FastGelu(x, _domain=ORT)


def _rms(op: Any, x: Any, axes: Any, epsilon: Any, weight: Any) -> Any:
    mean = op.ReduceMean(op.Pow(x, 2.0), axes, keepdims=1)
    return op.Mul(op.Mul(x, op.Div(1.0, op.Sqrt(op.Add(mean, epsilon)))), weight)


def _is_rms(_context: Any, axes: ir.Value, epsilon: ir.Value, weight: ir.Value, **_: Any) -> bool:
    return (
        scalar(axes) == -1
        and scalar(epsilon) is not None
        and weight.is_initializer()
        and weight.shape is not None
        and weight.shape.rank() == 1
    )


def _rms_norm(op: Any, x: ir.Value, epsilon: ir.Value, weight: ir.Value, **_: Any) -> Any:
    # The standard's RMSNormalization needs opset 23, which other people's runtimes lack;
    # onnxruntime has known this name in the default domain since 2020.
    attributes = {"axis": -1, "epsilon": scalar(epsilon), "stash_type": 1}
    return op.SimplifiedLayerNormalization(x, weight, **attributes)
