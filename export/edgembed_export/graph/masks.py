"""The attention mask: every family's way to write it down becomes one stand-in, `MaskBias`.

`MaskBias(attention_mask)` is float32 (batch, 1, 1, tokens): 0 where a token counts, a very negative
number where it is padding. The attention rules turn it into the fused operator's own mask; without
a mask it is dropped; what no rule took is written out again by `restore`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from onnxscript.rewriter import pattern

from edgembed_export.graph.constants import INTERNAL, array, scalar

LOWEST = float(np.finfo(np.float32).min)
_NEGATIVE_ENOUGH = -1e4


def mask_rules() -> pattern.RewriteRuleSet:
    """Rules that bring forth the stand-in, and move it to the end of a sum of biases."""
    rules = [
        pattern.RewriteRule(_subtracted, _bias, _is_subtracted, name="mask", remove_nodes=False),
        pattern.RewriteRule(_filled, _filled_bias, _is_filled, name="mask", remove_nodes=False),
        pattern.RewriteRule(_sliced, _bias, _is_sliced, name="mask", remove_nodes=False),
        pattern.RewriteRule(_nested, _unnested, name="mask", remove_nodes=False),
    ]
    return pattern.RewriteRuleSet(rules, commute=True)


def drop_rules() -> pattern.RewriteRuleSet:
    """Without padding the stand-in is zero: x + 0 -> x."""
    rule = pattern.RewriteRule(
        lambda op, x, mask: op.Add(x, op.MaskBias(mask, _domain=INTERNAL)),
        lambda op, x, **_: op.Identity(x),
        name="mask",
        remove_nodes=False,
    )
    return pattern.RewriteRuleSet([rule], commute=True)


def restore_rules() -> pattern.RewriteRuleSet:
    """Standard operators in place of the stand-ins that are left."""
    rule = pattern.RewriteRule(
        lambda op, mask: op.MaskBias(mask, _domain=INTERNAL), _written_out, name="mask"
    )
    return pattern.RewriteRuleSet([rule])


def _subtracted(op: Any, mask: Any, axes: Any, lowest: Any) -> Any:
    """(1 - mask) * lowest: BERT, XLM-R, MPNet, T5."""
    return op.Mul(op.Sub(1.0, op.Cast(op.Unsqueeze(mask, axes), to=1)), lowest)


def _is_subtracted(
    _context: Any, mask: ir.Value, axes: ir.Value, lowest: ir.Value, **_: Any
) -> bool:
    wanted, bottom = array(axes), scalar(lowest)
    return (
        mask.name == "attention_mask"
        and wanted is not None
        and wanted.tolist() == [1, 2]
        and bottom is not None
        and bottom < _NEGATIVE_ENOUGH
    )


def _filled(op: Any, mask: Any, shape: Any, whole: Any, lowest: Any, scores: Any) -> Any:
    """Scores overwritten where the mask is 0: DistilBERT."""
    padding = op.Expand(op.Reshape(op.Equal(mask, 0), shape), whole)
    return op.Where(padding, lowest, scores)


def _is_filled(_context: Any, mask: ir.Value, lowest: ir.Value, **_: Any) -> bool:
    bottom = scalar(lowest)
    return mask.name == "attention_mask" and bottom is not None and bottom < _NEGATIVE_ENOUGH


def _filled_bias(op: Any, mask: Any, scores: Any, **_: Any) -> Any:
    return op.Add(scores, op.MaskBias(mask, _domain=INTERNAL))


def _sliced(op: Any, mask: Any, start: Any, end: Any, axes: Any, step: Any) -> Any:
    """The mask cut to as many keys as there are, which is all of them in an encoder: T5."""
    return op.Slice(op.MaskBias(mask, _domain=INTERNAL), start, end, axes, step)


def _is_sliced(_context: Any, start: ir.Value, end: ir.Value, axes: ir.Value, **_: Any) -> bool:
    return scalar(start) == 0 and scalar(axes) == 3 and array(end) is None


def _bias(op: Any, mask: Any, **_: Any) -> Any:
    return op.MaskBias(mask, _domain=INTERNAL)


def _nested(op: Any, scores: Any, bias: Any, mask: Any) -> Any:
    return op.Add(scores, op.Add(bias, op.MaskBias(mask, _domain=INTERNAL)))


def _unnested(op: Any, scores: Any, bias: Any, mask: Any) -> Any:
    return op.Add(op.Add(scores, bias), op.MaskBias(mask, _domain=INTERNAL))


def _written_out(op: Any, mask: Any) -> Any:
    spread = op.Cast(op.Unsqueeze(mask, op.Constant(value_ints=[1, 2])), to=1)
    return op.Mul(op.Sub(op.Constant(value_float=1.0), spread), op.Constant(value_float=LOWEST))
