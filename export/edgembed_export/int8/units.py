"""Feed-forward units that stay float32 beside an int8 layer."""

from __future__ import annotations

from collections.abc import MutableMapping

import numpy as np
import onnx_ir as ir

from edgembed_export.int8.bands import Block
from edgembed_export.int8.edit import Editor, only_add
from edgembed_export.int8.layers import Layer
from edgembed_export.int8.weights import Float

_OUTLIER = 1.5
"""A layer has outliers when its largest activation is this many times an ordinary large one."""


def outliers(peak: Float, count: int) -> list[int]:
    """The `count` units of the largest `peak` (in), or none when they are like the others."""
    order = np.argsort(-peak, kind="stable")
    if not 0 < count < len(peak) or peak[order[0]] < _OUTLIER * peak[order[count]]:
        return []
    return sorted(int(unit) for unit in order[:count])


def keep_units(editor: Editor, block: Block, layers: MutableMapping[str, Layer], count: int) -> int:
    """Compute the outlying units of one feed-forward block in float32; how many they are.

    Each unit stays in the quantised layers as zeros (so that shapes keep their round sizes), and
    activation(x @ columns + bias) @ rows is added to the block's result.
    """
    first, activation, down = block
    add = only_add(down.output)
    if add is None:
        return 0
    units = outliers(layers[down.name].inputs.peak, count)
    if units:
        wide, narrow = layers[first.name], layers[down.name]
        layers[first.name] = wide.without_outputs(units)
        layers[down.name] = narrow.without_inputs(units)
        columns = editor.constant(f"{first.name}.units", wide.weight[:, units])
        hidden = editor.insert(first.node, "MatMul", [first.input, columns])
        if wide.bias is not None:
            bias = editor.constant(f"{first.name}.bias.units", wide.bias[units])
            hidden = editor.insert(first.node, "Add", [hidden, bias])
        kept = editor.insert(first.node, activation.op_type, [hidden], activation.domain)
        rows = editor.constant(f"{down.name}.units", narrow.weight[units])
        _add(editor, editor.insert(add, "MatMul", [kept, rows]), down.output, add)
    return len(units)


def _add(editor: Editor, term: ir.Value, result: ir.Value, add: ir.Node) -> None:
    """Add `term` to what the node `add` adds to `result`."""
    place = 1 - next(use.idx for use in result.uses() if use.node is add)
    add.replace_input_with(place, editor.insert(add, "Add", [term, add.inputs[place]]))
