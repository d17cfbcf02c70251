"""Smaller output types. tests/export/test_semantics.py holds them against sentence-transformers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgembed.errors import ArgumentError
from edgembed.precision import PRECISIONS, check_precision, quantize_embeddings

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
