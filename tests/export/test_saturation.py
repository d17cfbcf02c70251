"""The shipped INT8 graphs give the same bits whether or not the CPU adds products in 16 bits.

x86 without VNNI adds two neighbouring products with saturation; `session.x64quantprecision` makes
onnxruntime use slower kernels there that do not. Equal vectors under both mean that nothing
saturated. On a machine that never saturates the two are equal whatever the weights, which is why
the last test here holds the setting against weights that must saturate.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest

from edgembed import Embedder
from edgembed_export.assemble import LAYOUT
from edgembed_export.corpus import read_texts
from edgembed_export.graph.constants import ORT, ORT_VERSION

WIDTH = 64


def session(model: str | bytes, precise: bool) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.x64quantprecision", str(int(precise)))
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("key", ["graph", "masked_graph"])
def test_shipped_graphs_do_not_saturate(bundles: Path, key: str) -> None:
    path = str(bundles / "minilm" / LAYOUT["int8"][key])
    quick, precise = session(path, precise=False), session(path, precise=True)
    for feed in _feeds(bundles / "minilm", masked=key == "masked_graph"):
        one, other = quick.run(None, feed)[0], precise.run(None, feed)[0]
        assert one.tobytes() == other.tobytes(), feed["input_ids"].shape


def _feeds(bundle: Path, masked: bool) -> Iterator[dict[str, Any]]:
    """Every built-in text, cut to 256 tokens."""
    model = Embedder(bundle, dtype="int8", threads=1)
    for text in read_texts(None, "evaluation"):
        tokens = model.tokenize([text])
        yield dict(tokens) if masked else {"input_ids": tokens["input_ids"]}


def test_weights_that_saturate_are_told_from_those_that_do_not() -> None:
    """All activations 255 and all weights 127: the product of ones and ones, or half of it."""
    model = _product(np.full((WIDTH, WIDTH), 127, np.int8))
    quick, precise = (
        session(model, p).run(None, {"x": np.ones((1, WIDTH), np.float32)})[0]
        for p in (False, True)
    )
    np.testing.assert_allclose(precise, WIDTH, rtol=1e-6)
    if _saturates():
        assert quick.max() < 0.6 * WIDTH
    else:
        np.testing.assert_allclose(quick, WIDTH, rtol=1e-6)


def _product(weight: Any) -> bytes:
    """A graph of one DynamicQuantizeMatMul: x (1, rows) times weight (rows, columns) / 127."""
    scale = np.full(weight.shape[1], 1 / 127, np.float32)
    x = ir.val("x", ir.DataType.FLOAT, (1, len(weight)))
    constants = [ir.val("w", const_value=ir.tensor(weight, name="w"))]
    constants.append(ir.val("s", const_value=ir.tensor(scale, name="s")))
    node = ir.node("DynamicQuantizeMatMul", [x, *constants], domain=ORT)
    node.outputs[0].name = "y"
    node.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
    opsets = {"": 20, ORT: ORT_VERSION}
    graph = ir.Graph(
        [x], node.outputs, nodes=[node], initializers=constants, opset_imports=opsets, name="one"
    )
    return ir.to_proto(ir.Model(graph, ir_version=10)).SerializeToString()


def _saturates() -> bool:
    """Whether this CPU is an x86 without VNNI, as Linux says."""
    info = Path("/proc/cpuinfo")
    if platform.machine() not in ("x86_64", "AMD64") or not info.is_file():
        pytest.skip("only Linux on x86-64 says whether its CPU saturates")
    return "vnni" not in info.read_text()
