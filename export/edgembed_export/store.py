"""Writing graphs that share their weights: several model files, one data file.

Large tensors start on a page boundary of the data file, so that onnxruntime maps them into memory
instead of reading them; small ones stay in the model files.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import numpy as np
import onnx_ir as ir

PAGE = 4096
SMALLEST = 4 * PAGE
"""Bytes from which a tensor goes to the data file."""


def save(models: Mapping[str, ir.Model], folder: Path, data_name: str) -> list[Path]:
    """Write `models` (file name -> graph) to `folder`, their weights in one file `data_name`.

    Tensors of one name are written once and must have the same bytes in every graph. Returns the
    paths written, the data file last. The same graphs give the same bytes. Raises ValueError when
    two graphs disagree about a tensor.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = _agreed(models.values())
    with (folder / data_name).open("wb") as data:
        places = {n: _append(data, t, n, folder, data_name) for n, t in tensors.items()}
    for file_name, model in models.items():
        ir.save(_placed(model, places), folder / file_name)
    return [*(folder / file_name for file_name in models), folder / data_name]


def _agreed(models: Iterable[ir.Model]) -> dict[str, ir.TensorProtocol]:
    """The large tensors of all graphs, each once."""
    tensors: dict[str, ir.TensorProtocol] = {}
    for model in models:
        for name, tensor in _large(model).items():
            if not _same(tensor, tensors.setdefault(name, tensor)):
                raise ValueError(f"the graphs disagree about the tensor {name!r}")
    return tensors


def _placed(model: ir.Model, places: Mapping[str, ir.ExternalTensor]) -> ir.Model:
    """A copy whose large tensors are at `places`, and whose small ones are in it."""
    copy, large = model.clone(), _large(model)
    for name, value in copy.graph.initializers.items():
        if name in large:
            value.const_value = places[name]
        elif isinstance(value.const_value, ir.ExternalTensor):
            # A model above 2 GiB is traced with even its biases in a file, which will be gone.
            value.const_value = ir.Tensor(value.const_value.numpy().copy(), name=name)
    return copy


def _large(model: ir.Model) -> dict[str, ir.TensorProtocol]:
    tensors = {name: value.const_value for name, value in model.graph.initializers.items()}
    return {
        name: tensor
        for name, tensor in sorted(tensors.items())
        if tensor is not None and tensor.nbytes >= SMALLEST
    }


def _append(
    data: BinaryIO, tensor: ir.TensorProtocol, name: str, folder: Path, data_name: str
) -> ir.ExternalTensor:
    data.write(b"\0" * (-data.tell() % PAGE))
    offset = data.tell()
    data.write(_content(tensor))
    shape = ir.Shape(tensor.shape.numpy())
    return ir.ExternalTensor(
        data_name, offset, tensor.nbytes, tensor.dtype, shape=shape, name=name, base_dir=folder
    )


def _same(one: ir.TensorProtocol, other: ir.TensorProtocol) -> bool:
    """Whether two tensors are interchangeable; graphs of one rewrite mostly share the object."""
    if one is other:
        return True
    if one.dtype != other.dtype or one.shape.numpy() != other.shape.numpy():
        return False
    return sha256(_content(one)).digest() == sha256(_content(other)).digest()


def _content(tensor: ir.TensorProtocol) -> bytes | memoryview:
    """The tensor's bytes where they are (a table of a large model is a GiB), copied if need be."""
    array = tensor.numpy()
    plain = array.flags.c_contiguous and array.nbytes == tensor.nbytes
    if sys.byteorder == "little" and plain:
        return array.reshape(-1).view(np.uint8).data
    return tensor.tobytes()
