"""The runtime's own reader of graphs sees what onnx sees, also in files changed at random."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import onnx
import pytest
from google.protobuf.message import DecodeError

from edgembed import graph
from edgembed.bundle import Bundle
from edgembed.errors import UnsafeArtifactError
from edgembed.graph import Operators
from edgembed.operators import BRANCHES, CHOSEN, OPERATORS
from edgembed.tensors import ONNX_TYPES
from support import BUNDLE_NAMES, DTYPES

_LAST = slice(-1, None)


def as_onnx_sees_it(raw: bytes) -> graph.Graph:
    """The same facts by onnx; every node is looked at on the way."""
    model = onnx.ModelProto.FromString(raw)
    assert not model.functions
    assert not model.training_info
    assert not model.graph.sparse_initializer
    for node in model.graph.node:
        if node.op_type == "If" and not node.domain:
            assert {a.name.encode() for a in node.attribute} == BRANCHES
            for branch in node.attribute:
                _check_branch(branch)
        else:
            _check_node(node, OPERATORS)
    types = {number: name for name, number in ONNX_TYPES.items()}
    external = {}
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            own = {entry.key: entry.value for entry in tensor.external_data}
            external[tensor.name] = graph.Place(
                types[tensor.data_type],
                tuple(tensor.dims),
                own["location"],
                int(own["offset"]),
                int(own["length"]),
            )
        else:
            assert onnx.numpy_helper.to_array(tensor).shape == tuple(tensor.dims)
    return graph.Graph(_values(model.graph.input), _values(model.graph.output), external)


def _check_node(node: onnx.NodeProto, allowed: Operators) -> None:
    assert node.op_type.encode() in allowed[node.domain.encode()]
    assert not any(a.HasField("g") or a.graphs or a.ref_attr_name for a in node.attribute)


def _check_branch(branch: onnx.AttributeProto) -> None:
    """One node of attention, its output, and nothing else."""
    assert branch.type == onnx.AttributeProto.GRAPH
    inside = branch.g
    assert [field.name for field, _ in branch.ListFields()] == ["name", "g", "type"]
    assert {field.name for field, _ in inside.ListFields()} <= {"node", "name", "output"}
    (node,), (output,) = inside.node, inside.output
    assert output.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    _check_node(node, CHOSEN)


def _values(infos: object) -> dict[str, tuple[int, int | None]]:
    values = {}
    for info in infos:  # type: ignore[attr-defined]
        own = info.type.tensor_type
        last = [d.dim_value if d.HasField("dim_value") else None for d in own.shape.dim][_LAST]
        values[info.name] = (own.elem_type, last[0] if last else None)
    return values


def _graphs(bundles: Path, name: str) -> list[Path]:
    bundle = Bundle.open(bundles / name)
    weights = [bundle.weights(dtype) for dtype in DTYPES]
    return [bundle.folder / path for w in weights for path in (w.graph, w.masked_graph)]


@pytest.mark.parametrize("name", BUNDLE_NAMES)
def test_whole_graphs(bundles: Path, name: str) -> None:
    for path in _graphs(bundles, name):
        raw = path.read_bytes()
        found = graph.read(raw, path.name)
        assert found.external
        assert found == as_onnx_sees_it(raw)


def test_float32_chooses_its_attention(bundles: Path) -> None:
    """Or the reader's rule for branches would have been tried on nothing."""
    for name in BUNDLE_NAMES:
        bundle = Bundle.open(bundles / name)
        path = bundle.folder / bundle.weights("float32").graph
        nodes = onnx.load(path, load_external_data=False).graph.node
        assert any(node.op_type == "If" for node in nodes), path


@pytest.mark.parametrize("which", range(4))
def test_changed_graphs(
    bundles: Path, which: int, amount: Callable[[int, int], int], figure: Callable[[str], None]
) -> None:
    """What is taken at all is understood as onnx understands it."""
    raw, count = _graphs(bundles, "tiny-frida")[which].read_bytes(), amount(300, 5_000)
    taken = 0
    for seed in range(count):
        random, changed = Random(seed), bytearray(raw)
        for _ in range(random.choice((1, 1, 2, 4))):
            # Near the end are the nodes' and the values' names, and few weights.
            at = random.randrange(len(raw) if random.random() < 0.3 else 4000)
            changed[at] = random.randrange(256) if random.random() < 0.5 else changed[at] ^ 1
        try:
            found = graph.read(bytes(changed), "changed")
        except UnsafeArtifactError:
            continue
        try:
            wanted = as_onnx_sees_it(bytes(changed))
        except DecodeError:
            continue  # onnxruntime reads by the same library, and says so itself
        taken += 1
        assert found == wanted, seed
    assert 0 < taken < count
    figure(f"{count:,} changed graphs, of which {taken:,} were taken: read as onnx reads them")
