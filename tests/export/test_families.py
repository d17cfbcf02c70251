"""Every family through the whole export: both dtypes, both graphs, each prompt, or refused by name.

The gate inside of `export` compares with torch text by text; what is looked at here besides is
sentence-transformers' answer, what the graphs consist of, and that loading them is silent.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from families import FAMILIES, LAYERS, REFUSED, Family, checkpoint
from sentence_transformers import SentenceTransformer

from edgembed import Embedder
from edgembed.bundle import Bundle
from edgembed.tokenizerfile import parse
from edgembed_export.assemble import LAYOUT
from edgembed_export.errors import CheckpointError
from edgembed_export.int8.recipe import RECIPE
from edgembed_export.int8.weights import is_pair_safe
from edgembed_export.parity import Tolerance
from edgembed_export.pipeline import Request, Result, export
from edgembed_export.report.graphs import left

# Random weights quantise worse than trained ones, and a tiny model worse than a large one.
TOLERANCE = Tolerance(int8_min=0.97, int8_mean=0.99)
CALIBRATION = (
    "Кошка сидит на окне и смотрит на улицу.",
    "The committee approved the budget for the second half of the year, with one change.",
    "Сколько стоит доставка в Новосибирск, если заказ весит 12 кг?",
    "def add(a: float, b: float = 0.0) -> float: return a + b",
    "Great little kettle: boils fast, looks good.",
    "Отличный чайник, греет быстро!",
)
EVALUATION = (
    "Да",
    "?",
    "Где сейчас мой заказ?",
    "Where is my parcel now?",
    "42 × 3,14 = 131,88; E-mail: a.b@example.org 😀",
    "В Ярославской области разрешили работу бань, но без посетителей",
    "The old lighthouse stood at the very edge of the cape. " * 6,
)
# torch's compiler, which ModernBERT's module starts up when it is imported.
pytestmark = pytest.mark.filterwarnings(
    "ignore:`torch.jit.script_method` is deprecated:DeprecationWarning"
)
EXPORTED = tuple(family for family in FAMILIES if family.whole)
SILENT = """
import os, sys
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime
for path in sys.argv[1:]:
    onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bundles")


@pytest.fixture(params=EXPORTED, ids=lambda family: family.name)
def family(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def result(family: Family, root: Path) -> Result:
    return _exported(family, root)


@cache
def _exported(family: Family, root: Path) -> Result:
    texts = {"calibration": CALIBRATION, "evaluation": EVALUATION}
    for name, lines in texts.items():
        (root / f"{name}.txt").write_text("\n".join(lines), encoding="utf-8")
    return export(
        Request(
            str(checkpoint(family)),
            root / family.name,
            calibration=root / "calibration.txt",
            evaluation=root / "evaluation.txt",
            tolerance=TOLERANCE,
        )
    )


def test_both_dtypes_are_close_to_torch(result: Result) -> None:
    assert result.parity["float32"]["min"] >= 1 - 1e-6
    assert 0.99 <= result.parity["int8"]["mean"] < 1  # exactly 1 would not be INT8
    assert result.bytes_after["int8"] < result.bytes_after["float32"]


# The small Unigram vocabulary makes many tokens of a text; sentence-transformers cuts them as well.
@pytest.mark.filterwarnings("ignore::edgembed.errors.TruncationWarning")
@pytest.mark.filterwarnings("ignore::edgembed.errors.PromptWarning")  # sentence-transformers' call
def test_equals_sentence_transformers_under_each_prompt(family: Family, result: Result) -> None:
    theirs = SentenceTransformer(str(checkpoint(family)), device="cpu", local_files_only=True)
    ours = Embedder(result.out, dtype="float32")
    texts = list(EVALUATION[:-1])
    for name in [None, *family.prompts]:
        wanted = theirs.encode(texts, prompt_name=name, show_progress_bar=False)
        got = ours.encode(texts, prompt_name=name)
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-5)


@pytest.mark.filterwarnings("ignore::edgembed.errors.PromptWarning")
def test_many_texts_run_together_and_have_the_bits_of_one(result: Result) -> None:
    texts = [
        f"{word} {other}" for word in ("кот", "cat", "a", "дом") for other in "abcdefghijklmnop"
    ]
    for dtype in ("int8", "float32"):
        model = Embedder(result.out, dtype=dtype, threads=1)
        alone = np.stack([model.encode(text) for text in texts])
        assert len(np.unique(alone, axis=0)) > 1
        np.testing.assert_array_equal(model.encode(texts), alone, strict=True)
        # Still so after the first time, in which INT8 was compared with one by one.
        assert model._engine._sessions.batches(len(texts))
        np.testing.assert_array_equal(model.encode(texts), alone, strict=True)


def test_graphs_are_as_lean_as_the_family_allows(family: Family, result: Result) -> None:
    for key in ("graph", "masked_graph"):
        plain = _operators(result.out / LAYOUT["float32"][key])
        small = _operators(result.out / LAYOUT["int8"][key])
        assert small["DynamicQuantizeMatMul"] >= LAYERS * 4
        if family.lean:
            assert plain["MultiHeadAttention"] == small["MultiHeadAttention"] == LAYERS
            assert plain["MatMul"] == plain["Softmax"] == plain["Erf"] == 0


def test_what_was_left_unfused_is_said(family: Family, result: Result) -> None:
    """In parity.json, of these very files; in words where it is anything."""
    report = json.loads((result.out / "parity.json").read_text(encoding="utf-8"))
    for kind, key in (("maskless", "graph"), ("masked", "masked_graph")):
        own = report["graph"][kind]
        assert own["operators"] == _operators(result.out / LAYOUT["float32"][key])
        assert (own["lean"], own["layers"]) == (family.lean, LAYERS)
        assert {"MatMul", "Softmax"} <= set(own["left"]) or family.lean
        assert not {"MatMul", "Softmax", "Erf"} & set(own["left"]) or not family.lean
    words = left(report["graph"])
    said = [line for line in result.text().splitlines() if "left as optimum exported it" in line]
    assert len(said) == bool(words)
    assert words in "".join(said)
    for page in ("parity.html", "README.md"):
        shown = (result.out / page).read_text(encoding="utf-8")
        assert f"left as optimum exported it: {words or 'nothing'}" in shown


def test_what_the_quantiser_did_is_said(result: Result) -> None:
    """Counts of parity.json's "int8", counted again in the written graph."""
    done = json.loads((result.out / "parity.json").read_text(encoding="utf-8"))["int8"]
    assert done["recipe"] == json.loads(json.dumps(RECIPE.to_dict()))
    plain, small = (ir.load(result.out / LAYOUT[d]["graph"]) for d in ("float32", "int8"))
    assert done["layers"] == sum(node.op_type == "Gemm" for node in plain.graph)
    tensors = {name: value.const_value for name, value in small.graph.initializers.items()}
    shapes = {name: tuple(t.shape) for name, t in tensors.items() if t is not None}
    parts = [shape[0] for name, shape in shapes.items() if name.endswith(".parts")]
    assert done["split_channels"] == sum(parts)
    assert done["smoothed"] == sum(name.endswith(".smooth") for name in shapes)
    matrices = [
        tensors[node.inputs[1].name].numpy()
        for node in small.graph
        if node.op_type == "DynamicQuantizeMatMul"
    ]
    assert done["pair_safe"] is all(is_pair_safe(matrix) for matrix in matrices) is True


def test_nothing_in_a_bundle_is_refused(result: Result) -> None:
    """Both graphs of both dtypes are looked through, and the tokenizer (see SECURITY.md)."""
    bundle = Bundle.open(result.out)
    assert list(bundle.faults()) == []
    parse((result.out / "tokenizer.json").read_bytes())


def test_loading_any_graph_is_silent(root: Path) -> None:
    bundles = [_exported(family, root).out for family in EXPORTED]
    keys = [(dtype, key) for dtype in LAYOUT for key in ("graph", "masked_graph")]
    graphs = [str(bundle / LAYOUT[dtype][key]) for bundle in bundles for dtype, key in keys]
    process = subprocess.run(
        [sys.executable, "-c", SILENT, *graphs], capture_output=True, text=True, check=False
    )
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")


@pytest.mark.parametrize("refused", REFUSED, ids=lambda family: family.name)
def test_what_is_no_text_encoder_is_refused_by_name(refused: Family, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"'{refused.name}' cannot be exported"):
        export(Request(str(checkpoint(refused)), tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


def _operators(path: Path) -> Counter[str]:
    graph = ir.load(path).graph
    return Counter(node.op_type for node in ir.traversal.RecursiveGraphIterator(graph))
