"""Writing graphs that share their weights: several model files, one data file.

Large tensors start on a page boundary of the data file, so that onnxruntime maps them into memory
instead of reading them; small ones stay in the model files.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

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
    places: dict[str, ir.ExternalTensor] = {}
    contents: dict[str, bytes] = {}
    with (folder / data_name).open("wb") as data:
        for model in models.values():
            for name, tensor in _large(model).items():
                if name not in places:
                    places[name] = _append(data, tensor, name, folder, data_name)
                    contents[name] = _digest(tensor)
                elif _digest(tensor) != contents[name]:
                    raise ValueError(f"the graphs disagree about the tensor {name!r}")
    for file_name, model in models.items():
        copy = model.clone()
        for name in _large(model):
            copy.graph.initializers[name].const_value = places[name]
        ir.save(copy, folder / file_name)
    return [*(folder / file_name for file_name in models), folder / data_name]


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
    data.write(tensor.tobytes())
    shape = ir.Shape(tensor.shape.numpy())
    return ir.ExternalTensor(
        data_name, offset, tensor.nbytes, tensor.dtype, shape=shape, name=name, base_dir=folder
    )


def _digest(tensor: ir.TensorProtocol) -> bytes:
    return sha256(tensor.tobytes()).digest()
