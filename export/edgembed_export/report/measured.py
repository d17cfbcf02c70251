"""What the page and the card are made from: parity.json's figures, and what the plots need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgembed.pooling import Float32
from edgembed_export.parity import Compared, Float64

_BINS = 50
_MOST_PAIRS = 2000


@dataclass(frozen=True)
class Similarities:
    """Cosine similarities of some pairs of texts: (pairs,) float64 by torch and by each dtype."""

    torch: Float64
    by_dtype: Mapping[str, Float64]


@dataclass(frozen=True)
class Measured:
    """One export's measurements.

    report: parity.json's content. rows: every text under every prompt. similarities: what the
    scatter shows.
    """

    report: Mapping[str, Any]
    rows: Sequence[Compared]
    similarities: Similarities

    @classmethod
    def of(
        cls,
        report: Mapping[str, Any],
        rows: Sequence[Compared],
        torch: Float32,
        vectors: Mapping[str, Float32],
    ) -> Measured:
        """torch and vectors[dtype]: (n, dim) float32, one prompt's texts in the same order."""
        return cls(report, rows, sample_similarities(torch, vectors))

    @property
    def dtypes(self) -> list[str]:
        """In the order of the report."""
        return list(self.report["dtypes"])

    def tokens(self) -> npt.NDArray[np.int64]:
        """Tokens of each row's text: (rows,)."""
        return np.array([row.tokens for row in self.rows], np.int64)

    def distances(self, dtype: str) -> Float64:
        """1 - cosine to torch of each row: (rows,), never below 1e-16, so that it has a log."""
        cosines = np.array([row.cosines[dtype] for row in self.rows], np.float64)
        result: Float64 = np.maximum(1 - cosines, 1e-16)
        return result


def sample_similarities(torch: Float32, vectors: Mapping[str, Float32]) -> Similarities:
    """At most about 2,000 of all pairs, the same for the same input.

    Most pairs of texts have nothing to do with each other, so a plain sample would show one blob;
    taking as many from each stretch of the scale shows the alike ones too.
    """
    first, second = np.triu_indices(len(torch), 1)
    reference = _cosines(torch, first, second)
    chosen = _spread(reference)
    by_dtype = {d: _cosines(own, first[chosen], second[chosen]) for d, own in vectors.items()}
    return Similarities(reference[chosen], by_dtype)


def _spread(values: Float64) -> npt.NDArray[np.intp]:
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


def _cosines(
    vectors: Float32, first: npt.NDArray[np.intp], second: npt.NDArray[np.intp]
) -> Float64:
    x = vectors.astype(np.float64)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    result: Float64 = (x @ x.T)[first, second]
    return result
