"""The four similarity functions of sentence-transformers, in numpy.

Source: sentence_transformers.util (cos_sim, dot_score, euclidean_sim, manhattan_sim): distances
are negated, so that larger always means closer.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from edgembed.errors import ArgumentError
from edgembed.pooling import Float32, normalize

SIMILARITY_FUNCTIONS = ("cosine", "dot", "euclidean", "manhattan")


def _rows(vectors: npt.ArrayLike) -> Float32:
    """Anything array-like as a (n, dim) float32 matrix; one vector becomes one row."""
    try:
        matrix = np.asarray(vectors, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            f"similarity takes vectors, as encode() returns them: {error}"
        ) from error
    if matrix.ndim not in (1, 2):
        raise ArgumentError(
            f"similarity takes one vector (dim,) or many (n, dim), not an array of {matrix.ndim} "
            "dimensions: pass what encode() returned"
        )
    return np.atleast_2d(matrix)


def _manhattan(a: Float32, b: Float32) -> Float32:
    # One row of a at a time: the whole difference would be (n, m, dim).
    return -np.stack([np.abs(row - b).sum(axis=1) for row in a])


def _euclidean(a: Float32, b: Float32) -> Float32:
    return -np.stack([np.sqrt(np.square(row - b).sum(axis=1)) for row in a])


_MATRIX: dict[str, Callable[[Float32, Float32], Float32]] = {
    "cosine": lambda a, b: normalize(a) @ normalize(b).T,
    "dot": lambda a, b: a @ b.T,
    "euclidean": _euclidean,
    "manhattan": _manhattan,
}
_PAIRS: dict[str, Callable[[Float32, Float32], Float32]] = {
    "cosine": lambda a, b: (normalize(a) * normalize(b)).sum(axis=1),
    "dot": lambda a, b: (a * b).sum(axis=1),
    "euclidean": lambda a, b: -np.sqrt(np.square(a - b).sum(axis=1)),
    "manhattan": lambda a, b: -np.abs(a - b).sum(axis=1),
}


def similarity(name: str, a: npt.ArrayLike, b: npt.ArrayLike) -> Float32:
    """All pairs: (n, dim) and (m, dim) -> (n, m) float32. One vector counts as one row."""
    left, right = _rows(a), _rows(b)
    _same_dimension(left, right)
    if not len(left) or not len(right):
        return np.zeros((len(left), len(right)), np.float32)
    return _MATRIX[name](left, right)


def similarity_pairwise(name: str, a: npt.ArrayLike, b: npt.ArrayLike) -> Float32:
    """Row by row: (n, dim) and (n, dim) -> (n,) float32."""
    left, right = _rows(a), _rows(b)
    _same_dimension(left, right)
    if len(left) != len(right):
        raise ArgumentError(
            f"similarity_pairwise compares row with row, not "
            f"{len(left)} rows with {len(right)}: use similarity() for all pairs"
        )
    return _PAIRS[name](left, right)


def _same_dimension(a: Float32, b: Float32) -> None:
    if len(a) and len(b) and a.shape[1] != b.shape[1]:
        raise ArgumentError(
            f"vectors of {a.shape[1]} and of {b.shape[1]} dimensions cannot be compared: "
            "they come from different models or different truncate_dim"
        )
