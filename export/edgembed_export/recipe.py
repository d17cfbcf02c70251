"""The INT8 recipe: what is done to the weights, as data.

Which recipe is best was measured; the table of everything tried is in benchmarks/recipes/. Adding
a variant is writing another `Recipe` there.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """Every choice the quantiser makes. All of it is fixed at export: nothing costs time later
    but `smooth` (one multiplication of (tokens x hidden) a norm) and `exact_units`."""

    smooth: tuple[str, ...] = ("qkv", "up")
    """Roles of the linear layers whose inputs are smoothed (SmoothQuant, Xiao et al. 2022,
    arXiv 2211.10438): input channels with large values are divided, their weights multiplied.
    Roles: qkv, out (attention's output), up and down (first and second feed-forward matrix)."""
    alpha: float = 0.7
    """How much of an input channel's range moves into the weights, 0 to 1."""
    exact_units: int = 8
    """Feed-forward units, those with the largest activations, that stay float32: a handful of
    outliers would otherwise stretch the one scale all other activations share."""
    pair_safe: bool = True
    """Scale weights so that no sum of two products can leave 16 bits: x86 without VNNI adds
    neighbouring products in int16 with saturation (vpmaddubsw)."""
    rounding: str = "nearest"
    """"nearest", or "gptq": round to the least error on the calibration's activations
    (Frantar et al. 2022, arXiv 2210.17323)."""
    bias_correction: bool = False
    """Move the mean error that rounding makes on the calibration text into the bias."""
    embeddings: bool = True
    """Word embeddings as int8 with one scale a row."""

    @property
    def needs_moments(self) -> bool:
        """Whether calibration must collect second moments too (slower, and memory by width)."""
        return self.rounding != "nearest" or self.bias_correction

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a manifest."""
        return asdict(self)


RECIPE = Recipe()
"""The chosen recipe."""
