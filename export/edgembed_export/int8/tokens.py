"""One scale a token for what a product quantises with one scale for all."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgembed_export.int8.edit import Editor


def scaled_by_token(editor: Editor, before: ir.Node, x: ir.Value) -> tuple[ir.Value, ir.Value]:
    """`x` with each row divided by its largest absolute value, and these values, to multiply by."""
    size = editor.insert(before, "Abs", [x])
    axis = editor.constant("edgembed.last_axis", np.array([-1], np.int64))
    peak = editor.insert(before, "ReduceMax", [size, axis])
    tiny = editor.constant("edgembed.tiny", np.array(1e-9, np.float32))
    scale = editor.insert(before, "Max", [peak, tiny])
    return editor.insert(before, "Div", [x, scale]), scale
