"""Feed-forward units in two bands, each with an activation scale of its own.

One scale serves a whole input, so the few units with large activations make the step coarse for
all of them, and the second feed-forward matrix is where that costs most. Sorted by peak and cut in
two, the larger part gets a step about half as coarse. Both halves of a block are cut alike, so no
activation is copied.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgembed_export.graph.linears import ACTIVATIONS, Linear
from edgembed_export.int8.edit import Editor
from edgembed_export.int8.layers import Layer
from edgembed_export.int8.weights import Float

_ROUND = 32
"""Bands are multiples of this wide: kernels work in such columns."""
_WORTHWHILE = 0.6
"""A cut must make the larger band's step this much finer, or it is not worth its four nodes.

Measured: blocks of two trained models fall to 0.17 to 0.56; of random weights, which gain nothing,
to 0.42 to 0.78. All bands of a model cost 2 to 11 % of its time.
"""


class Block(NamedTuple):
    """A feed-forward block without a gate: activation(x @ up) @ down."""

    up: Linear
    activation: ir.Node
    down: Linear


def block(down: Linear) -> Block | None:
    """The block that `down` ends, or None where it has a gate."""
    activation = down.input.producer()
    if activation is None or activation.op_type not in ACTIVATIONS:
        return None
    up = activation.inputs[0]
    gemm = None if up is None else up.producer()
    if gemm is None or gemm.op_type != "Gemm":
        return None
    return Block(Linear(gemm, "up"), activation, down)


def bands(peak: Float, share: float) -> list[npt.NDArray[np.int64]]:
    """Units by band, those with the largest `peak` (in) first; none where a cut gains little.

    share: of all units, about how many are in the first band.
    """
    first = round(len(peak) * share / _ROUND) * _ROUND
    order = np.argsort(-peak, kind="stable")
    if not 0 < first < len(peak) or peak[order[first]] > _WORTHWHILE * peak[order[0]]:
        return []
    return [np.sort(order[:first]), np.sort(order[first:])]


def cut(editor: Editor, whole: Block, layers: MutableMapping[str, Layer], share: float) -> set[str]:
    """Cut a block into bands; the names of the layers that come from it (empty: it stays whole)."""
    up, down = layers[whole.up.name], layers[whole.down.name]
    ends, made = [], set()
    for number, units in enumerate(bands(down.inputs.peak, share)):
        names = [f"{linear.name}.band{number}" for linear in (whole.up, whole.down)]
        layers[names[0]] = up.of_outputs(units)
        # The bias is added once.
        layers[names[1]] = down.of_inputs(units, bias=not number)
        made |= set(names)
        hidden = _gemm(editor, whole.up, names[0], layers[names[0]], whole.up.input)
        active = editor.insert(
            whole.down.node, whole.activation.op_type, [hidden], whole.activation.domain
        )
        ends.append(_gemm(editor, whole.down, names[1], layers[names[1]], active))
    if made:
        del layers[whole.up.name], layers[whole.down.name]
        total = editor.insert(whole.down.node, "Add", ends)
        whole.down.output.replace_all_uses_with(total, replace_graph_outputs=True)
        for node in (whole.down.node, whole.activation, whole.up.node):
            editor.graph.remove(node, safe=True)
    return made


def _gemm(editor: Editor, like: Linear, name: str, layer: Layer, source: ir.Value) -> ir.Value:
    """A Gemm with the layer's numbers, where `like` is."""
    inputs = [source, editor.constant(name, layer.weight)]
    if layer.bias is not None:
        inputs.append(editor.constant(f"{name}.bias.float", layer.bias))
    return editor.insert(like.node, "Gemm", inputs)
