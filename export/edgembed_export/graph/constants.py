"""Reading constants out of a graph, and writing new ones into it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

INTERNAL = "edgembed"
"""Domain of the stand-in operators that exist only while a graph is being rewritten."""

ORT = "com.microsoft"
"""Domain of onnxruntime's own operators."""

ORT_VERSION = 1


def array(value: ir.Value | None) -> npt.NDArray[np.generic] | None:
    """The value's constant content, or None when it is computed at run time."""
    if value is None or value.const_value is None:
        return None
    content: npt.NDArray[np.generic] = value.const_value.numpy()
    return content


def scalar(value: ir.Value | None) -> float | None:
    """The one number in a constant of one element, or None."""
    content = array(value)
    if content is None or content.size != 1:
        return None
    return float(content.reshape(()))


def add_initializer(
    graph: ir.Graph, name: str, content: npt.NDArray[np.generic] | ir.TensorProtocol
) -> ir.Value:
    """Register a constant under `name` (which must be new, or hold the same object) and return it.

    Rewrites of the masked and of the maskless graph must give a tensor the same name, because the
    two files share one data file: names are therefore made by the caller from names of weights.
    """
    if name in graph.initializers:
        return graph.initializers[name]
    tensor = ir.Tensor(content, name=name) if isinstance(content, np.ndarray) else content
    value = ir.Value(
        name=name,
        shape=ir.Shape(tensor.shape.numpy()),
        type=ir.TensorType(tensor.dtype),
        const_value=tensor,
    )
    graph.register_initializer(value)
    return value
