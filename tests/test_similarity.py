"""The four similarity functions, against float64. Live against torch in tests/export."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgembed.errors import ArgumentError
from edgembed.similarity import SIMILARITY_FUNCTIONS, similarity, similarity_pairwise

Matrix = npt.NDArray[np.float32]


def reference(name: str, a: Matrix, b: Matrix) -> npt.NDArray[np.float64]:
    x, y = a.astype(np.float64)[:, None, :], b.astype(np.float64)[None, :, :]
    if name == "dot":
        return np.asarray((x * y).sum(axis=-1))
    if name == "euclidean":
        return np.asarray(-np.sqrt(((x - y) ** 2).sum(axis=-1)))
    if name == "manhattan":
        return np.asarray(-np.abs(x - y).sum(axis=-1))
    norms = np.linalg.norm(x, axis=-1) * np.linalg.norm(y, axis=-1)
    return np.asarray((x * y).sum(axis=-1) / norms)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Matrix, Matrix]:
    width = draw(st.integers(1, 12))
    # Away from zero, where a float32 cosine has no digits left.
    numbers = st.floats(0.0625, 10, width=32).flatmap(lambda x: st.sampled_from([x, -x]))
    return tuple(
        draw(arrays(np.float32, (draw(st.integers(1, 6)), width), elements=numbers))
        for _ in range(2)
    )


@pytest.mark.parametrize("name", SIMILARITY_FUNCTIONS)
@given(both=pairs())
def test_all_pairs(name: str, both: tuple[Matrix, Matrix]) -> None:
    a, b = both
    result = similarity(name, a, b)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, reference(name, a, b), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("name", SIMILARITY_FUNCTIONS)
@given(both=pairs())
def test_row_by_row_is_the_diagonal(name: str, both: tuple[Matrix, Matrix]) -> None:
    rows = min(map(len, both))
    a, b = both[0][:rows], both[1][:rows]
    result = similarity_pairwise(name, a, b)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, np.diag(reference(name, a, b)), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("name", SIMILARITY_FUNCTIONS)
def test_larger_means_closer(name: str) -> None:
    near, far = [1.0, 0.1], [-1.0, 0.5]
    (row,) = similarity(name, [1.0, 0.0], [near, far])
    assert row[0] > row[1]


def test_one_vector_counts_as_one_row() -> None:
    assert similarity("dot", [1, 2], [3, 4]).tolist() == [[11]]
    assert similarity("dot", [[1, 2]], [[3, 4], [5, 6]]).tolist() == [[11, 17]]
    assert similarity_pairwise("dot", [1, 2], [3, 4]).tolist() == [11]


@pytest.mark.parametrize("name", SIMILARITY_FUNCTIONS)
def test_no_rows(name: str) -> None:
    none, two = np.zeros((0, 3), np.float32), np.ones((2, 3), np.float32)
    assert similarity(name, none, two).shape == (0, 2)
    assert similarity(name, two, none).shape == (2, 0)
    assert similarity_pairwise(name, none, none).shape == (0,)


def test_a_zero_vector_is_no_nan() -> None:
    assert similarity("cosine", [0.0, 0.0], [1.0, 0.0]).tolist() == [[0]]
    assert similarity("euclidean", [1.0, 1.0], [1.0, 1.0]).tolist() == [[0]]


@pytest.mark.parametrize("compare", [similarity, similarity_pairwise])
def test_vectors_that_cannot_be_compared(compare: object) -> None:
    with pytest.raises(ArgumentError, match="of 2 and of 3 dimensions"):
        compare("cosine", [[1, 2]], [[1, 2, 3]])  # type: ignore[operator]
    with pytest.raises(ArgumentError, match="3 dimensions"):
        compare("cosine", np.zeros((1, 1, 2)), [[1, 2]])  # type: ignore[operator]


def test_rows_that_have_no_partner() -> None:
    with pytest.raises(ArgumentError, match="2 rows with 1"):
        similarity_pairwise("cosine", [[1, 2], [3, 4]], [[1, 2]])


@pytest.mark.parametrize("junk", ["text", ["a", "b"], [[1, 2], [3]], None])
def test_what_is_no_vector_is_refused(junk: object) -> None:
    with pytest.raises(ArgumentError):
        similarity("cosine", junk, [[1, 2]])  # type: ignore[arg-type]
