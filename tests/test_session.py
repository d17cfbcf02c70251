"""A graph run by onnxruntime: the right numbers, on any number of threads, or a named error."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgembed.bundle import Bundle
from edgembed.errors import InferenceError, ModelLoadError
from edgembed.pooling import normalize, pool
from edgembed.session import Session, ort
from support import BUNDLE_NAMES, Answers, parts, python


def test_token_vectors_pool_to_torchs(bundles: Path, answers: Callable[[str], Answers]) -> None:
    session = Session(*parts(bundles), threads=1)
    expected = answers("tiny-frida")
    for ids, vector in zip(expected.ids, expected.vectors[""], strict=True):
        (hidden,) = session.run(np.array([ids], np.int64))
        assert hidden.shape == (len(ids), 48)
        assert hidden.dtype == np.float32
        np.testing.assert_allclose(normalize(pool(hidden, "mean")), vector, atol=2e-6)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_calls_at_once_give_the_same_bits(bundles: Path, dtype: str) -> None:
    session = Session(*parts(bundles, dtype), threads=2)
    texts = [np.arange(2, n + 2, dtype=np.int64)[None, :] for n in range(1, 40)]
    alone = [session.run(ids).tobytes() for ids in texts]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda ids: session.run(ids).tobytes(), texts * 4))
    assert together == alone * 4


@pytest.mark.parametrize("name", BUNDLE_NAMES)
def test_float32_texts_of_equal_length_do_not_touch_each_other(bundles: Path, name: str) -> None:
    """Not a bit differs, whatever kernel a number of rows selects; texts of one token too."""
    session = Session(*parts(bundles, "float32", name), threads=1)
    generator = np.random.default_rng(0)
    longest = Bundle.open(bundles / name).manifest.max_seq_length
    for tokens in (n for n in (*range(1, 41), 63, 64, 65, 127, 128) if n <= longest):
        ids = generator.integers(5, 100, (16, tokens))
        alone = np.concatenate([session.run(row[None, :]) for row in ids])
        assert len(np.unique(alone.reshape(16, -1), axis=0)) > 1
        for texts in (2, 3, 4, 5, 7, 8, 11, 16):
            np.testing.assert_array_equal(session.run(ids[:texts]), alone[:texts], strict=True)


@pytest.mark.parametrize("graph", [b"", b"junk", b"\x08\x09" * 50])
def test_a_graph_that_cannot_be_loaded(bundles: Path, graph: bytes) -> None:
    _, weights, folder = parts(bundles)
    with pytest.raises(ModelLoadError, match=ort.__version__):
        Session(graph, weights, folder, threads=1)


@pytest.mark.parametrize(
    "change",
    [
        lambda array: array.reshape(-1).copy(),
        lambda array: array.T.copy(),
        lambda array: array[:3].copy(),
    ],
    ids=["flat", "transposed", "too short"],
)
def test_weights_of_another_shape_give_no_numbers(
    bundles: Path, change: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
) -> None:
    graph, weights, folder = parts(bundles)
    name = max(weights, key=lambda name: weights[name].nbytes)
    assert weights[name].ndim == 2
    with pytest.raises((ModelLoadError, InferenceError)):
        Session(graph, {**weights, name: change(weights[name])}, folder, threads=1).run(
            np.array([[2, 40, 3]], np.int64)
        )


@pytest.mark.parametrize("ids", [[10**6], [-(10**6)]])
def test_ids_out_of_the_vocabulary(bundles: Path, ids: list[int]) -> None:
    session = Session(*parts(bundles), threads=1)
    with pytest.raises(InferenceError, match="on a text of 1 tokens"):
        session.run(np.array([ids], np.int64))
    with pytest.raises(InferenceError, match="on 2 texts of 1 tokens"):
        session.run(np.array([[5], ids], np.int64))


def test_telemetry_is_off_before_onnxruntime_is_imported() -> None:
    # An audit hook sees the import of onnxruntime begin, and what the environment says then.
    script = """
import json, os, sys
seen = []
def hook(event, args):
    if event == "import" and args[0] == "onnxruntime":
        seen.append(os.environ.get("ORT_DISABLE_TELEMETRY"))
sys.addaudithook(hook)
import edgembed.session
print(json.dumps(seen))
"""
    done = python("-c", script, CI=None, ORT_DISABLE_TELEMETRY=None)
    assert json.loads(done.stdout)[:1] == ["1"]


def test_a_users_own_telemetry_setting_stands() -> None:
    script = "import os, edgembed.session; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    done = python("-c", script, ORT_DISABLE_TELEMETRY="true")
    assert done.stdout.strip() == b"true"


def test_a_program_with_an_arena_of_its_own_keeps_it(bundles: Path) -> None:
    script = """
import os, sys
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime as ort
arena = ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR
place = ort.OrtMemoryInfo("Cpu", arena, 0, ort.OrtMemType.DEFAULT)
ort.create_and_register_allocator(place, None)
from edgembed import Embedder
model = Embedder(sys.argv[1], canaries="refuse")
print(model.encode(["The cat"] * 3).shape)
"""
    done = python("-c", script, bundles / "tiny-frida")
    assert done.stdout.strip() == b"(3, 48)", done.stderr.decode()
