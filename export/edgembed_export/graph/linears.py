"""The linear layers of a lean graph, and what each is for."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

ACTIVATIONS = ("Gelu", "FastGelu", "Relu", "Tanh")


@dataclass(frozen=True)
class Linear:
    """One Gemm: (rows, in) by (in, out), with an optional bias (out)."""

    node: ir.Node
    role: str
    """qkv, out, up, down or other."""

    @property
    def input(self) -> ir.Value:
        """float32 (rows, in), shared by the layers of one group."""
        return _present(self.node.inputs[0])

    @property
    def weight(self) -> ir.Value:
        """float32 (in, out)."""
        return _present(self.node.inputs[1])

    @property
    def bias(self) -> ir.Value | None:
        """float32 (out) or None."""
        return self.node.inputs[2] if len(self.node.inputs) > 2 else None

    @property
    def output(self) -> ir.Value:
        """float32 (rows, out)."""
        return self.node.outputs[0]

    @property
    def name(self) -> str:
        """The weight's name: the same in the masked and in the maskless graph."""
        return self.weight.name or ""


def linears(graph: ir.Graph) -> list[Linear]:
    """Every Gemm whose weight is a constant matrix, in the graph's order."""
    return [
        Linear(node, _role(node))
        for node in graph
        if node.op_type == "Gemm" and _present(node.inputs[1]).is_initializer()
    ]


def _role(node: ir.Node) -> str:
    source = _source(_present(node.inputs[0]))
    uses = _uses(node.outputs[0])
    if "MultiHeadAttention" in uses:
        return "qkv"
    if source == "MultiHeadAttention":
        return "out"
    if source in (*ACTIVATIONS, "Mul"):
        return "down"
    siblings: set[str] = set()
    for use in _present(node.inputs[0]).uses():
        siblings |= _uses(use.node.outputs[0])
    return "up" if siblings & set(ACTIVATIONS) else "other"


def _source(value: ir.Value) -> str:
    """The operator that made the value, looking through Reshape."""
    node = value.producer()
    while node is not None and node.op_type == "Reshape":
        node = _present(node.inputs[0]).producer()
    return "" if node is None else node.op_type


def _uses(value: ir.Value) -> set[str]:
    """The operators that use the value, looking through Reshape."""
    found: set[str] = set()
    for use in value.uses():
        if use.node.op_type == "Reshape":
            found |= _uses(use.node.outputs[0])
        else:
            found.add(use.node.op_type)
    return found


def _present(value: ir.Value | None) -> ir.Value:
    if value is None:
        raise ValueError("a Gemm without its input or weight")
    return value
