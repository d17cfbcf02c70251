"""Pooling and normalising, against float64 numpy and against torch's own vectors."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgembed import Embedder
from edgembed.pooling import norm, normalize, pool, unit
from support import Answers

TOKENS = arrays(
    np.float32,
    st.tuples(st.integers(1, 40), st.integers(1, 16)),
    elements=st.floats(-100, 100, width=32),
)


@given(TOKENS)
def test_mean_is_the_float64_mean(tokens: npt.NDArray[np.float32]) -> None:
    expected = tokens.astype(np.float64).mean(axis=0)
    assert pool(tokens, "mean").dtype == np.float32
    np.testing.assert_allclose(pool(tokens, "mean"), expected, rtol=1e-5, atol=1e-4)


@given(TOKENS)
def test_cls_is_the_first_row(tokens: npt.NDArray[np.float32]) -> None:
    np.testing.assert_array_equal(pool(tokens, "cls"), tokens[0])


@given(TOKENS, st.integers(0, 45))
def test_skipped_rows_do_not_count(tokens: npt.NDArray[np.float32], skip: int) -> None:
    spoilt = tokens.copy()
    spoilt[:skip] = np.nan
    if skip < len(tokens):
        assert pool(spoilt, "mean", skip).tobytes() == pool(tokens, "mean", skip).tobytes()
        np.testing.assert_array_equal(pool(spoilt, "cls", skip), tokens[skip])
    else:  # as sentence-transformers' masked mean and first-token pooling do
        np.testing.assert_array_equal(pool(spoilt, "mean", skip), np.zeros(tokens.shape[1]))
        np.testing.assert_array_equal(pool(tokens, "cls", skip), tokens[0])


def test_worked_by_hand() -> None:
    tokens = np.array([[1, 2], [3, 6], [5, 1]], np.float32)
    np.testing.assert_array_equal(pool(tokens, "mean"), [3, 3])
    np.testing.assert_array_equal(pool(tokens, "mean", skip=1), [4, 3.5])
    np.testing.assert_allclose(normalize(np.array([3, 4], np.float32)), [0.6, 0.8], rtol=1e-7)


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(0, 5), st.integers(1, 16)),
        elements=st.floats(-1000, 1000, width=32),
    )
)
def test_normalised_rows_have_norm_one_or_zero(vectors: npt.NDArray[np.float32]) -> None:
    result = normalize(vectors)
    assert result.dtype == np.float32
    wide = vectors.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    plain = (norms > 1e-6)[:, 0]  # below, float32 squares lose their digits
    np.testing.assert_allclose(result[plain], (wide / np.maximum(norms, 1e-12))[plain], atol=1e-6)
    assert np.isfinite(result).all()


def test_a_zero_vector_stays_zero() -> None:
    assert not normalize(np.zeros((2, 3), np.float32)).any()


@given(TOKENS)
def test_one_vector_is_scaled_as_many_are(tokens: npt.NDArray[np.float32]) -> None:
    for vector in tokens:
        np.testing.assert_array_equal(unit(vector, norm(vector)), normalize(vector))


@given(TOKENS, st.sampled_from([np.nan, np.inf, -np.inf]), st.data())
def test_a_norm_tells_of_a_number_that_is_not_finite(
    tokens: npt.NDArray[np.float32], number: float, data: st.DataObject
) -> None:
    vector = tokens[0].copy()
    assert math.isfinite(norm(vector))
    vector[data.draw(st.integers(0, len(vector) - 1))] = number
    assert not math.isfinite(norm(vector))


@pytest.mark.parametrize("name", ["tiny-frida", "tiny-cls", "tiny-xlmr", "minilm"])
def test_pooling_of_a_models_token_vectors_is_torchs(
    embedder: Callable[..., Embedder], answers: Callable[[str], Answers], name: str
) -> None:
    model, expected = embedder(name), answers(name)
    short = [i for i, ids in enumerate(expected.ids) if len(ids) < model.max_seq_length]
    for index in short:
        token_vectors = model.encode(
            expected.texts[index], prompt="", output_value="token_embeddings"
        )
        own = pool(token_vectors, "cls" if name == "tiny-cls" else "mean")
        own = own if name == "tiny-xlmr" else normalize(own)
        np.testing.assert_allclose(own, expected.vectors[""][index], atol=5e-6)
