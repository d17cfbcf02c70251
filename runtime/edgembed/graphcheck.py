"""Whether a graph and the manifest say the same of it: its inputs, its output, its weights.

onnxruntime takes a weight by name and does not look whether it is of the type that the graph says;
it would read int8 as float32, beyond the end of the file even.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from edgembed import graph
from edgembed.errors import UnsafeArtifactError
from edgembed.manifest import Manifest, Weights
from edgembed.tensors import ONNX_TYPES, Place, Tensor

_IDS, _MASK, _HIDDEN = "input_ids", "attention_mask", ONNX_TYPES["float32"]


def check_graph(data: bytes, name: str, weights: Weights, manifest: Manifest) -> None:
    """UnsafeArtifactError unless the graph `name` is the one that the manifest describes."""
    found = graph.read(data, name)
    masked = name == weights.masked_graph != weights.graph
    inputs = {_IDS, _MASK} if masked else {_IDS}
    if set(found.inputs) != inputs or {t for t, _ in found.inputs.values()} != {
        ONNX_TYPES["int64"]
    }:
        raise _error(name, f"must take {' and '.join(sorted(inputs))}, int64")
    if list(found.outputs.values()) != [(_HIDDEN, manifest.dimension)]:
        raise _error(name, f"must give one float32 output of dimension {manifest.dimension}")
    file = PurePosixPath(weights.data).name
    for own, place in found.external.items():
        if own not in weights.tensors or place != _expected(weights.tensors[own], file):
            raise _error(name, f"and the manifest disagree about the weight {own[:80]!r}")
    if missing := set(weights.tensors) - set(found.external):
        raise _error(name, f"has no weight {min(missing)[:80]!r}, which the manifest has")


def _expected(tensor: Tensor, file: str) -> Place:
    return Place(tensor.dtype, tensor.shape, file, tensor.offset, tensor.bytes())


def _error(name: str, what: str) -> UnsafeArtifactError:
    return UnsafeArtifactError(
        f"{name} {what}: export the model again, or do not load a bundle from there"
    )
