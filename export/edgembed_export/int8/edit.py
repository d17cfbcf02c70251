"""Writing nodes into a graph: what the quantiser's steps share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgembed_export.graph.constants import add_initializer


class Editor:
    """A graph that is being changed; names are the same in the masked and the maskless graph."""

    def __init__(self, graph: ir.Graph, prefix: str = "") -> None:
        """Edit `graph` in place; `prefix` begins the new values' names."""
        self.graph = graph
        self._prefix = prefix
        self._inserted = 0

    def constant(self, name: str, content: npt.NDArray[Any]) -> ir.Value:
        """A constant under a name made from a weight's name."""
        return add_initializer(self.graph, name, np.ascontiguousarray(content))

    def insert(
        self,
        before: ir.Node,
        kind: str,
        inputs: Sequence[ir.Value | None],
        domain: str = "",
        attributes: Iterable[ir.Attr] = (),
    ) -> ir.Value:
        """The output of a new node."""
        return self.insert_many(before, kind, inputs, 1, domain, attributes)[0]

    def insert_many(
        self,
        before: ir.Node,
        kind: str,
        inputs: Sequence[ir.Value | None],
        outputs: int,
        domain: str = "",
        attributes: Iterable[ir.Attr] = (),
    ) -> Sequence[ir.Value]:
        """The outputs of a new node."""
        node = ir.Node(domain, kind, inputs, attributes, num_outputs=outputs)
        self._inserted += 1
        for place, value in enumerate(node.outputs):
            name = self._name(kind)
            value.name = f"{name}.{place}" if outputs > 1 else name
        self.graph.insert_before(before, node)
        return node.outputs

    def _name(self, kind: str) -> str:
        return f"{self._prefix}{kind}.{self._inserted}"


def producer(value: ir.Value | None) -> ir.Node | None:
    """The node that made the value, looking through Reshape."""
    node = None if value is None else value.producer()
    while node is not None and node.op_type == "Reshape":
        node = None if node.inputs[0] is None else node.inputs[0].producer()
    return node


def only_add(value: ir.Value) -> ir.Node | None:
    """The Add that is the value's only use, or None."""
    uses = list(value.uses())
    return uses[0].node if len(uses) == 1 and uses[0].node.op_type == "Add" else None
