"""The graph for many INT8 texts, of graphs of any form: valid, and the same bits text by text."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from edgembed.batched import batched

WIDTH, TEXTS, TOKENS = 8, 3, 5
# Each step is a node that takes one or two of the values before it, counted from the last.
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["product", "Add", "Mul", "Tanh"]), st.integers(0, 5), st.integers(0, 5)
    ),
    min_size=1,
    max_size=14,
).filter(lambda steps: any(kind == "product" for kind, _, _ in steps))


def model(steps: list[tuple[str, int, int]]) -> bytes:
    """A graph of these steps, which returns the sum of all of its values."""
    values, nodes = ["x"], []
    for number, (kind, first, second) in enumerate(steps):
        taken = [values[-1 - first % len(values)], values[-1 - second % len(values)]]
        if kind == "product":
            nodes.append(
                helper.make_node(
                    "DynamicQuantizeMatMul",
                    [taken[0], "w", "s", "", "b"],
                    [f"v{number}"],
                    domain="com.microsoft",
                )
            )
        else:
            nodes.append(helper.make_node(kind, taken[: 1 + (kind != "Tanh")], [f"v{number}"]))
        values.append(f"v{number}")
    nodes.append(helper.make_node("Sum", values, ["out"]))
    generator = np.random.default_rng(0)
    weights = {
        "w": generator.integers(-127, 128, (WIDTH, WIDTH)).astype(np.int8),
        "s": generator.random(WIDTH, np.float32) / 500,
        "b": generator.random(WIDTH, np.float32),
    }
    shape = ["texts", "tokens", WIDTH]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, shape)],
        [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


def run(graph: bytes, x: np.ndarray) -> np.ndarray:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    (out,) = ort.InferenceSession(graph, options, ["CPUExecutionProvider"]).run(None, {"x": x})
    return np.asarray(out)


@settings(deadline=None)
@given(steps=STEPS)
def test_any_graph_of_products(steps: list[tuple[str, int, int]]) -> None:
    plain = model(steps)
    together = batched(plain)
    assert together is not None
    graph = onnx.load_from_string(together).graph
    assert "DynamicQuantizeMatMul" not in {node.op_type for node in graph.node}
    # Texts of very different scale: a common one would show.
    scales = np.array([1, 30, 0.01], np.float32)[:, None, None]
    x = np.random.default_rng(1).standard_normal((TEXTS, TOKENS, WIDTH), np.float32) * scales
    alone = np.concatenate([run(plain, row[None]) for row in x])
    np.testing.assert_array_equal(run(together, x), alone, strict=True)


def test_onnx_finds_nothing_wrong_with_it() -> None:
    together = batched(model([("product", 0, 0), ("product", 1, 0), ("Add", 0, 1)]))
    assert together is not None
    onnx.checker.check_model(onnx.load_from_string(together))


def test_without_it_texts_would_depend_on_each_other() -> None:
    """That the scales of the test above do show."""
    plain = model([("product", 0, 0)])
    x = np.stack(
        [np.full((TOKENS, WIDTH), 0.013, np.float32), np.full((TOKENS, WIDTH), 30.0, np.float32)]
    )
    alone = np.concatenate([run(plain, row[None]) for row in x])
    with pytest.raises(AssertionError):
        np.testing.assert_array_equal(run(plain, x), alone)
