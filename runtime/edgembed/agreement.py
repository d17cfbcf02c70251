"""How far two sets of vectors of the same texts agree, in numbers. Nothing here loads a model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgembed.pooling import Float32

Float64 = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]
_ROWS = 512  # of a similarity matrix that are in memory at once
_PAIRS = 4096  # of rows that are in memory at once
_BINS = 50
_MOST_PAIRS = 2000


@dataclass(frozen=True)
class Similarities:
    """Cosine similarities of some pairs of texts: (pairs,) float64 by a reference, and by others.

    first and second: (pairs,), which texts they are.
    """

    reference: Float64
    others: Mapping[str, Float64]
    first: Places
    second: Places


def cosines(a: Float32, b: Float32) -> Float64:
    """Row by row cosine of (n, dim) and (n, dim), in float64: (n,)."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    result: Float64 = (x * y).sum(axis=1) / norms
    return result


def neighbours(vectors: Float32, count: int) -> Places:
    """The `count` nearest other rows of each row, nearest first: (n, count), n > count."""
    found = []
    for start, rows in _similarity_rows(vectors):
        rows[np.arange(len(rows)), start + np.arange(len(rows))] = -np.inf
        found.append(np.argsort(-rows, axis=1, kind="stable")[:, :count])
    return np.concatenate(found)


def neighbour_agreement(a: Float32, b: Float32) -> float:
    """Share of rows whose nearest other row is the same in a and in b."""
    return float((neighbours(a, 1) == neighbours(b, 1)).mean())


def shared_neighbours(a: Float32, b: Float32, count: int) -> Float64:
    """Of each row's `count` nearest others by a, the share that b has among its own: (n,)."""
    pairs = zip(neighbours(a, count), neighbours(b, count), strict=True)
    return np.array([len(np.intersect1d(x, y)) / count for x, y in pairs], np.float64)


def similarity_error(a: Float32, b: Float32) -> tuple[float, float]:
    """Mean and largest |difference| between the cosine similarities of all pairs of rows."""
    total, largest = 0.0, 0.0
    for (start, x), (_, y) in zip(_similarity_rows(a), _similarity_rows(b), strict=True):
        # Each pair once: of row i the columns after i.
        apart = np.triu(np.abs(x - y), start + 1)
        total, largest = total + float(apart.sum()), max(largest, float(apart.max()))
    return total / (len(a) * (len(a) - 1) / 2), largest


def _similarity_rows(vectors: Float32) -> Iterator[tuple[int, Float64]]:
    """Stretches of the (n, n) similarity matrix: the first row's index, (rows, n) float64."""
    x = vectors.astype(np.float64)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    for start in range(0, len(x), _ROWS):
        yield start, x[start : start + _ROWS] @ x.T


def spearman(a: Sequence[float] | Float64, b: Sequence[float] | Float64) -> float:
    """Spearman's rank correlation, -1 to 1; NaN where either says the same of everything."""
    x, y = ranks(a), ranks(b)
    x, y = x - x.mean(), y - y.mean()
    scale = math.sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / scale if scale else math.nan


def ranks(values: Sequence[float] | Float64) -> Float64:
    """1 for the smallest value; equal ones share the mean of their ranks: (n,)."""
    _, inverse, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    shared: Float64 = (last - (counts - 1) / 2)[inverse]
    return shared


def sample_similarities(reference: Float32, others: Mapping[str, Float32]) -> Similarities:
    """At most about 2,000 of all pairs, the same for the same input.

    Most pairs of texts have nothing to do with each other, so a plain sample would show one blob;
    taking as many from each stretch of the scale shows the alike ones too.
    """
    first, second = np.triu_indices(len(reference), 1)
    values = pair_similarities(reference, first, second)
    chosen = _spread(values)
    first, second = first[chosen], second[chosen]
    by_name = {name: pair_similarities(own, first, second) for name, own in others.items()}
    return Similarities(values[chosen], by_name, first, second)


def pair_similarities(vectors: Float32, first: Places, second: Places) -> Float64:
    """The cosines of rows `first` and rows `second`: (pairs,)."""
    x = vectors.astype(np.float64)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    own = [np.zeros(0)]
    for start in range(0, len(first), _PAIRS):
        here = slice(start, start + _PAIRS)
        own.append(np.einsum("pd,pd->p", x[first[here]], x[second[here]]))
    return np.concatenate(own)


def _spread(values: Float64) -> Places:
    """Indices of up to _MOST_PAIRS values, as evenly over their range as there are any."""
    if len(values) <= _MOST_PAIRS:
        return np.arange(len(values))
    order = np.argsort(values, kind="stable")
    edges = np.linspace(values[order[0]], values[order[-1]], _BINS + 1)[1:-1]
    groups = np.split(order, np.searchsorted(values[order], edges))
    most = _MOST_PAIRS // _BINS
    kept = [group[np.linspace(0, len(group) - 1, min(len(group), most)).astype(int)]
            for group in groups if len(group)]  # fmt: skip
    return np.concatenate(kept)
