"""The INT8 recipe: what is done to the weights, as data.

Which recipe is best was measured; the table of everything tried is in benchmarks/recipes/. Adding
a variant is writing another `Recipe` there.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

ActivationBits = Literal["auto", "8", "16"]
"""8, or 16 by `residuals.keep_residuals`, which every recipe allows; "auto" is what the gate asks
for."""
ACTIVATION_BITS: tuple[ActivationBits, ...] = get_args(ActivationBits)


@dataclass(frozen=True)
class Recipe:
    """Every choice the quantiser makes. All of it is fixed at export: nothing costs time later
    but `smooth` (a multiplication of (tokens x hidden) before qkv and up), `centre` (a subtraction
    there), `split` (two copies of the same size there), `exact_units` (two thin products a layer)
    and `coarse_band` (four more nodes a layer)."""

    smooth: tuple[tuple[str, float], ...] = (
        ("qkv", 0.9), ("up", 0.4), ("out", 0.6), ("gated", 0.7),
    )  # fmt: skip
    """Roles of the linear layers whose inputs are smoothed (SmoothQuant, Xiao et al. 2022,
    arXiv 2211.10438), and how much of an input channel's range moves into the weights, 0 to 1.
    Roles: qkv, out (attention's output, at no cost), up and down (the feed-forward matrices), gated
    (down behind a gate, at no cost)."""
    centre: bool = True
    """Subtract the middle of its range from each channel that is smoothed at run time (Outlier
    Suppression+, Wei et al. 2023, arXiv 2304.09145): many channels of a LayerNorm lie to one side
    of zero, and half of the scale would be wasted on the other."""
    split: int = 8
    """How many channels, of those smoothed at run time, are split into parts (outlier channel
    splitting, Zhao et al. 2019, arXiv 1901.09504). In BERTs one channel of one token, the first,
    is what sets the scale of a whole text; smoothing alone would stretch the weights for it."""
    exact_units: int = 16
    """Feed-forward units, those with the largest activations, that stay float32: a handful of
    outliers would otherwise stretch the one scale all other activations share. Layers without
    outliers keep none."""
    coarse_band: float = 1 / 4
    """The share of a feed-forward block's units, those with the next largest activations, that are
    a product of their own, so that the scale of the others is not theirs. 0 is none."""
    by_token: bool = True
    """One scale a token, not a text, for the inputs of down behind a gate: a product of two values
    has tokens that are many times larger than others. Six more nodes a layer."""
    pair_safe: bool = True
    """Scale weights so that no sum of two products can leave 16 bits: x86 without VNNI adds
    neighbouring products in int16 with saturation (vpmaddubsw)."""
    rounding: str = "gptq"
    """"nearest", or "gptq": round to the least error on the calibration's activations
    (Frantar et al. 2022, arXiv 2210.17323)."""
    damping: float = 0.1
    """Of gptq: the share of the mean second moment that stands for unseen text."""
    bias_correction: bool = True
    """Move the mean error that rounding makes on the calibration text into the bias."""
    embeddings: bool = True
    """Word embeddings as int8 with one scale a row."""

    @property
    def needs_moments(self) -> bool:
        """Whether calibration must collect second moments too (slower, and memory by width)."""
        return self.rounding != "nearest"

    def alpha(self, role: str) -> float:
        """How much the inputs of a role are smoothed; 0 is not at all."""
        return dict(self.smooth).get(role, 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a manifest."""
        return asdict(self)


RECIPE = Recipe()
"""The chosen recipe."""
