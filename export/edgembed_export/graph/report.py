"""What a rewrite did: which patterns matched how often, and which operators are left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import onnx_ir as ir

_UNFUSED = ("Softmax", "Erf", "Tanh", "Pow", "ReduceMean", "MatMul", "Where", "Expand")


@dataclass(frozen=True)
class RewriteReport:
    """The outcome of `rewrite`; a graph is correct whether or not everything matched."""

    matched: Mapping[str, int]
    """Pattern name -> how many places of the graph it replaced."""
    operators: Mapping[str, int]
    """Operator name -> how many nodes of it the lean graph has."""
    layers: int
    """How many layers the checkpoint's config promises; 0 when it does not say."""

    @property
    def left(self) -> dict[str, int]:
        """Operators that a fully matched BERT would not have: where the graph stayed plain."""
        return {name: count for name, count in self.operators.items() if name in _UNFUSED}

    @property
    def lean(self) -> bool:
        """Whether every layer's attention became one node and no matrix product stayed plain."""
        attention = self.operators.get("MultiHeadAttention", 0)
        return attention >= max(self.layers, 1) and "MatMul" not in self.operators

    def to_dict(self) -> dict[str, Any]:
        """For a manifest or a note: plain data, keys sorted."""
        return {
            "layers": self.layers,
            "lean": self.lean,
            "matched": dict(sorted(self.matched.items())),
            "operators": dict(sorted(self.operators.items())),
            "left": dict(sorted(self.left.items())),
        }


def operators(model: ir.Model) -> dict[str, int]:
    """Operator name -> number of nodes, those in the branches of a choice among them."""
    return dict(Counter(node.op_type for node in ir.traversal.RecursiveGraphIterator(model.graph)))
