"""Looking into an ONNX graph before onnxruntime does.

A graph is a program. Here it must be one that edgembed-export could have written: operators of a
list, nothing nested but a choice between two nodes of attention, weights where the manifest says,
in the types and shapes that it says. The list has no operator that reads a file, loops, calls out,
or is random, so a graph that passes ends.
Field numbers are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from edgembed import tensors
from edgembed.errors import UnsafeArtifactError
from edgembed.operators import BRANCHES, CHOICE, CHOSEN, OPERATORS, SHAPE_INPUTS
from edgembed.tensors import Inside, Place
from edgembed.wire import (
    BYTES,
    FIXED32,
    VARINT,
    Field,
    WireError,
    content,
    fields,
    message,
    signed,
)

_MOST_PARTS = 20_000  # nodes, weights and values named in one graph
_MOST_USES = 4  # of one large weight: each node that takes it may keep a packed copy

_MODEL = {1: VARINT, 2: BYTES, 3: BYTES, 4: BYTES, 5: VARINT, 6: BYTES, 7: BYTES}
_GRAPH, _OPSET = 7, 8
_MODEL_REPEATED = {_OPSET, 14}  # and metadata_props
_NODE, _NAME, _INITIALIZER, _INPUT, _OUTPUT = 1, 2, 5, 11, 12
_GRAPH_SKIPPED = {2, 10, 13, 16}  # name, doc_string, value_info, metadata_props
_NODE_INPUT, _OP_TYPE, _ATTRIBUTE, _DOMAIN = 1, 4, 5, 7
_NODE_SKIPPED = {2, 3, 6, 9}  # output, name, doc_string, metadata_props
# name, doc_string, type, f, i, s, t; floats, ints and strings are repeated. No graph, no type.
# A choice's attribute is a name, a type and a graph, which is a name, a node and an output.
_ATTRIBUTE_KINDS = {1: BYTES, 13: BYTES, 20: VARINT, 2: FIXED32, 3: VARINT, 4: BYTES, 5: BYTES}
_ATTRIBUTE_REPEATED = {7, 8, 9}
_BRANCH_KINDS, _BRANCH_GRAPH_KINDS = {1: BYTES, 20: VARINT, 6: BYTES}, (_NODE, _NAME, _OUTPUT)
_GRAPH_TYPE, _FLOAT = 5, 1
_ORT_FORMAT = b"ORTM"  # onnxruntime's own format, which it would read instead


Operators = Mapping[bytes, frozenset[bytes]]  # by domain


class Graph(NamedTuple):
    """What a graph says of itself.

    inputs, outputs: by name, TensorProto.DataType and last dimension (None where it is free).
    external: weights outside the graph.
    """

    inputs: Mapping[str, tuple[int, int | None]]
    outputs: Mapping[str, tuple[int, int | None]]
    external: Mapping[str, Place]


def read(data: bytes, name: str) -> Graph:
    """Look through all of a graph; UnsafeArtifactError names the file and what is wrong in it."""
    if data[4:8] == _ORT_FORMAT:
        raise UnsafeArtifactError(f"{name} is in onnxruntime's own format, not in ONNX")
    try:
        return _graph(data, _model(data))
    except (WireError, UnicodeDecodeError) as error:
        raise UnsafeArtifactError(
            f"{name} is no graph that edgembed exports ({error}): export the model again, or do "
            "not load a bundle from there"
        ) from error


def _model(data: bytes) -> Field:
    """The model's one graph."""
    own: dict[int, Field] = {}
    for field in fields(data, 0, len(data)):
        number, kind, start, stop = field
        if number in _MODEL_REPEATED and kind == BYTES:
            if number == _OPSET:
                domain = content(data, message(data, start, stop, {1: BYTES, 2: VARINT}).get(1))
                if domain not in OPERATORS:
                    raise WireError("operators of an unknown domain")
        elif _MODEL.get(number) != kind or number in own:
            raise WireError(f"model: field {number} should not be there")
        else:
            own[number] = field
    if _GRAPH not in own:
        raise WireError("it has no graph")
    return own[_GRAPH]


def _graph(data: bytes, graph: Field) -> Graph:
    inputs: dict[str, tuple[int, int | None]] = {}
    outputs: dict[str, tuple[int, int | None]] = {}
    weights: dict[str, Place | Inside] = {}
    uses = _Uses({}, set())
    for number, kind, start, stop in fields(data, *graph[2:], _MOST_PARTS):
        if kind != BYTES:
            raise WireError(f"graph: field {number} should not be there")
        if number == _NODE:
            _node(data, start, stop, uses)
        elif number == _INITIALIZER:
            name, weight = tensors.read(data, start, stop)
            if name in weights:
                raise WireError(f"the weight {name!r} stands there twice")
            weights[name] = weight
        elif number in (_INPUT, _OUTPUT):
            name, shape = _value_info(data, start, stop)
            (inputs if number == _INPUT else outputs)[name] = shape
        elif number not in _GRAPH_SKIPPED:
            raise WireError(f"graph: field {number} should not be there")
    _check_uses(weights, uses)
    return Graph(inputs, outputs, {n: own for n, own in weights.items() if isinstance(own, Place)})


class _Uses(NamedTuple):
    """Of values by name: how often nodes take them, and which they take for a shape."""

    counts: dict[bytes, int]
    shapes: set[bytes]

    def add(self, op_type: bytes, taken: list[bytes]) -> None:
        """A node of this operator takes these."""
        for name in taken:
            self.counts[name] = self.counts.get(name, 0) + 1
        if op_type in SHAPE_INPUTS:
            self.shapes.update(taken[SHAPE_INPUTS[op_type] :])


def _check_uses(weights: Mapping[str, Place | Inside], uses: _Uses) -> None:
    for name, weight in weights.items():
        key = name.encode()
        if isinstance(weight, Place):
            if uses.counts.get(key, 0) > _MOST_USES:
                raise WireError(f"the weight {name!r} is used {uses.counts[key]} times")
            if key in uses.shapes:
                raise WireError(f"{name!r} asks for a shape that is outside")
        elif tensors.is_absurd(weight, key in uses.shapes):
            raise WireError(f"{name!r} asks for an absurd shape")


def _node(data: bytes, at: int, end: int, uses: _Uses, allowed: Operators = OPERATORS) -> None:
    """Check one node, and count what it takes."""
    own: dict[int, bytes] = {}
    taken: list[bytes] = []
    attributes: list[Field] = []
    for number, kind, start, stop in fields(data, at, end):
        if number == _NODE_INPUT and kind == BYTES:
            taken.append(data[start:stop])
        elif number == _ATTRIBUTE and kind == BYTES:
            attributes.append((number, kind, start, stop))
        elif number in (_OP_TYPE, _DOMAIN) and number not in own:
            own[number] = data[start:stop]
        elif number not in _NODE_SKIPPED:
            raise WireError(f"node: field {number} should not be there")
    op_type, domain = own.get(_OP_TYPE, b""), own.get(_DOMAIN, b"")
    uses.add(op_type, taken)
    if op_type == CHOICE and not domain and allowed is OPERATORS:
        _choice(data, attributes, uses)
        return
    _operator(op_type, domain, allowed)
    for _, _, start, stop in attributes:
        _attribute(data, start, stop)


def _operator(op_type: bytes, domain: bytes, allowed: Operators) -> None:
    if op_type not in allowed.get(domain, ()):
        full = b".".join((domain, op_type)) if domain else op_type
        raise WireError(f"the operator {full[:80].decode('utf-8', 'replace')} is not allowed")


def _choice(data: bytes, attributes: list[Field], uses: _Uses) -> None:
    """Check the two branches of an If: each is one node of attention, and its output."""
    names = set()
    for _, _, start, stop in attributes:
        own = message(data, start, stop, _BRANCH_KINDS)
        names.add(content(data, own.get(1)))
        if 6 not in own or 20 not in own or own[20][2] != _GRAPH_TYPE:
            raise WireError("a branch of a choice is no graph")
        inside = message(data, *own[6][2:], dict.fromkeys(_BRANCH_GRAPH_KINDS, BYTES))
        if _NODE not in inside or _OUTPUT not in inside:
            raise WireError("a branch of a choice is not one node")
        _node(data, *inside[_NODE][2:], uses, CHOSEN)
        if _value_info(data, *inside[_OUTPUT][2:])[1][0] != _FLOAT:
            raise WireError("a branch of a choice gives no float32")
    if names != BRANCHES or len(attributes) != len(BRANCHES):
        raise WireError("a choice is not one between two branches")


def _attribute(data: bytes, at: int, end: int) -> None:
    seen = set()
    for number, kind, start, stop in fields(data, at, end):
        if number in _ATTRIBUTE_REPEATED:
            continue
        if _ATTRIBUTE_KINDS.get(number) != kind or number in seen:
            raise WireError(f"attribute: field {number} should not be there")
        seen.add(number)
        if number == 5:
            _, own = tensors.read(data, start, stop)
            if isinstance(own, Place) or tensors.is_absurd(own, is_shape=own.whole):
                raise WireError("an attribute asks for what is outside, or for an absurd shape")


def _value_info(data: bytes, at: int, end: int) -> tuple[str, tuple[int, int | None]]:
    """An input or output: its name, TensorProto.DataType and last dimension."""
    own = message(data, at, end, {1: BYTES, 2: BYTES, 3: BYTES})
    of_type = _inside(data, own.get(2), {1: BYTES})
    tensor = _inside(data, of_type.get(1), {1: VARINT, 2: BYTES})
    last = None
    for field in fields(data, *tensor[2][2:]) if 2 in tensor else ():
        sizes = _inside(data, field, {1: VARINT, 2: BYTES, 3: BYTES})
        last = signed(sizes[1][2]) if 1 in sizes else None
    return content(data, own.get(1)).decode(), (tensor[1][2] if 1 in tensor else 0, last)


def _inside(data: bytes, field: Field | None, kinds: dict[int, int]) -> dict[int, Field]:
    if field is None or field[1] != BYTES:
        raise WireError("an input or output is not a tensor")
    return message(data, *field[2:], kinds)
