"""The variants, as data: what `run.py` puts in one table.

To add one, add a line to VARIANTS: a name, a `Recipe`, and, for what a `Recipe` cannot say, a
function that changes the quantised graph.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgembed_export.int8.recipe import RECIPE, Recipe
from recipes.changes import Change, per_token, residuals, static_scales, unsigned_weights

ALPHA = (("qkv", 0.7), ("up", 0.7))


@dataclass(frozen=True)
class Variant:
    """One row of the table."""

    name: str
    recipe: Recipe | None
    """None: not ours but optimum's preset."""
    change: Change | None = None


PLAIN = Recipe(
    smooth=(),
    centre=False,
    split=0,
    exact_units=0,
    coarse_band=0,
    pair_safe=False,
    rounding="nearest",
    bias_correction=False,
)
PAIRS = replace(PLAIN, pair_safe=True)
SMOOTH = replace(PAIRS, smooth=ALPHA)
UNITS = replace(SMOOTH, exact_units=16)
GPTQ = replace(UNITS, rounding="gptq")
BIAS = replace(GPTQ, bias_correction=True)
SPLIT = replace(BIAS, split=8)
CENTRED = replace(SPLIT, centre=True)
BANDS = replace(CENTRED, coarse_band=1 / 4)

VARIANTS = (
    Variant("optimum avx2 preset", None),
    Variant("per-channel s8, saturating", PLAIN),
    Variant("per-channel u8 weights", PLAIN, unsigned_weights),
    Variant("pair-safe", PAIRS),
    Variant("+ SmoothQuant .7", SMOOTH),
    Variant("+ exact units", UNITS),
    Variant("+ GPTQ", GPTQ),
    Variant("+ bias correction", BIAS),
    Variant("+ split channels", SPLIT),
    Variant("+ centred channels", CENTRED),
    Variant("+ two bands of units", BANDS),
    Variant("+ qkv .9, up .4, out .6 = chosen", RECIPE),
    Variant("chosen, not centred", replace(RECIPE, centre=False)),
    Variant("chosen, one band", replace(RECIPE, coarse_band=0)),
    Variant("chosen, bands 1/8", replace(RECIPE, coarse_band=1 / 8)),
    Variant("chosen, smoothed .9", replace(RECIPE, smooth=(("qkv", 0.9), ("up", 0.9)))),
    Variant("chosen, 64 exact units", replace(RECIPE, exact_units=64)),
    Variant("chosen, nearest rounding", replace(RECIPE, rounding="nearest")),
    Variant("chosen, damping .01", replace(RECIPE, damping=0.01)),
    Variant("chosen, float32 embeddings", replace(RECIPE, embeddings=False)),
    Variant("chosen, 16-bit activations", RECIPE, residuals),
    Variant("chosen, static scales", RECIPE, static_scales),
    Variant("SmoothQuant, per token in down", SMOOTH, per_token("down")),
    Variant("SmoothQuant, per token everywhere", SMOOTH, per_token("all")),
)
