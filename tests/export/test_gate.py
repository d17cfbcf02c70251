"""INT8 that misses the gate with 8-bit activations is made again with 16-bit ones, or refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgembed import Embedder
from edgembed.bundle import Bundle
from edgembed.canary import TOLERANCE, tolerance
from edgembed.cli import main as runtime_main
from edgembed_export import cli
from edgembed_export.assemble import LAYOUT
from edgembed_export.graph.constants import ORT, ORT_VERSION, add_initializer
from edgembed_export.int8.residuals import keep_residuals
from support import cosines

Folder = Callable[[str], Path]
SENTENCES = [
    "Rust spreads fastest where salt water meets bare iron.",
    "Is it safe to freeze cooked rice?",
    "The bread is done when it sounds hollow underneath.",
    "A narrow path climbs from the harbour to the old lighthouse.",
    "Nobody in the village remembers the year the bridge fell.",
    "Parking here is for residents only, from eight to six.",
]
TEXTS = ["Мама мыла раму", "a", "Unicode: ✈️ 15.08", "the quick brown fox " * 3]


def parity(bundle: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((bundle / "parity.json").read_text("utf-8"))
    return found


@pytest.fixture(scope="module")
def closest(
    checkpoint_folder: Folder, texts_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """A bundle by each number of bits."""
    made = {}
    for bits in ("8", "16"):
        made[bits] = tmp_path_factory.mktemp("bits") / bits
        arguments = [str(checkpoint_folder("tiny-frida")), str(made[bits]), "--min-cosine=.9",
                     f"--calibration={texts_file}", f"--evaluation={texts_file}"]  # fmt: skip
        assert cli.main([*arguments, f"--activation-bits={bits}"]) == 0
    return made


def test_many_texts_have_the_bits_of_one(closest: dict[str, Path]) -> None:
    """Together by 8 bits; one by one by 16, whose products take scales from a whole run."""
    texts = [
        f"{word} {other}" for word in ("кот", "cat", "a", "дом") for other in "abcdefghijklmnop"
    ]
    for bits, bundle in closest.items():
        model = Embedder(bundle, dtype="int8", threads=1)
        alone = np.stack([model.encode(text, prompt="") for text in texts])
        for _ in range(2):
            np.testing.assert_array_equal(model.encode(texts, prompt=""), alone, strict=True)
        assert model._engine._sessions.batches(len(texts)) == (bits == "8")


def test_16_bits_are_closer_to_torch_and_no_larger(closest: dict[str, Path]) -> None:
    found = {bits: parity(bundle) for bits, bundle in closest.items()}
    for bits, own in found.items():
        assert own["int8"]["activation_bits"] == int(bits)
    away = {b: 1 - own["dtypes"]["int8"]["mean"] for b, own in found.items()}
    assert away["16"] < away["8"] * 0.7
    batched = {b: 1 - own["masked_graphs"]["int8"]["mean"] for b, own in found.items()}
    assert batched["16"] < batched["8"] * 0.7
    data = LAYOUT["int8"]["data"]
    assert (closest["8"] / data).read_bytes() == (closest["16"] / data).read_bytes()
    assert "16-bit activations" in (closest["16"] / "README.md").read_text("utf-8")
    assert "16-bit activations" not in (closest["8"] / "README.md").read_text("utf-8")


def test_a_bundle_with_16_bits_is_one_like_any_other(closest: dict[str, Path]) -> None:
    model = Embedder(closest["16"], dtype="int8", canaries="refuse")
    alone = np.stack([model.encode(text) for text in TEXTS])
    assert model.encode(TEXTS).tobytes() == alone.tobytes()
    exact = Embedder(closest["16"], dtype="float32").encode(TEXTS)
    assert cosines(exact, alone).min() > 1 - 1e-4
    fingerprints = {Embedder(bundle, dtype="int8").fingerprint for bundle in closest.values()}
    assert len(fingerprints) == 2


@pytest.mark.parametrize("bits", ["8", "16"])
def test_the_bundle_says_how_many_bits(
    closest: dict[str, Path], bits: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Bundle.open(closest[bits]).manifest.parity["int8"]["activation_bits"] == int(bits)
    assert runtime_main(["info", str(closest[bits])]) == 0
    assert ("16-bit activations" in capsys.readouterr().out) is (bits == "16")


def test_16_bits_are_held_to_what_float32_is(closest: dict[str, Path]) -> None:
    kept = {bits: Bundle.open(own).manifest.parity["int8"] for bits, own in closest.items()}
    allowed = {bits: tolerance({**own, "mean": 0.998}) for bits, own in kept.items()}
    assert allowed["16"] == TOLERANCE < allowed["8"]


def between(closest: dict[str, Path]) -> float:
    """A --min-cosine whose bound on the mean 16 bits keep and 8 do not."""
    means = [parity(bundle)["dtypes"]["int8"]["mean"] for bundle in closest.values()]
    return 1 - 4 * (1 - float(np.mean(means)))


def test_a_model_that_8_bits_do_not_fit_gets_16(
    closest: dict[str, Path],
    checkpoint_folder: Folder,
    texts_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = [str(checkpoint_folder("tiny-frida")), str(tmp_path / "out"),
                 f"--calibration={texts_file}", f"--evaluation={texts_file}",
                 f"--min-cosine={between(closest)}"]  # fmt: skip
    assert cli.main([*arguments, "--activation-bits=8"]) == 3
    assert "--activation-bits 16" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert cli.main(arguments) == 0
    done = capsys.readouterr()
    assert "mean cosine" in done.err
    assert "16-bit activations" in done.err
    assert "16-bit activations" in done.out
    # What the second attempt wrote is what was asked for from the start.
    wanted = {path.name: path.read_bytes() for path in (closest["16"] / "onnx").iterdir()}
    assert {p.name: p.read_bytes() for p in (tmp_path / "out" / "onnx").iterdir()} == wanted


def nudged(graph: Path, seed: int) -> Path:
    """The graph with constants of every layer changed by their last bit, beside it."""
    model, generator = ir.load(graph), np.random.default_rng(seed)
    for name, value in model.graph.initializers.items():
        content = value.const_value.numpy()
        if content.dtype == np.float32 and content.ndim == 1 and content.size > 64:
            towards = generator.choice(np.array([-np.inf, np.inf], np.float32), content.shape)
            value.const_value = ir.tensor(np.nextafter(content, towards), name=name)
    ir.save(model, path := graph.with_name(f"{graph.stem}.{seed}.onnx"))
    return path


def test_16_bits_make_little_of_what_another_machine_rounds_otherwise(
    bundles: Path, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    # A vector of INT8 moves when an activation falls on the other side of a step.
    graph, data = (bundles / "minilm" / LAYOUT["int8"][key] for key in ("graph", "data"))
    tokenizer = Embedder(bundles / "minilm", dtype="int8")._engine.tokenizer
    ids = [np.asarray(tokenizer.encode(text).ids)[None] for text in SENTENCES]
    moved = {}
    for bits in (8, 16):
        folder = tmp_path / str(bits)
        folder.mkdir()
        shutil.copy(data, folder)
        model = ir.load(graph)
        assert bits == 8 or keep_residuals(model)
        ir.save(model, own := folder / "own.onnx")
        vectors = [mean_pooled(path, ids) for path in (own, nudged(own, 0), nudged(own, 1))]
        moved[bits] = np.median([1 - cosines(vectors[0], other) for other in vectors[1:]])
    figure(f"1 - cosine, median: {moved[8]:.0e} with 8 bits, {moved[16]:.0e} with 16")
    assert moved[16] < moved[8] / 20


def mean_pooled(graph: Path, ids: list[Any]) -> Any:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return np.stack([session.run(None, {"input_ids": own})[0][0].mean(axis=0) for own in ids])


def product(rows: int, width: int, seed: int) -> tuple[ir.Model, Any, Any, Any]:
    """x @ (integers * scales) + bias as a graph of its own, and its numbers."""
    numbers = np.random.default_rng(seed)
    integers = numbers.integers(-64, 64, (rows, width)).astype(np.int8)
    scales, bias = (numbers.random(width, np.float32) + np.float32(0.01) for _ in range(2))
    graph = ir.Graph(
        [x := ir.val("x", ir.DataType.FLOAT, ("tokens", rows))], [], nodes=[],
        opset_imports={"": 18, ORT: ORT_VERSION},
    )  # fmt: skip
    constants = {"w": integers, "s": scales, "b": bias}
    w, s, b = (add_initializer(graph, name, content) for name, content in constants.items())
    node = ir.node("DynamicQuantizeMatMul", [x, w, s, None, b], domain=ORT)
    graph.append(node)
    node.outputs[0].name, node.outputs[0].type = "y", ir.TensorType(ir.DataType.FLOAT)
    graph.outputs.append(node.outputs[0])
    return ir.Model(graph, ir_version=10), integers, scales, bias


def result(model: ir.Model, x: Any) -> Any:
    content = ir.to_proto(model).SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


@settings(max_examples=40)
@given(
    st.integers(1, 12), st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 1e-6, 1.0, 1e4]), st.booleans(),
)  # fmt: skip
def test_what_8_bits_leave_over_is_multiplied_too(
    tokens: int, rows: int, width: int, seed: int, size: float, outlier: bool
) -> None:
    model, integers, scales, bias = product(rows, width, seed)
    x = size * np.random.default_rng(seed + 1).standard_normal((tokens, rows)).astype(np.float32)
    x = x.astype(np.float32)
    if outlier:
        x[0, 0] = 100 * size
    assert keep_residuals(model) == 1
    expected = x.astype(np.float64) @ (integers.astype(np.float64) * scales) + bias
    # A step of the second rounding is (255 * 255)th of the range, and half of it is lost at most.
    step = (max(x.max(), 0) - min(x.min(), 0)) / 255 / 255
    bound = step * np.abs(integers * scales).sum(axis=0).max() + 1e-6 * np.abs(expected).max()
    assert np.abs(result(model, x) - expected).max() <= bound
