"""One text, one vector: whatever is beside it, in whatever order, on however many threads."""

from __future__ import annotations

import random
import shutil
import threading
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgembed import EdgembedWarning, Embedder
from support import BUNDLE_NAMES, DTYPES, ROOT, Answers, change_json, python, quietly

Load = Callable[..., Embedder]
Answer = Callable[[str], Answers]
SHUFFLES, PIECES = 5, 4  # twenty batches, and each text in five of them


# --- real weights and texts: not a bit differs


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """The export's own Russian and English texts, and what has next to no tokens."""
    path = ROOT / "export" / "edgembed_export" / "texts" / "evaluation.txt"
    return ["", "a", "я", *filter(str.strip, path.read_text(encoding="utf-8").split("\n"))]


@pytest.fixture(scope="module")
def long_minilm(bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MiniLM as `--max-seq-length 512` writes it: the same files, and all of its positions."""
    folder = shutil.copytree(bundles / "minilm", tmp_path_factory.mktemp("long") / "minilm")
    change_json(folder / "manifest.json", max_seq_length=512)
    return Path(folder)


@pytest.mark.parametrize("dtype", DTYPES)
def test_real_texts_in_twenty_random_batches(
    long_minilm: Path, texts: list[str], dtype: str
) -> None:
    models = {threads: Embedder(long_minilm, dtype, threads=threads) for threads in (1, 2)}
    lengths = [models[1].tokenize(text)["input_ids"].size for text in texts]
    assert (min(lengths), max(lengths)) == (2, 512)  # a text of one token has two special ones
    assert np.histogram(lengths, (3, 4, 9, 17, 33, 65, 129, 257, 513))[0].all()
    alone = np.stack([quietly(models[1], text) for text in texts])
    assert len(np.unique(alone, axis=0)) > 0.95 * len(texts)  # these are different texts
    dealt = random.Random(0)
    for number, batch in enumerate(_batches(len(texts), dealt)):
        model = models[1 + number % 2]
        vectors = quietly(model, [texts[i] for i in batch], batch_size=dealt.randint(1, 32))
        np.testing.assert_array_equal(vectors, alone[batch], strict=True)
    again = np.stack([quietly(models[2], text) for text in texts])  # two threads on one text
    np.testing.assert_array_equal(again, alone, strict=True)


def _batches(count: int, dealt: random.Random) -> Sequence[list[int]]:
    """Indices in random order, in pieces of random size."""
    result = []
    for _ in range(SHUFFLES):
        order = dealt.sample(range(count), count)
        cuts = sorted(dealt.sample(range(1, count), PIECES - 1))
        result += [order[a:b] for a, b in zip([0, *cuts], [*cuts, count], strict=True)]
    return result


# --- every bundle


def assert_same(own: Any, expected: Any) -> None:
    """Not a bit differs, in float32 either: equal lengths run together, and must not show it."""
    np.testing.assert_array_equal(own, expected, strict=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BUNDLE_NAMES)
def test_a_vector_does_not_depend_on_its_neighbours(
    embedder: Load, answers: Answer, name: str, dtype: str
) -> None:
    model, texts = embedder(name, dtype), answers(name).texts
    alone = np.stack([quietly(model, text) for text in texts])
    for seed in range(3):
        order = random.Random(seed).sample(range(len(texts)), len(texts))
        batch = quietly(model, [texts[i] for i in order], batch_size=seed + 1)
        assert_same(batch, alone[order])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BUNDLE_NAMES)
def test_a_vector_does_not_depend_on_the_number_of_threads(
    embedder: Load, answers: Answer, name: str, dtype: str
) -> None:
    texts = answers(name).texts
    one = quietly(embedder(name, dtype, threads=1), texts)
    for threads in (2, 3):
        assert_same(quietly(embedder(name, dtype, threads=threads), texts), one)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["tiny-xlmr", "minilm"])
def test_an_embedder_is_shared_between_threads(
    embedder: Load, answers: Answer, name: str, dtype: str
) -> None:
    model = embedder(name, dtype, threads=2)
    texts = [text for text in answers(name).texts if len(text) < 80]
    expected = model.encode(texts, prompt="")
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: model.encode(texts, prompt=""), range(16)))
    for result in results:
        assert_same(result, expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sixteen_callers_at_once_get_what_one_gets(
    long_minilm: Path, texts: list[str], dtype: str
) -> None:
    """Each with texts of its own, which are grouped by length in every call anew."""
    model = Embedder(long_minilm, dtype, threads=2)
    calls = [texts[start::16] for start in range(16)]
    expected = [np.stack([quietly(model, text) for text in own]) for own in calls]
    together = threading.Barrier(16)

    def call(own: list[str]) -> Any:
        together.wait(60)
        return model.encode(own)

    # Once for all: warnings' filters are the process's, and threads would undo each other's.
    with warnings.catch_warnings(), ThreadPoolExecutor(16) as pool:
        warnings.simplefilter("ignore", EdgembedWarning)
        for got, want in zip(pool.map(call, calls), expected, strict=True):
            assert_same(got, want)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["tiny-cls", "minilm"])
def test_another_process_gives_the_same_vector(
    bundles: Path, embedder: Load, name: str, dtype: str
) -> None:
    text = "Кошка сидит на окне, and the dog is out."
    script = """
import sys
from edgembed import Embedder
model = Embedder(sys.argv[1], dtype=sys.argv[2], threads=1)
sys.stdout.buffer.write(model.encode(sys.argv[3]).tobytes())
"""
    done = python("-c", script, bundles / name, dtype, text)
    assert done.returncode == 0, done.stderr
    other = np.frombuffer(done.stdout, np.float32)
    assert_same(other, embedder(name, dtype).encode(text))


@given(texts=st.lists(st.text(max_size=60), min_size=1, max_size=4))
def test_any_texts_have_one_vector_each(embedder: Load, texts: list[str]) -> None:
    model = embedder("tiny-frida", "int8")
    batch = quietly(model, texts)
    assert np.isfinite(batch).all()
    for text, vector in zip(texts, batch, strict=True):
        assert quietly(model, text).tobytes() == vector.tobytes()
