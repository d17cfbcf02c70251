"""How fast this core can multiply matrices of the model's own shapes, and nothing else.

A graph of all the model's weight GEMMs in a row (so weights stream through the caches as they do
in the model) and one of its attention GEMMs, run by onnxruntime with one thread, give the time
that no runtime on these kernels can beat. `measure` is the runner's side; as a script this file
runs in the build venv:  roofline.py CONFIG_JSON TOKENS,TOKENS
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

_SQUARE = 1024  # a GEMM large enough to reach the core's peak


def measure(
    work: Path, models: Sequence[str], tokens: Sequence[int], log: Callable[[str], None]
) -> dict[str, Any]:
    """{model: {peak, tokens: {...}}}, each measured in a process of its own."""
    found = {}
    for key in models:
        log(f"{key}: roofline")
        config = work / "models" / key / "checkpoint" / "config.json"
        command = [str(work / "venvs" / "build" / "bin" / "python"), __file__, str(config)]
        lengths = ",".join(map(str, tokens))
        environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1"}
        done = subprocess.run(
            [*command, lengths], capture_output=True, text=True, env=environment, check=True
        )
        found[key] = json.loads(done.stdout)
    return found


def main(config_file: str, lengths: str) -> None:
    shape = json.loads(Path(config_file).read_text())
    hidden, inner = shape["hidden_size"], shape["intermediate_size"]
    layers, heads = shape["num_hidden_layers"], shape["num_attention_heads"]
    sides = [hidden, hidden, hidden, hidden, hidden, inner] * layers + [hidden]
    square = [_SQUARE] * 5
    peak = {
        dtype: _gflops(_chain(square, dtype), _SQUARE, _chain_flops(square, _SQUARE))
        for dtype in ("float32", "int8")
    }
    rows = {}
    for tokens in map(int, lengths.split(",")):
        flops = _chain_flops(sides, tokens)
        row: dict[str, Any] = {"weight_mflop": flops / 1e6}
        for dtype in ("float32", "int8"):
            seconds = _seconds(_chain(sides, dtype), _inputs(tokens, hidden))
            row[f"{dtype}_gemm_ms"] = round(1e3 * seconds, 4)
            row[f"{dtype}_gflops"] = round(flops / seconds / 1e9, 1)
        attention = _seconds(_attention(), _attention_inputs(heads, tokens, hidden // heads))
        row["attention_mflop"] = layers * 4 * tokens * tokens * hidden / 1e6
        row["attention_ms"] = round(1e3 * layers * attention, 4)
        rows[str(tokens)] = row
    print(json.dumps({"peak_gflops": peak, "tokens": rows}))


def _chain_flops(sides: Sequence[int], tokens: int) -> float:
    pairs = pairwise(sides)
    return float(sum(2 * tokens * inner * outer for inner, outer in pairs))


def _gflops(model: bytes, tokens: int, flops: float) -> float:
    return round(flops / _seconds(model, _inputs(tokens, _SQUARE)) / 1e9, 1)


def _seconds(model: bytes, inputs: dict[str, Any]) -> float:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
    samples: list[float] = []
    deadline = time.perf_counter() + 1.5
    while len(samples) < 5 or time.perf_counter() < deadline:
        start = time.process_time()  # one thread; a neighbour's share of the core is left out
        session.run(None, inputs)
        samples.append(time.process_time() - start)
    return median(samples)


def _chain(sides: Sequence[int], dtype: str) -> bytes:
    """x @ W0 @ W1 ..., one node a weight: MatMul, or DynamicQuantizeMatMul per channel."""
    import numpy as np
    from onnx import helper, numpy_helper

    random = np.random.default_rng(0)
    nodes, weights = [], []
    for index, (inner, outer) in enumerate(pairwise(sides)):
        # Divided by the square root of the inner side, values keep their size along the chain.
        weight = (random.standard_normal((inner, outer)) / inner**0.5).astype(np.float32)
        names = [f"x{index}", f"w{index}"]
        if dtype == "int8":
            scale = np.abs(weight).max(0) / 64  # 7 bits: no kernel saturates
            weights.append(numpy_helper.from_array(scale, f"s{index}"))
            weight = np.round(weight / scale).astype(np.int8)
            names.append(f"s{index}")
        weights.append(numpy_helper.from_array(weight, f"w{index}"))
        kind = ("MatMul", "") if dtype == "float32" else ("DynamicQuantizeMatMul", "com.microsoft")
        nodes.append(helper.make_node(kind[0], names, [f"x{index + 1}"], domain=kind[1]))
    return _model(nodes, weights, ["x0"], f"x{len(nodes)}")


def _attention() -> bytes:
    from onnx import helper

    nodes = [
        helper.make_node("MatMul", ["q", "k"], ["scores"]),
        helper.make_node("MatMul", ["scores", "v"], ["out"]),
    ]
    return _model(nodes, [], ["q", "k", "v"], "out")


def _model(nodes: list[Any], weights: list[Any], inputs: list[str], output: str) -> bytes:
    from onnx import TensorProto, helper

    kind = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "gemms",
        [helper.make_tensor_value_info(name, kind, None) for name in inputs],
        [helper.make_tensor_value_info(output, kind, None)],
        weights,
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    raw: bytes = model.SerializeToString()
    return raw


def _inputs(tokens: int, width: int) -> dict[str, Any]:
    import numpy as np

    return {"x0": np.random.default_rng(1).standard_normal((tokens, width)).astype(np.float32)}


def _attention_inputs(heads: int, tokens: int, size: int) -> dict[str, Any]:
    import numpy as np

    random = np.random.default_rng(2)
    shapes = {"q": (heads, tokens, size), "k": (heads, size, tokens), "v": (heads, tokens, size)}
    return {name: random.random(shape, np.float32) for name, shape in shapes.items()}


if __name__ == "__main__":
    main(*sys.argv[1:])
