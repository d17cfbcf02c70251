"""The parity report: how far a bundle's vectors are from torch's, in numbers.

Pure arithmetic on vectors that others computed; nothing here loads a model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from edgembed.agreement import Float64, neighbour_agreement, similarity_error
from edgembed.pooling import Float32

# Upper bounds of the length classes, in tokens.
LENGTHS = (8, 16, 32, 64, 128, 256, 512, 1_000_000)
_WORST = 10


@dataclass(frozen=True)
class Tolerance:
    """How far a bundle may be from torch before it is refused.

    float32: lowest cosine of any text. A float32 graph that computes the same thing differs by
    rounding alone, which is below 1e-6.
    int8_min, int8_mean: lowest and mean cosine of the INT8 vectors.
    """

    float32_min: float = 1 - 1e-6
    int8_min: float = 0.99
    int8_mean: float = 0.9975

    def in_batches(self) -> Tolerance:
        """The bounds for padded batches, as other people's tools run them.

        There INT8 takes one activation scale over all texts of a batch, so a text may be twice as
        far from torch as alone. This runtime runs each text alone.
        """
        return replace(
            self, int8_min=1 - 2 * (1 - self.int8_min), int8_mean=1 - 2 * (1 - self.int8_mean)
        )

    def violations(self, dtype: str, cosines: Float64) -> list[str]:
        """What is out of bounds, in words; empty where all is well."""
        bounds = [("lowest cosine", float(cosines.min()), self.float32_min)]
        if dtype == "int8":
            bounds = [
                ("lowest cosine", float(cosines.min()), self.int8_min),
                ("mean cosine", float(cosines.mean()), self.int8_mean),
            ]
        return [
            f"{dtype}: {name} {value:.7f} is below {bound:.7f}"
            for name, value, bound in bounds
            if not value >= bound  # so that a NaN is a violation too
        ]


@dataclass(frozen=True)
class Compared:
    """One text under one prompt: tokens, and cosine to torch by dtype."""

    text: str
    prompt: str
    tokens: int
    cosines: Mapping[str, float]


@dataclass(frozen=True)
class Spread:
    """How a set of cosines is spread."""

    count: int
    mean: float
    p1: float
    min: float

    @classmethod
    def of(cls, cosines: Float64) -> Spread:
        """The spread of (n,) float64 cosines, n >= 1."""
        return cls(
            count=len(cosines),
            mean=float(cosines.mean()),
            p1=float(np.percentile(cosines, 1)),
            min=float(cosines.min()),
        )


def summary(rows: Sequence[Compared], torch: Float32, vectors: Mapping[str, Float32]) -> Any:
    """parity.json's figures by dtype.

    rows: every text compared. torch and vectors: (n, dim), the vectors of one prompt's texts, for
    what is measured between texts.
    """
    result = {}
    for dtype, own in vectors.items():
        mean_error, max_error = similarity_error(torch, own)
        result[dtype] = {
            **asdict(Spread.of(_column(rows, dtype))),
            "neighbour_agreement": neighbour_agreement(torch, own),
            "similarity_error_mean": mean_error,
            "similarity_error_max": max_error,
            "by_length": _by_length(rows, dtype),
            "by_prompt": _by_prompt(rows, dtype),
            "worst": [_shown(row, dtype) for row in _worst(rows, dtype)],
        }
    return result


def _column(rows: Iterable[Compared], dtype: str) -> Float64:
    return np.array([row.cosines[dtype] for row in rows], np.float64)


def _by_length(rows: Sequence[Compared], dtype: str) -> dict[str, Any]:
    result, low = {}, 0
    for high in LENGTHS:
        group = [row for row in rows if low < row.tokens <= high]
        if group:
            result[f"{low + 1}-{high}"] = asdict(Spread.of(_column(group, dtype)))
        low = high
    return result


def _by_prompt(rows: Sequence[Compared], dtype: str) -> dict[str, Any]:
    prompts = dict.fromkeys(row.prompt for row in rows)
    groups = {p: [row for row in rows if row.prompt == p] for p in prompts}
    return {p: asdict(Spread.of(_column(group, dtype))) for p, group in groups.items()}


def _worst(rows: Sequence[Compared], dtype: str) -> list[Compared]:
    return sorted(rows, key=lambda row: row.cosines[dtype])[:_WORST]


def _shown(row: Compared, dtype: str) -> dict[str, Any]:
    return {
        "cosine": row.cosines[dtype],
        "tokens": row.tokens,
        "prompt": row.prompt,
        "text": row.text,
    }
