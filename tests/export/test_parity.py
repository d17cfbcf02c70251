"""The parity report's arithmetic, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from edgembed.agreement import cosines, neighbour_agreement, similarity_error
from edgembed_export.parity import Compared, Spread, Tolerance, summary


def matrix(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_cosines() -> None:
    a = matrix([1, 0], [3, 4], [1, 0], [1, 1])
    b = matrix([5, 0], [4, 3], [0, 2], [-1, -1])
    np.testing.assert_allclose(cosines(a, b), [1, 24 / 25, 0, -1], atol=1e-15)
    assert cosines(a, b).dtype == np.float64


def test_cosines_tell_small_differences() -> None:
    angle = 1e-3
    found = 1 - cosines(matrix([1, 0]), matrix([np.cos(angle), np.sin(angle)]))[0]
    assert found == pytest.approx(angle**2 / 2, rel=1e-3)


def test_spread() -> None:
    values = np.array([0.9, 1.0, 0.8, 0.7])
    spread = Spread.of(values)
    assert (spread.count, spread.min) == (4, 0.7)
    assert spread.mean == pytest.approx(0.85)
    assert spread.p1 == pytest.approx(0.703)  # 3 % of the way from the lowest to the next


def test_neighbour_agreement() -> None:
    torch = matrix([1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9])
    assert neighbour_agreement(torch, torch * 7) == 1
    # Nearest of the four rows by torch: 1, 0, 3, 2. With the first turned away: 2, 3, 3, 2.
    moved = torch.copy()
    moved[0] = [-1, 0]
    assert neighbour_agreement(torch, moved) == 0.5


def test_similarity_error() -> None:
    torch = matrix([1, 0], [0, 1], [1, 1])
    own = matrix([1, 0], [1, 1], [1, 1])
    # Pairs 01, 02, 12: 0, .7071, .7071 by torch; .7071, .7071, 1 here.
    mean, largest = similarity_error(torch, own)
    half = 0.5**0.5
    assert mean == pytest.approx((half + 0 + 1 - half) / 3)
    assert largest == pytest.approx(half)


BOUNDS = Tolerance(int8_min=0.99, int8_mean=0.998)


def test_within_tolerance() -> None:
    assert BOUNDS.violations("float32", np.array([1.0, 1 - 5e-7])) == []
    assert BOUNDS.violations("int8", np.array([0.991] + [0.9999] * 9)) == []


@pytest.mark.parametrize(
    ("dtype", "values", "said"),
    [
        ("float32", [1.0, 1 - 2e-6], ["lowest cosine"]),
        ("float32", [1.0, np.nan], ["lowest cosine"]),
        ("int8", [0.9999, 0.98, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], ["lowest cosine"]),
        ("int8", [0.995, 0.996], ["mean cosine"]),
        ("int8", [0.5, 0.5], ["lowest cosine", "mean cosine"]),
        ("int8", [np.nan, 1.0], ["lowest cosine", "mean cosine"]),
    ],
)
def test_violations_are_named(dtype: str, values: list[float], said: list[str]) -> None:
    found = BOUNDS.violations(dtype, np.array(values))
    assert [line.split(": ")[1].rsplit(" ", 4)[0] for line in found] == said
    assert all(line.startswith(f"{dtype}: ") for line in found)


def test_padded_batches_may_be_twice_as_far() -> None:
    loose = BOUNDS.in_batches()
    assert (loose.int8_min, loose.int8_mean) == pytest.approx((0.98, 0.996))
    assert loose.float32_min == BOUNDS.float32_min


def test_a_callers_own_tolerance() -> None:
    assert Tolerance(int8_min=0.4, int8_mean=0.4).violations("int8", np.array([0.5])) == []
    assert Tolerance(int8_min=1.0, int8_mean=0.4).violations("int8", np.array([0.9999]))


def test_summary() -> None:
    rows = [
        Compared("a", "", 3, {"int8": 0.9}),
        Compared("b", "", 9, {"int8": 1.0}),
        Compared("a", "query: ", 8, {"int8": 0.8}),
        Compared("c", "query: ", 600, {"int8": 0.7}),
    ]
    torch = matrix([1, 0], [0, 1])
    figures = summary(rows, torch, {"int8": matrix([1, 0], [0, 2])})["int8"]
    assert (figures["count"], figures["min"]) == (4, 0.7)
    assert figures["mean"] == pytest.approx(0.85)
    assert figures["neighbour_agreement"] == 1
    assert figures["similarity_error_max"] == 0
    assert {k: v["count"] for k, v in figures["by_length"].items()} == {
        "1-8": 2,
        "9-16": 1,
        "513-1000000": 1,
    }
    assert {k: v["min"] for k, v in figures["by_prompt"].items()} == {"": 0.9, "query: ": 0.7}
    assert [row["cosine"] for row in figures["worst"]] == [0.7, 0.8, 0.9, 1.0]
    assert figures["worst"][0] == {"cosine": 0.7, "tokens": 600, "prompt": "query: ", "text": "c"}
