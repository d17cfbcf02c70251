"""The arithmetic of comparisons, worked by hand or the long way. tests/export has scipy's too."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgembed.agreement import (
    neighbour_agreement,
    neighbours,
    pair_similarities,
    ranks,
    sample_similarities,
    shared_neighbours,
    similarity_error,
    spearman,
)

FEW = st.lists(st.integers(-5, 5).map(float), min_size=2, max_size=30)


def vectors(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 8)).astype(np.float32)


def test_ranks_share_what_ties() -> None:
    assert ranks([10.0, 30.0, 20.0, 20.0]).tolist() == [1, 4, 2.5, 2.5]


@given(FEW)
def test_ranks_count_who_is_smaller_and_half_of_who_is_equal(values: list[float]) -> None:
    expected = [
        sum(other < own for other in values) + (sum(other == own for other in values) + 1) / 2
        for own in values
    ]
    assert ranks(values).tolist() == expected


def test_spearman_by_its_formula_without_ties() -> None:
    a, b = np.arange(10.0), np.array([0, 1, 2, 3, 4, 5, 6, 7, 9, 8.0])
    assert spearman(a, b) == pytest.approx(1 - 6 * 2 / (10 * 99))
    assert spearman(a, -a) == pytest.approx(-1)
    assert math.isnan(spearman(a, np.ones(10)))


@given(FEW)
def test_spearman_sees_the_order_only(values: list[float]) -> None:
    other = np.arange(len(values), dtype=float)
    expected = spearman(values, other)
    changed = spearman(np.exp(np.array(values)), 3 * other + 1)
    assert changed == pytest.approx(expected, nan_ok=True)


def test_neighbours_of_a_row_of_points() -> None:
    angles = np.array([0.0, 0.1, 0.3, 1.0])
    points = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    assert neighbours(points, 2).tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    other = points[[0, 2, 1, 3]]  # the second and the third text have changed places
    assert neighbours(other, 1).ravel().tolist() == [2, 2, 0, 1]
    assert shared_neighbours(points, other, 1).tolist() == [0, 0, 0, 0]
    assert shared_neighbours(points, other, 2).tolist() == [1, 1, 1, 1]
    assert neighbour_agreement(points, points) == 1


@given(arrays(np.float32, (13, 3), elements=st.floats(1, 2, width=32)))
def test_a_matrix_in_stretches_is_the_whole_matrix(a: np.ndarray) -> None:
    b = a[::-1] + np.float32(0.25)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgembed.agreement._ROWS", 4)
        mean, most = similarity_error(a, b)
        near = neighbours(a, 12)
    assert sorted(near[0].tolist()) == list(range(1, 13))
    first, second = np.triu_indices(13, 1)
    moved = abs(pair_similarities(a, first, second) - pair_similarities(b, first, second))
    assert mean == pytest.approx(moved.mean(), abs=1e-12)
    assert most == pytest.approx(moved.max(), abs=1e-12)


def test_pairs_are_the_same_alone_and_together() -> None:
    own = vectors(6)
    first, second = np.triu_indices(6, 1)
    many = pair_similarities(own, first, second)
    few = [pair_similarities(own, first[i : i + 1], second[i : i + 1])[0] for i in range(15)]
    np.testing.assert_array_equal(few, many)


def test_of_few_texts_all_pairs_are_taken() -> None:
    own, other = vectors(63), vectors(63, 1)  # 1953 pairs
    sample = sample_similarities(own, {"other": other})
    first, second = np.triu_indices(63, 1)
    np.testing.assert_array_equal(sample.first, first)
    np.testing.assert_array_equal(sample.second, second)
    np.testing.assert_array_equal(sample.reference, pair_similarities(own, first, second))


def test_of_many_texts_as_many_pairs_of_each_stretch() -> None:
    own, other = vectors(100), vectors(100, 1)  # 4950 pairs
    sample = sample_similarities(own, {"other": other})
    whole = pair_similarities(own, *np.triu_indices(100, 1))
    assert len(set(zip(sample.first, sample.second, strict=True))) == len(sample.first)
    assert {whole.min(), whole.max()} <= set(sample.reference)
    stretches = {"range": (whole.min(), whole.max()), "bins": 50}
    taken, there = (np.histogram(v, **stretches)[0] for v in (sample.reference, whole))
    np.testing.assert_array_equal(taken, np.minimum(there, 40))
    for name, values in (("other", other), ("own", own)):
        found = pair_similarities(values, sample.first, sample.second)
        kept = sample.reference if name == "own" else sample.others[name]
        np.testing.assert_array_equal(kept, found)


def test_many_pairs_of_more_texts_take_no_matrix_of_them() -> None:
    own = vectors(3000)
    random = np.random.default_rng(1)
    first, second = random.integers(0, 3000, (2, 9000))
    tracemalloc.start()
    found = pair_similarities(own, first, second)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    x = own.astype(np.float64)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    np.testing.assert_allclose(found, (x[first] * x[second]).sum(axis=1), atol=1e-15)
    assert peak < 5e6  # the matrix would take 72 MB
