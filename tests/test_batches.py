"""Which texts run together, and that it shows in nothing but the time."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgembed import Embedder
from edgembed.batches import CHUNK, RUN_TOKENS, alike, chunks, equal_lengths
from edgembed.errors import InferenceError
from edgembed.session import Session
from support import DTYPES, python, quietly

Load = Callable[..., Embedder]
SHAPES = st.lists(st.integers(0, 600), max_size=80)


@given(lengths=SHAPES, workers=st.integers(1, 5), most=st.integers(1, 300))
def test_runs_hold_every_text_once_and_only_equal_lengths(
    lengths: list[int], workers: int, most: int
) -> None:
    given_ = {index + 7: length for index, length in enumerate(lengths)}
    runs = equal_lengths(given_, workers, most)
    assert sorted(index for run in runs for index in run) == sorted(given_)
    for run in runs:
        assert len({given_[index] for index in run}) == 1
        assert len(run) == 1 or len(run) * given_[run[0]] <= most
        assert len(run) <= -(-len(lengths) // workers)
    longest = [given_[run[0]] for run in runs]
    assert longest == sorted(longest, reverse=True)


def test_runs_worked_by_hand() -> None:
    assert equal_lengths({0: 8, 1: 100, 2: 8, 3: 8}, 1, 16) == [[1], [0, 2], [3]]
    assert equal_lengths({0: 8, 1: 8, 2: 8, 3: 8}, 2, 256) == [[0, 1], [2, 3]]  # one each


@given(lengths=SHAPES)
def test_alike_are_those_that_would_run_together(lengths: list[int]) -> None:
    runs = equal_lengths(dict(enumerate(lengths)), 1, RUN_TOKENS)
    together = sum(len(run) for run in runs if len(run) > 1)
    last = sum(len(run) == 1 and 2 * lengths[run[0]] <= RUN_TOKENS for run in runs)
    assert together <= alike(dict(enumerate(lengths))) <= together + last


@given(count=st.integers(0, 3 * CHUNK))
def test_chunks_are_bounded_and_whole(count: int) -> None:
    parts = list(chunks(count))
    assert [index for part in parts for index in part] == list(range(count))
    assert all(0 < len(part) <= CHUNK for part in parts)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes, (texts, tokens), that onnxruntime is really given."""
    seen: list[tuple[int, ...]] = []
    run = Session.run
    monkeypatch.setattr(Session, "run", lambda own, ids: (seen.append(ids.shape), run(own, ids))[1])
    return seen


TEXTS = ["a cat", "a dog", "кот", "a", "a long text of many words " * 5, "b"] * 3


@pytest.mark.parametrize("threads", [1, 2])
def test_equal_lengths_run_together(
    embedder: Load, runs: list[tuple[int, ...]], threads: int
) -> None:
    model = embedder("minilm", "float32", threads=threads)
    alone = [model.encode(text) for text in TEXTS]
    runs.clear()
    np.testing.assert_array_equal(model.encode(TEXTS), np.stack(alone), strict=True)
    assert sum(texts for texts, _ in runs) == len(TEXTS)
    assert all(texts * tokens <= max(tokens, RUN_TOKENS) for texts, tokens in runs)
    assert len(runs) < len(TEXTS) / 2


@pytest.mark.parametrize("dtype", DTYPES)
def test_more_texts_than_a_chunk_keep_their_order(embedder: Load, dtype: str) -> None:
    model = embedder("tiny-frida", dtype, threads=2)
    texts = [f"{'кот ' * (number % 7)}{number}" for number in range(CHUNK + 60)]
    vectors = model.encode(texts)
    assert len(np.unique(vectors, axis=0)) > CHUNK / 2  # a tiny vocabulary knows few numbers
    for index in (0, 1, CHUNK - 1, CHUNK, CHUNK + 59):
        np.testing.assert_array_equal(vectors[index], model.encode(texts[index]))


@pytest.mark.parametrize("output", ["token_embeddings", None])
def test_other_outputs_are_each_texts_own(embedder: Load, output: Any) -> None:
    model = embedder("tiny-xlmr", "float32", threads=1)
    together = quietly(model, TEXTS, output_value=output)
    for own, text in zip(together, TEXTS, strict=True):
        alone = quietly(model, text, output_value=output)
        if output is None:
            assert own.keys() == alone.keys()
            np.testing.assert_array_equal(own["token_embeddings"], alone["token_embeddings"])
        else:
            np.testing.assert_array_equal(own, alone, strict=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_text_that_fails_is_named(
    embedder: Load, monkeypatch: pytest.MonkeyPatch, dtype: str, threads: int
) -> None:
    model = embedder("minilm", dtype, threads=threads)
    bad = model.tokenize("zebra")["input_ids"][0]
    run = Session.run

    def broken(own: Session, ids: Any) -> Any:
        hidden = run(own, ids)
        hidden[(ids == bad).all(axis=1)] = np.nan
        return hidden

    monkeypatch.setattr(Session, "run", broken)
    texts = ["horse", "tiger", "zebra", "mouse"]
    assert len({model.tokenize(text)["input_ids"].size for text in texts}) == 1
    with pytest.raises(InferenceError, match="text 2: the model gave NaN"):
        model.encode(texts)
    assert model.encode([text for text in texts if text != "zebra"]).shape == (3, 384)


def test_a_run_that_fails_only_together_is_run_one_by_one(
    embedder: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = embedder("minilm", "float32", threads=1)
    expected = model.encode(TEXTS)
    run = Session.run

    def small(own: Session, ids: Any) -> Any:
        if len(ids) > 1:
            raise InferenceError("no memory for so many")
        return run(own, ids)

    monkeypatch.setattr(Session, "run", small)
    np.testing.assert_array_equal(model.encode(TEXTS), expected, strict=True)


def test_progress_counts_each_text(embedder: Load, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    quietly(embedder("tiny-frida", "float32", threads=2), TEXTS, show_progress_bar=True)
    assert re.search(rf"100%.*{len(TEXTS)}/{len(TEXTS)}", capfd.readouterr().err)


MEMORY = """
import sys
from edgembed import Embedder
def peak():
    with open("/proc/self/status") as status:
        return 1024 * next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
model = Embedder(sys.argv[1], dtype="float32", threads=1)
model.encode(["a cat sits"] * 100)
before = peak()
model.encode(["a cat sits"] * 20_000)
print((peak() - before) / 2**20)
"""


@pytest.mark.skipif("sys.platform != 'linux'", reason="reads /proc/self")
def test_memory_is_bounded_by_the_chunk(bundles: Path) -> None:
    # The vectors themselves are 20,000 x 48 x 4 bytes: 3.7 MiB, twice while they are stacked. All
    # token vectors would be 20 MiB, and all tokens' ids with their arrays as much again.
    done = python("-c", MEMORY, bundles / "tiny-frida")
    assert float(done.stdout) < 16, done.stderr.decode()
