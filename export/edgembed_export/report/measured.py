"""What the page and the card are made from: parity.json's figures, and what the plots need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgembed.agreement import Float64, Similarities, sample_similarities
from edgembed.pooling import Float32
from edgembed_export.parity import Compared


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
