"""Embeddings: token types folded into the positions' table, positions cut out instead of looked up.

A sentence encoder sees one segment only, so the token type's vector is one constant row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from onnxscript.rewriter import pattern

from edgembed_export.graph.constants import add_initializer, array


class EmbeddingRules:
    """Rules that need the graph, because they write new tables into it."""

    def __init__(self, graph: ir.Graph) -> None:
        """Rules for `graph`, which gets the new tables."""
        self._graph = graph

    def rules(self) -> pattern.RewriteRuleSet:
        """Fold the token type, then the sum's order, then the positions' look-up."""
        return pattern.RewriteRuleSet(
            [
                pattern.RewriteRule(_type_lookup, self._row, _is_type, name="token types"),
                pattern.RewriteRule(_type_first, self._merged, _are_tables, name="token types"),
                pattern.RewriteRule(_position_lookup, _cut, _is_arange, name="positions"),
            ],
            commute=True,
        )

    def _row(self, op: Any, x: ir.Value, table: ir.Value, **_: Any) -> Any:
        content = array(table)
        if content is None:
            raise AssertionError("the pattern's check lets constant tables through only")
        return op.Add(x, add_initializer(self._graph, f"{table.name}.row", content[0].copy()))

    def _merged(
        self, op: Any, x: ir.Value, row: ir.Value, table: ir.Value, places: ir.Value
    ) -> Any:
        rows, positions = array(row), array(table)
        if rows is None or positions is None:
            raise AssertionError("the pattern's check lets constant tables through only")
        summed = positions.astype(np.float32) + rows.astype(np.float32)
        merged = add_initializer(self._graph, f"{table.name}.folded", summed)
        return op.Add(x, op.Gather(merged, places))


def _type_lookup(op: Any, x: Any, table: Any, types: Any) -> Any:
    return op.Add(x, op.Gather(table, types))


def _is_type(_context: Any, table: ir.Value, types: ir.Value, **_: Any) -> bool:
    """Every index is 0: the table has one row, or the indices are zeros by construction."""
    content = array(table)
    return content is not None and content.ndim == 2 and (len(content) == 1 or _is_zero(types))


def _is_zero(indices: ir.Value) -> bool:
    """Zeros by construction: a filled shape, or a cut of a buffer of zeros, expanded or not."""
    content = array(indices)
    if content is not None:
        return not content.any()
    node = indices.producer()
    if node is None:
        return False
    if node.op_type == "ConstantOfShape":
        fill = node.attributes.get("value")
        return fill is None or not fill.as_tensor().numpy().any()
    source = node.inputs[0] if node.op_type in ("Slice", "Expand", "Reshape") else None
    return source is not None and _is_zero(source)


def _type_first(op: Any, x: Any, row: Any, table: Any, places: Any) -> Any:
    return op.Add(op.Add(x, row), op.Gather(table, places))


def _are_tables(_context: Any, row: ir.Value, table: ir.Value, **_: Any) -> bool:
    rows, positions = array(row), array(table)
    return (
        rows is not None
        and positions is not None
        and rows.ndim == 1
        and positions.ndim == 2
        and rows.shape[0] == positions.shape[1]
    )


def _position_lookup(
    op: Any, table: Any, counted: Any, start: Any, end: Any, axes: Any, step: Any
) -> Any:
    return op.Gather(table, op.Slice(counted, start, end, axes, step))


def _is_arange(
    _context: Any,
    table: ir.Value,
    counted: ir.Value,
    start: ir.Value,
    axes: ir.Value,
    step: ir.Value,
    **_: Any,
) -> bool:
    """The look-up is of 0, 1, 2 ... along the second axis of a (1, positions) buffer."""
    numbers = array(counted)
    if numbers is None or array(table) is None or numbers.ndim != 2 or len(numbers) != 1:
        return False
    in_order = np.array_equal(numbers[0], np.arange(numbers.shape[1]))
    plain = [array(value) for value in (start, axes, step)]
    return in_order and [None if v is None else v.tolist() for v in plain] == [[0], [1], [1]]


def _cut(op: Any, table: ir.Value, start: ir.Value, end: ir.Value, step: ir.Value, **_: Any) -> Any:
    return op.Slice(table, start, end, op.Constant(value_ints=[0]), step)
