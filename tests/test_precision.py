"""Smaller output types. tests/export/test_semantics.py holds them against sentence-transformers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgembed import ArgumentError, Embedder
from edgembed.precision import (
    PRECISIONS,
    check_precision,
    fixed_ranges,
    quantize_embeddings,
)
from support import DTYPES, Answers, change_json, cosines, quietly

MATRIX = arrays(
    np.float32,
    st.tuples(st.integers(1, 8), st.integers(1, 20)),
    elements=st.floats(-10, 10, width=32),
)


def test_worked_by_hand() -> None:
    vectors = np.array([[0, -127.5, 5], [255, 0, 5], [100, 127.5, 5]], np.float32)
    np.testing.assert_array_equal(
        quantize_embeddings(vectors, "uint8"), [[0, 0, 0], [255, 127, 0], [100, 255, 0]]
    )
    np.testing.assert_array_equal(
        quantize_embeddings(vectors, "int8"),
        [[-128, -128, -128], [127, -1, -128], [-28, 127, -128]],
    )
    # Signs 010, 101(0 counts as not positive), eight a byte, the first dimension highest.
    np.testing.assert_array_equal(
        quantize_embeddings(vectors, "ubinary"), [[0b00100000], [0b10100000], [0b11100000]]
    )
    np.testing.assert_array_equal(
        quantize_embeddings(vectors, "binary"),
        [[0b00100000 - 128], [0b10100000 - 128], [0b11100000 - 128]],
    )


@given(MATRIX)
def test_binary_keeps_every_sign(vectors: npt.NDArray[np.float32]) -> None:
    packed = quantize_embeddings(vectors, "ubinary")
    assert packed.dtype == np.uint8
    assert packed.shape == (len(vectors), -(-vectors.shape[1] // 8))
    signs = np.unpackbits(packed, axis=-1)[:, : vectors.shape[1]]
    np.testing.assert_array_equal(signs, vectors > 0)
    signed = quantize_embeddings(vectors, "binary")
    assert signed.dtype == np.int8
    np.testing.assert_array_equal(signed.astype(int) + 128, packed)


@given(MATRIX)
def test_levels_span_each_dimensions_range(vectors: npt.NDArray[np.float32]) -> None:
    levels = quantize_embeddings(vectors, "uint8")
    assert levels.dtype == np.uint8
    assert levels.shape == vectors.shape
    wide = vectors.astype(np.float64)
    low, high = wide.min(axis=0), wide.max(axis=0)
    ranged = high - low > 1e-3  # narrower ones drown in float32's rounding
    exact = (wide - low)[:, ranged] / (high - low)[ranged] * 255
    assert (np.abs(levels[:, ranged] - np.floor(exact)) <= 1).all()
    signed = quantize_embeddings(vectors, "int8")
    assert signed.dtype == np.int8
    np.testing.assert_array_equal(signed.astype(int) + 128, levels)


def test_fixed_ranges_worked_by_hand() -> None:
    ranges = np.array([[0, -127.5], [255, 127.5]], np.float32)
    vectors = np.array([[0.5, -200], [300, 0], [254.9, 127.4]], np.float32)
    expected = np.array([[0, 0], [255, 127], [254, 254]])
    np.testing.assert_array_equal(quantize_embeddings(vectors, "uint8", ranges), expected)
    np.testing.assert_array_equal(quantize_embeddings(vectors, "int8", ranges), expected - 128)
    for row, alone in zip(expected, vectors, strict=True):
        np.testing.assert_array_equal(quantize_embeddings(alone[None], "uint8", ranges), [row])


def test_fixed_ranges_are_twice_as_wide_as_what_was_found() -> None:
    vectors = np.array([[1, 5, 3], [-3, 7, 3], [0, 6, 3]], np.float32)
    expected = np.array([[-5, 4, 3], [3, 8, 3]], np.float32)
    np.testing.assert_array_equal(fixed_ranges(vectors), expected, strict=True)


# --- in a bundle


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("precision", ["int8", "uint8"])
def test_one_text_alone_gives_what_it_gives_among_others(
    embedder: Callable[..., Embedder],
    answers: Callable[[str], Answers],
    dtype: str,
    precision: Literal["int8", "uint8"],
    caplog: pytest.LogCaptureFixture,
) -> None:
    model, texts = embedder("minilm", dtype), answers("minilm").texts
    for options in ({}, {"truncate_dim": 7}, {"normalize_embeddings": True}):
        together = quietly(model, texts, precision=precision, **options)
        alone = [quietly(model, text, precision=precision, **options) for text in texts]
        np.testing.assert_array_equal(together, alone)
        own = quietly(model, texts, **options)
        ranges = model.ranges(**options)
        np.testing.assert_array_equal(together, quantize_embeddings(own, precision, ranges))
    assert not caplog.text


def test_one_text_alone_quantises_well(embedder: Callable[..., Embedder]) -> None:
    model = embedder("minilm")
    ranges = model.ranges()
    assert ranges is not None
    assert ranges.shape == (2, model.dimension)
    low, high = ranges
    texts = [  # none of the export's own
        "Ножницы лежат в верхнем ящике стола.",
        "The parliament voted on the budget for the coming year.",
        "A recipe for pancakes: two eggs, milk, flour.",
        "quantum field theory",
    ]
    vectors = model.encode(texts)
    for text, vector in zip(texts, vectors, strict=True):
        levels = model.encode(text, precision="uint8").astype(np.float32)
        assert cosines(low + (levels + 0.5) * (high - low) / 255, vector)[0] > 0.999
    neighbours = np.argsort(vectors @ vectors.T)
    back = low + (model.encode(texts, precision="uint8") + np.float32(0.5)) * (high - low) / 255
    np.testing.assert_array_equal(np.argsort(back @ back.T), neighbours)


def test_vectors_of_another_scale_have_no_fixed_ranges(
    embedder: Callable[..., Embedder], caplog: pytest.LogCaptureFixture
) -> None:
    model = embedder("minilm")
    options: dict[str, Any] = {"truncate_dim": 7, "normalize_embeddings": True}
    assert model.ranges(**options) is None
    texts = ["a cat", "a dog", "rain"]
    own = model.encode(texts, precision="int8", **options)
    assert "3 text" in caplog.text
    np.testing.assert_array_equal(own, quantize_embeddings(model.encode(texts, **options), "int8"))
    with pytest.raises(ArgumentError, match="fixed ranges"):
        model.encode_iter(texts, precision="int8", **options)
    np.testing.assert_array_equal(
        list(model.encode_iter(texts, batch_size=1, precision="int8")),
        model.encode(texts, precision="int8"),
    )
    whole = {**options, "truncate_dim": model.dimension}  # nothing is cut, so nothing is scaled
    assert model.ranges(**whole) is not None


def test_a_bundle_without_ranges_takes_each_calls_own(bundle_copy: Path) -> None:
    change_json(bundle_copy / "manifest.json", ranges=None)
    model = Embedder(bundle_copy)
    assert model.ranges() is None
    texts = ["a cat", "a dog", "rain"]
    np.testing.assert_array_equal(
        model.encode(texts, precision="int8"), quantize_embeddings(model.encode(texts), "int8")
    )


def test_float32_is_left_alone() -> None:
    vectors = np.ones((2, 3), np.float32)
    assert quantize_embeddings(vectors, "float32") is vectors


@pytest.mark.parametrize(
    ("precision", "dtype", "width"),
    [("int8", "int8", 10), ("uint8", "uint8", 10), ("binary", "int8", 2), ("ubinary", "uint8", 2)],
)
def test_no_rows_have_the_same_type_and_width_as_some(
    precision: str, dtype: str, width: int
) -> None:
    empty = quantize_embeddings(np.zeros((0, 10), np.float32), check_precision(precision))
    assert empty.dtype == dtype
    assert empty.shape == (0, width)


def test_few_texts_make_a_coarse_range_and_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    quantize_embeddings(np.eye(99, dtype=np.float32), "int8")
    assert "99 text" in caplog.text
    caplog.clear()
    quantize_embeddings(np.eye(100, dtype=np.float32), "int8")
    quantize_embeddings(np.eye(3, dtype=np.float32), "binary")
    assert not caplog.text


def test_names() -> None:
    assert [check_precision(name) for name in PRECISIONS] == list(PRECISIONS)
    for bad in ("float16", "", "INT8", None, 8):
        with pytest.raises(ArgumentError, match="ubinary"):
            check_precision(bad)  # type: ignore[arg-type]
