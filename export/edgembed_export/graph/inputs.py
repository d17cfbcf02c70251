"""The lean graph's signature: token types go, and without a mask the mask goes too."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir


def fix_input(model: ir.Model, name: str, number: int) -> bool:
    """Replace the input `name` by a constant of `input_ids`' shape, in place; False if not there.

    The constant is computed by two nodes, so the graph stays correct whatever becomes of it later.
    """
    graph = model.graph
    old = next((value for value in graph.inputs if value.name == name), None)
    if old is None:
        return False
    ids = next(value for value in graph.inputs if value.name == "input_ids")
    shape = ir.node("Shape", [ids])
    fill = ir.tensor(np.array([number], np.int64))
    filled = ir.node("ConstantOfShape", shape.outputs, {"value": fill})
    shape.outputs[0].name, filled.outputs[0].name = f"{name}.shape", f"{name}.filled"
    first = next(iter(graph))
    graph.insert_before(first, [shape, filled])
    graph.inputs.remove(old)
    old.replace_all_uses_with(filled.outputs[0])
    return True


def output_only(model: ir.Model, name: str) -> None:
    """Drop every output but `name`, in place (a pooler's, say)."""
    outputs = model.graph.outputs
    kept = [value for value in outputs if value.name == name]
    if not kept:
        raise ValueError(f"the graph has no output {name!r}, only {[v.name for v in outputs]}")
    outputs[:] = kept
