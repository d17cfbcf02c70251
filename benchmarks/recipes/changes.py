"""Changes to a quantised graph that no `Recipe` can ask for: but for one they lost."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx_ir as ir

from edgembed_export.int8.edit import Editor, producer
from edgembed_export.int8.residuals import keep_residuals
from edgembed_export.int8.tokens import scaled_by_token

Ids = Sequence[Sequence[int]]
Change = Callable[[ir.Model, Ids], None]
"""Of a quantised graph, which has the calibration texts' token ids to look at."""
_ACTIVATIONS = ("Gelu", "FastGelu", "Relu", "Tanh")


def per_token(where: str) -> Change:
    """One activation scale a token: rows divided by their largest value, results multiplied.

    `where` is "down" (the second feed-forward matrix) or "all".
    """

    def change(model: ir.Model, _: Ids) -> None:
        editor = Editor(model.graph)
        for node in _products(model):
            source = producer(node.inputs[0])
            if where == "all" or (source is not None and source.op_type in _ACTIVATIONS):
                _by_row(editor, node)

    return change


def residuals(model: ir.Model, _: Ids) -> None:
    """16-bit activations, as `--activation-bits 16` has them."""
    keep_residuals(model)


def unsigned_weights(model: ir.Model, _: Ids) -> None:
    """u8 weights with zero point 128: exact without a bound on pairs, by a slower kernel."""
    editor = Editor(model.graph)
    for node in _products(model):
        value = node.inputs[1]
        if value is None or value.const_value is None:
            raise AssertionError("a product without its weight")
        shifted = (value.const_value.numpy().astype(np.int16) + 128).astype(np.uint8)
        node.replace_input_with(1, editor.constant(f"{value.name}.u8", shifted))
        zero = editor.constant(f"{value.name}.zero", np.full(shifted.shape[1], 128, np.uint8))
        node.replace_input_with(3, zero)


def static_scales(model: ir.Model, texts: Ids) -> None:
    """One activation scale for all texts, from the calibration's least and greatest values.

    No pass over the activations to find it, and a vector that does not depend on batch-mates.
    """
    editor, products = Editor(model.graph), _products(model)
    sources = list(dict.fromkeys(node.inputs[0].name for node in products))
    edges = _edges(model, sources, texts)
    for node in products:
        x, weight, scales, _, bias = node.inputs[:5]
        low, high = edges[x.name]
        scale = (high - low) / 255
        step = editor.constant(f"{x.name}.step", np.array(scale, np.float32))
        zero = editor.constant(f"{x.name}.zero", np.array(round(-low / scale), np.uint8))
        integers = editor.insert(node, "QuantizeLinear", [x, step, zero])
        inputs = [integers, weight, step, scales, zero, None, bias]
        product = editor.insert(node, "MatMulIntegerToFloat", inputs, "com.microsoft")
        node.outputs[0].replace_all_uses_with(product, replace_graph_outputs=True)
        model.graph.remove(node, safe=True)  # onnxruntime would run it all the same


def _edges(model: ir.Model, names: Sequence[str], texts: Ids) -> dict[str, tuple[float, float]]:
    """The least and greatest value, 0 among them, of each named value over all texts."""
    import onnxruntime

    shown = model.clone()
    values = {value.name: value for node in shown.graph for value in node.outputs}
    known = {value.name for value in shown.graph.outputs}
    for name in names:
        values[name].type = ir.TensorType(ir.DataType.FLOAT)
        if name not in known:
            shown.graph.outputs.append(values[name])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shown.onnx"
        ir.save(shown, path, external_data="shown.data")
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        edges = dict.fromkeys(names, (0.0, 0.0))
        for ids in texts:
            found = session.run(list(names), {"input_ids": np.asarray([ids], np.int64)})
            for name, own in zip(names, found, strict=True):
                low, high = edges[name]
                edges[name] = min(low, float(own.min())), max(high, float(own.max()))
    return edges


def _products(model: ir.Model) -> list[ir.Node]:
    return [
        node
        for node in model.graph
        if node.op_type == "DynamicQuantizeMatMul" and len(node.inputs) > 4
    ]


def _by_row(editor: Editor, node: ir.Node) -> None:
    bias = node.inputs[4]
    scaled, scale = scaled_by_token(editor, node, node.inputs[0])
    node.replace_input_with(0, scaled)
    node.replace_input_with(4, None)
    follower = ir.Node("", "Mul", [node.outputs[0], scale], num_outputs=1)
    total = ir.Node("", "Add", [follower.outputs[0], bias], num_outputs=1)
    follower.outputs[0].name = f"{node.outputs[0].name}.scaled"
    total.outputs[0].name = f"{node.outputs[0].name}.biased"
    uses = list(node.outputs[0].uses())
    editor.graph.insert_after(node, [follower, total])
    for use in uses:
        if use.node is not follower:
            use.node.replace_input_with(use.idx, total.outputs[0])
