"""INT8 texts of equal length in one run, each with the scales that it has alone, bit for bit.

`DynamicQuantizeMatMul` rounds its input with one scale for the whole tensor, so texts in one run
would depend on each other. Here each of these products stands in a `Scan` over the texts: it sees
one text after the other, and its matrix stays in the cache meanwhile, where texts that are run one
by one read all matrices of the model for each. All other nodes work row by row, or on each text's
attention by itself, and take all texts at once.

The graph is made from the bundle's own, which has been checked, so that a bundle needs none more.
Field numbers are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edgembed.errors import ModelLoadError
from edgembed.operators import CHOICE
from edgembed.pooling import Float32
from edgembed.session import Session
from edgembed.wire import BYTES, fields

_MODEL_GRAPH = 7
_NODE, _GRAPH_NAME, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 2, 11, 12
_INPUT, _OUTPUT, _OP_TYPE, _ATTRIBUTE = 1, 2, 4, 5
_ATTRIBUTE_NAME, _INTEGER, _SUBGRAPH, _ATTRIBUTE_TYPE = 1, 3, 6, 20
_IS_INTEGER, _IS_GRAPH = 2, 5
_FLOATS = b"\x0a\x02\x08\x01"  # a TypeProto: a tensor of float32
_PRODUCT, _SCALE = b"DynamicQuantizeMatMul", b"DynamicQuantizeLinear"
_MOST_FIELDS, _MOST_PARTS = 64, 2**20  # the graph reader's own bounds are stricter


class Batched:
    """A session for several texts at once, which is used if it gives the bits of one by one."""

    def __init__(
        self,
        graph: bytes,
        make: Callable[[bytes], Session],
        each: Callable[[npt.NDArray[np.int64]], Float32],
    ) -> None:
        """Nothing is made yet. make: a session of a graph. each: runs texts one by one."""
        self._graph, self._make, self._each = graph, make, each
        self._session: Session | None = None
        self._lock = Lock()
        self.is_possible = True

    def run(self, ids: npt.NDArray[np.int64]) -> Float32:
        """(texts, tokens) int64 -> (texts, tokens, dim): what each text gives alone."""
        # One text would not show whether texts depend on each other.
        if self._session is None and self.is_possible and len(ids) > 1:
            with self._lock:
                if self._session is None and self.is_possible:
                    self._session = self._tried(ids)
                    self.is_possible = self._session is not None
        return self._each(ids) if self._session is None else self._session.run(ids)

    def _tried(self, ids: npt.NDArray[np.int64]) -> Session | None:
        """The session, unless it cannot be or gives these texts other bits than one by one."""
        graph = batched(self._graph)
        if graph is None:
            return None
        try:
            session = self._make(graph)
        except ModelLoadError:  # what runs one by one needs none
            return None
        same = np.array_equal(session.run(ids), self._each(ids), equal_nan=True)
        return session if same else None

    def renew(self) -> None:
        """In a forked child: whoever held the lock is not there. The session has no threads."""
        self._lock = Lock()


def batched(model: bytes) -> bytes | None:
    """The ONNX model with its INT8 products in Scans over their first axis, the texts.

    None where there is no such product, or where other nodes take a scale from all texts.
    """
    parts = list(_parts(model))
    (graph,) = (value for number, value in parts if number == _MODEL_GRAPH)
    own = list(_parts(graph, _MOST_PARTS))
    nodes = [_Node(list(_parts(value))) for number, value in own if number == _NODE]
    kinds = {node.op_type for node in nodes}
    if _PRODUCT not in kinds or _SCALE in kinds:
        return None
    written = [_field(_NODE, node) for node in _with_scans(nodes)]
    rest = [_field(*part) for part in own if part[0] != _NODE]
    beside = [_field(*part) for part in parts if part[0] != _MODEL_GRAPH]
    return b"".join((*beside, _field(_MODEL_GRAPH, b"".join((*written, *rest)))))


class _Node(NamedTuple):
    """A node: its fields' numbers and contents."""

    parts: list[tuple[int, bytes]]

    def all(self, number: int) -> list[bytes]:
        """The contents of all fields of that number."""
        return [value for own, value in self.parts if own == number]

    @property
    def op_type(self) -> bytes:
        return b"".join(self.all(_OP_TYPE))

    def content(self) -> bytes:
        return b"".join(_field(*part) for part in self.parts)

    def inside(self) -> bytes:
        """The same with the first input and the output that it has in a Scan's body."""
        changed = {(_INPUT, self.all(_INPUT)[0]), (_OUTPUT, self.all(_OUTPUT)[0])}
        return b"".join(_field(n, _inner(v) if (n, v) in changed else v) for n, v in self.parts)


def _with_scans(nodes: Sequence[_Node]) -> Iterator[bytes]:
    """All nodes; a product waits until its output is needed, so that a Scan may hold several."""
    waiting: list[_Node] = []
    for node in nodes:
        made = {product.all(_OUTPUT)[0] for product in waiting}
        # What a choice's branches take is not among its own inputs.
        if waiting and (node.op_type == CHOICE or made.intersection(node.all(_INPUT))):
            yield _scan(waiting)
            waiting = []
        if node.op_type == _PRODUCT:
            waiting.append(node)
        else:
            yield node.content()
    if waiting:
        yield _scan(waiting)


def _scan(products: Sequence[_Node]) -> bytes:
    """A Scan around products: their inputs and outputs are cut by text, the weights are whole."""
    sources = list(dict.fromkeys(product.all(_INPUT)[0] for product in products))
    results = [product.all(_OUTPUT)[0] for product in products]
    body = b"".join(
        (
            *(_field(_NODE, product.inside()) for product in products),
            _field(_GRAPH_NAME, _inner(results[0])),
            *(_field(_GRAPH_INPUT, _floats(_inner(source))) for source in sources),
            *(_field(_GRAPH_OUTPUT, _floats(_inner(result))) for result in results),
        )
    )
    return b"".join(
        (
            *(_field(_INPUT, source) for source in sources),
            *(_field(_OUTPUT, result) for result in results),
            _field(_OP_TYPE, b"Scan"),
            _attribute(b"num_scan_inputs", _IS_INTEGER, _field(_INTEGER, len(sources))),
            _attribute(b"body", _IS_GRAPH, _field(_SUBGRAPH, body)),
        )
    )


def _inner(name: bytes) -> bytes:
    """What a value is called in a Scan's body."""
    return b"edgembed.text." + name


def _floats(name: bytes) -> bytes:
    """A ValueInfo: a float32 tensor of any shape."""
    return _field(1, name) + _field(2, _FLOATS)


def _attribute(name: bytes, kind: int, value: bytes) -> bytes:
    return _field(_ATTRIBUTE, _field(_ATTRIBUTE_NAME, name) + value + _field(_ATTRIBUTE_TYPE, kind))


def _parts(message: bytes, most: int = _MOST_FIELDS) -> Iterator[tuple[int, Any]]:
    """A message's fields: their numbers, and the bytes or the number that they hold."""
    for number, kind, start, stop in fields(message, 0, len(message), most):
        yield number, message[start:stop] if kind == BYTES else start


def _field(number: int, value: bytes | int) -> bytes:
    """One field: a number, or bytes with their length."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | BYTES) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes((*out, value))
