"""Several graphs, one data file: placed on pages, written once, the same bytes every time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
from families import FAMILIES, checkpoint
from graphs import lean

from edgembed_export.convert import convert
from edgembed_export.graph import rewrite
from edgembed_export.store import PAGE, SMALLEST, save

WIDE = SMALLEST // 4  # float32 numbers in the smallest tensor that goes to the data file
DATA = "weights.bin"
BERT = FAMILIES[0]


def _model(**constants: np.ndarray) -> ir.Model:
    """x + each constant in turn; x and y are (n,)."""
    x = ir.Value(name="x", shape=ir.Shape(["n"]), type=ir.TensorType(ir.DataType.FLOAT))
    values, nodes = {}, []
    last = x
    for name, content in constants.items():
        tensor = ir.Tensor(content, name=name)
        shape = ir.Shape(content.shape)
        kind = ir.TensorType(tensor.dtype)
        values[name] = ir.Value(name=name, shape=shape, type=kind, const_value=tensor)
        node = ir.node("Add", [last, values[name]])
        node.outputs[0].name = f"plus.{name}"
        nodes.append(node)
        last = node.outputs[0]
    last.type, last.shape = ir.TensorType(ir.DataType.FLOAT), ir.Shape(["n"])
    graph = ir.Graph(
        [x], [last], nodes=nodes, initializers=list(values.values()), opset_imports={"": 18},
        name="sum",
    )  # fmt: skip
    return ir.Model(graph, ir_version=8)


def _numbers(seed: int, count: int = WIDE) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(count).astype(np.float32)


def _places(path: Path) -> dict[str, ir.ExternalTensor]:
    initializers = ir.load(path).graph.initializers
    tensors = {name: value.const_value for name, value in initializers.items()}
    return {name: t for name, t in tensors.items() if isinstance(t, ir.ExternalTensor)}


def _run(path: Path, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"x": x})
    return np.asarray(y)


def test_two_graphs_share_a_tensor_that_is_written_once(tmp_path: Path) -> None:
    shared, own = _numbers(0), _numbers(1)
    models = {"a.onnx": _model(w=shared), "b.onnx": _model(w=shared.copy(), v=own)}
    paths = save(models, tmp_path, DATA)
    assert [path.name for path in paths] == ["a.onnx", "b.onnx", DATA]
    assert (tmp_path / DATA).stat().st_size == 2 * SMALLEST
    a, b = _places(paths[0]), _places(paths[1])
    assert a["w"].offset == b["w"].offset == 0
    assert b["v"].offset == SMALLEST
    x = _numbers(2)
    np.testing.assert_array_equal(_run(paths[0], x), x + shared)
    np.testing.assert_array_equal(_run(paths[1], x), x + shared + own)


def test_large_tensors_start_on_a_page_and_small_ones_stay(tmp_path: Path) -> None:
    odd = {f"w{size}": _numbers(size, size) for size in (WIDE + 1, WIDE + 7, 3 * WIDE)}
    model = _model(**odd, one=np.float32([1]), short=_numbers(3, WIDE - 1))
    (path, data) = save({"a.onnx": model}, tmp_path, DATA)
    places = _places(path)
    assert sorted(places) == sorted(odd)
    content = data.read_bytes()
    for name, tensor in places.items():
        assert tensor.offset is not None
        assert tensor.offset % PAGE == 0
        assert content[tensor.offset : tensor.offset + tensor.nbytes] == odd[name].tobytes()


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.float16, np.int64, np.float64])
def test_every_kind_of_number_comes_back(dtype: type, tmp_path: Path) -> None:
    content = np.arange(SMALLEST).astype(dtype).reshape(2, -1)
    turned = np.asfortranarray(content)  # not contiguous: must be put in order first
    for name, array in (("plain", content), ("turned", turned)):
        (path, _) = save({f"{name}.onnx": _model(w=array)}, tmp_path, f"{name}.bin")
        np.testing.assert_array_equal(_places(path)["w"].numpy(), content)


def test_graphs_that_disagree_are_refused(tmp_path: Path) -> None:
    other = _numbers(0)
    other[-1] += 1
    for wrong in (other, _numbers(0, WIDE + 1), _numbers(0).view(np.int32)):
        models = {"a.onnx": _model(w=_numbers(0)), "b.onnx": _model(w=wrong)}
        with pytest.raises(ValueError, match="the graphs disagree about the tensor 'w'"):
            save(models, tmp_path, DATA)


def test_the_graphs_given_keep_their_weights(tmp_path: Path) -> None:
    model = _model(w=_numbers(0))
    save({"a.onnx": model}, tmp_path / "folder" / "below", DATA)
    tensor = model.graph.initializers["w"].const_value
    assert isinstance(tensor, ir.Tensor)
    (tmp_path / "folder" / "below" / DATA).unlink()
    np.testing.assert_array_equal(tensor.numpy(), _numbers(0))


def test_saved_again_elsewhere_from_its_files(tmp_path: Path) -> None:
    """A graph whose weights, large and small, are in a file: so one above 2 GiB is traced."""
    wide, short, x = _numbers(0), np.float32([3]), _numbers(1)
    traced = tmp_path / "traced"
    traced.mkdir()
    ir.save(_model(w=wide, s=short), traced / "a.onnx", external_data=DATA, size_threshold_bytes=0)
    assert sorted(_places(traced / "a.onnx")) == ["s", "w"]
    (path, _) = save({"a.onnx": ir.load(traced / "a.onnx")}, tmp_path / "saved", DATA)
    shutil.rmtree(traced)
    assert sorted(_places(path)) == ["w"]
    np.testing.assert_array_equal(_run(path, x), x + wide + short)


def _chain(source: Path, out: Path) -> list[str]:
    """Trace, rewrite and save; digests of the files."""
    plain = ir.load(convert(source, out / "plain"))
    settings = json.loads((source / "config.json").read_text("utf-8"))
    graphs = {f"{mask}.onnx": rewrite(plain, settings, mask=mask)[0] for mask in (True, False)}
    return [sha256(path.read_bytes()).hexdigest() for path in save(graphs, out, DATA)]


OTHER_PROCESS = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from test_store import _chain
print(*_chain(Path(sys.argv[1]), Path(sys.argv[2])))
"""


def test_another_process_writes_the_same_bytes(tmp_path: Path) -> None:
    """Under another hash seed, in another folder."""
    here = Path(__file__).parent
    arguments = [checkpoint(BERT), tmp_path / "theirs", here, here.parent]
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", OTHER_PROCESS, *map(str, arguments)],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout.split() == _chain(checkpoint(BERT), tmp_path / "ours")


def test_lean_graphs_of_a_family_share_nearly_everything(tmp_path: Path) -> None:
    graphs = {f"{mask}.onnx": lean(BERT, mask)[0] for mask in (True, False)}
    *paths, data = save(graphs, tmp_path, DATA)
    one, two = (_places(path) for path in paths)
    assert one.keys() == two.keys()
    assert {n: t.offset for n, t in one.items()} == {n: t.offset for n, t in two.items()}
    assert data.stat().st_size < sum(tensor.nbytes for tensor in one.values()) + PAGE * len(one)
