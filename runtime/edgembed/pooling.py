"""From token vectors to one sentence vector, in numpy.

Every text is run without padding, so there is no mask to apply: the rows that are there count.
Sums go through `np.add.reduce`, not through BLAS, because its order of addition depends on the
shape alone: one text gives one vector on any number of threads.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
PoolingMode = Literal["mean", "cls"]
POOLING_MODES: tuple[PoolingMode, ...] = ("mean", "cls")

# torch.nn.functional.normalize's epsilon: a zero vector stays zero instead of turning into NaN.
_EPSILON = np.float32(1e-12)


def pool(token_embeddings: Float32, mode: PoolingMode, skip: int = 0) -> Float32:
    """One vector of a text: (tokens, dim) float32 -> (dim,) float32.

    mode "mean": the average over tokens. mode "cls": the first token's vector.
    skip: leading tokens left out (a prompt's, where the checkpoint says include_prompt=false);
    where nothing is left the mean is zero, as sentence-transformers' masked mean is.
    """
    rows = token_embeddings[skip:]
    if mode == "cls":
        # A copy, because a view would keep all tokens' vectors in memory.
        first: Float32 = (rows[0] if len(rows) else token_embeddings[0]).copy()
        return first
    mean: Float32 = np.add.reduce(rows, axis=0) / np.float32(max(len(rows), 1))
    return mean


def norm(vector: Float32) -> float:
    """The L2 norm of one vector, (dim,) float32: the root of a float32 sum, as in normalize.

    NaN or infinity where one of its numbers is, or where the sum is too large for float32. So
    one number tells whether all are finite: around a short text's run, with cold caches, each
    function of numpy that is called for the first time takes longer than its work.
    """
    return math.sqrt(np.add.reduce(vector * vector))


def unit(vector: Float32, length: float) -> Float32:
    """The vector, (dim,) float32, scaled to norm 1, given its norm; the bits are normalize's."""
    scaled: Float32 = vector / np.float32(max(length, _EPSILON))
    return scaled


def normalize(vectors: Float32) -> Float32:
    """Scale to L2 norm 1 along the last axis, (..., dim) float32; a zero vector stays zero."""
    norms = np.sqrt(np.add.reduce(vectors * vectors, axis=-1, keepdims=True))
    result: Float32 = vectors / np.maximum(norms, _EPSILON)
    return result
