"""aencode beside a running event loop, and encode_iter over texts without end."""

from __future__ import annotations

import asyncio
import itertools
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from threading import Event
from typing import Any

import numpy as np
import pytest

from edgembed import ArgumentError, Embedder, TextError, TruncationWarning

Load = Callable[..., Embedder]
TEXTS = ["Кошка сидит на окне.", "The cat", "", "it rains", "a train"]


# --- awaited


@pytest.mark.parametrize("name", ["encode", "encode_query", "encode_document"])
def test_awaited_vectors_are_the_same(embedder: Load, name: str) -> None:
    model = embedder("tiny-frida")
    for arguments in ((TEXTS,), ("one",), (TEXTS, "query"), (TEXTS, None, "own: ")):
        own = asyncio.run(getattr(model, f"a{name}")(*arguments, truncate_dim=7))
        expected = getattr(model, name)(*arguments, truncate_dim=7)
        np.testing.assert_array_equal(own, expected, strict=True)


def test_the_loop_ticks_while_texts_are_embedded(embedder: Load) -> None:
    model, ticked = embedder("tiny-frida"), Event()

    def texts() -> Iterator[str]:
        # Each text is there only when the loop has ticked since the one before: an aencode that
        # held the loop up would wait here for ever.
        for text in TEXTS:
            assert ticked.wait(timeout=60), "the loop does not go on"
            ticked.clear()
            yield text

    async def main() -> Any:
        task = asyncio.ensure_future(model.aencode(texts()))
        while not task.done():
            ticked.set()
            await asyncio.sleep(0)
        return task.result()

    np.testing.assert_array_equal(asyncio.run(main()), model.encode(TEXTS))


def test_many_tasks_at_once_each_get_their_own(embedder: Load) -> None:
    model = embedder("tiny-frida", "int8")

    async def main() -> Any:
        return await asyncio.gather(*(model.aencode(f"text {i}") for i in range(50)))

    expected = [model.encode(f"text {i}") for i in range(50)]
    np.testing.assert_array_equal(asyncio.run(main()), expected)


def test_errors_and_warnings_reach_the_one_who_awaits(embedder: Load) -> None:
    model = embedder("tiny-frida")
    with pytest.raises(TextError, match="index 1"):
        asyncio.run(model.aencode(["a", 5]))

    async def long(words: int) -> None:
        await model.aencode("слово " * words)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asyncio.run(long(100))
    assert [warning.category for warning in caught] == [TruncationWarning]
    assert caught[0].filename == __file__


# --- without end


def test_an_endless_iterable(embedder: Load) -> None:
    model, given = embedder("tiny-frida"), 0

    def texts() -> Iterator[str]:
        nonlocal given
        for number in itertools.count():
            given += 1
            yield f"text {number}"

    own = list(itertools.islice(model.encode_iter(texts(), batch_size=4, prompt="x: "), 10))
    np.testing.assert_array_equal(own, model.encode([f"text {i}" for i in range(10)], prompt="x: "))
    assert given == 12  # three batches of four, and no text more


def test_nothing_is_read_before_the_first_vector_is_asked_for(embedder: Load) -> None:
    def texts() -> Iterator[str]:
        raise AssertionError("read too early")
        yield ""

    embedder("tiny-frida").encode_iter(texts())


def test_with_batches_of_one_a_vector_comes_before_the_next_text(embedder: Load) -> None:
    order: list[str] = []

    def texts() -> Iterator[str]:
        for text in ("a", "b"):
            order.append(text)
            yield text

    for vector in embedder("tiny-frida").encode_iter(texts(), batch_size=1):
        order.append(str(vector.shape))
    assert order == ["a", "(48,)", "b", "(48,)"]


def test_memory_is_bounded(embedder: Load) -> None:
    model = embedder("tiny-frida")

    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            texts = (f"text {number % 7}" for number in range(count))
            for _ in model.encode_iter(texts, batch_size=8):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(100)  # what is made once and kept
    vectors = 3000 * model.dimension * 4
    assert peak(3000) - peak(100) < vectors / 10


def test_the_bad_texts_index_counts_from_the_first(embedder: Load) -> None:
    bad: list[Any] = ["a", "b", "c", "d", None]
    vectors = embedder("tiny-frida").encode_iter(bad, batch_size=3)
    assert len(list(itertools.islice(vectors, 3))) == 3
    with pytest.raises(TextError, match="from index 3") as error:
        next(vectors)
    assert error.value.indices == (4,)


@pytest.mark.parametrize("form", [{"output_value": "token_embeddings"}, {"precision": "binary"}])
def test_other_outputs(embedder: Load, form: dict[str, Any]) -> None:
    model = embedder("tiny-frida")
    own = list(model.encode_iter(iter(TEXTS), batch_size=2, **form))
    for mine, expected in zip(own, model.encode(TEXTS, **form), strict=True):
        np.testing.assert_array_equal(mine, expected)


def test_what_is_refused(embedder: Load) -> None:
    model = embedder("tiny-frida")
    for bad in ("one text", b"bytes"):
        with pytest.raises(ArgumentError, match="iterable"):
            model.encode_iter(bad)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="batch_size"):
        model.encode_iter(TEXTS, batch_size=0)
