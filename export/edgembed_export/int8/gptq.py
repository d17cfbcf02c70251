"""Rounding a weight matrix so that a layer's output moves least, not each weight.

GPTQ (Frantar et al. 2022, arXiv 2210.17323): inputs are rounded one after the other, and what
rounding them did to the output is made good by those not rounded yet, as far as their activations
are correlated on the calibration text. Written as the feedback it amounts to (Chee et al. 2023,
arXiv 2307.13304, theorem 6), which needs one Cholesky factor and no inverse. The bound on pairs
(see `weights`) is kept on the way: the second of a pair is clipped to what the first left, and the
clipping too is made good by the rest.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgembed_export.int8.weights import PAIR_TOP, TOP, Float, Int8, Quantized, nearest

_BLOCK = 64
"""Rows that hear of the errors before them in one product; changes speed only."""


def gptq(weight: Float, scales: Float, moment: Float, damping: float, pair_safe: bool) -> Quantized:
    """Round (in, out) `weight` to multiples of its columns' `scales` (out).

    `moment` (in, in) is the inputs' second moment H. A column's error is e^T H e with
    e = weight - rounded; a column that nearest rounding serves better keeps nearest rounding, so
    no column is worse than that. `damping` is the share of H's mean diagonal that is added to it:
    the more, the less the calibration text is trusted.
    """
    plain = nearest(weight, scales)
    settled = Quantized(_settle(weight, scales, _damped(moment, damping), pair_safe), scales)
    better = output_error(weight, settled, moment) < output_error(weight, plain, moment)
    return Quantized(np.where(better, settled.values, plain.values), scales)


def output_error(weight: Float, quantized: Quantized, moment: Float) -> Float:
    """(out): mean squared error of each output, e^T H e."""
    error = weight - quantized.restored
    total: Float = np.einsum("io,io->o", error, moment.astype(np.float32, copy=False) @ error)
    return total


def _damped(moment: Float, damping: float) -> npt.NDArray[np.float64]:
    """H with a share of its mean diagonal added, float64: a Cholesky factor is to be taken."""
    damped = moment.astype(np.float64)
    damped[np.diag_indices_from(damped)] += damping * np.diag(damped).mean() + 1e-12
    return damped


def _settle(weight: Float, scales: Float, moment: npt.NDArray[np.float64], pair_safe: bool) -> Int8:
    """Rows in the order of falling activations, two rows never over the bound."""
    order = np.argsort(-np.diag(moment), kind="stable")
    feedback = _feedback(moment, order)
    errors = np.zeros(weight.shape, np.float32)  # in that order
    # One row of zeros more than there are inputs: the partner of an odd last row.
    values = np.zeros((len(weight) + len(weight) % 2, weight.shape[1]), np.float32)
    for start in range(0, len(order), _BLOCK):
        block = order[start : start + _BLOCK]
        wanted = weight[block] + feedback[start : start + len(block), :start] @ errors[:start]
        for row, place in enumerate(block, start):
            partner = values[place ^ 1] if pair_safe else np.float32(0)
            low = np.maximum(-TOP, -PAIR_TOP - partner)
            high = np.minimum(TOP, PAIR_TOP - partner)
            target = wanted[row - start] + feedback[row, start:row] @ errors[start:row]
            values[place] = np.clip(np.rint(target / scales), low, high)
            errors[row] = weight[place] - values[place] * scales
    return values[: len(weight)].astype(np.int8)


def _feedback(moment: npt.NDArray[np.float64], order: npt.NDArray[np.intp]) -> Float:
    """Strictly lower triangular F, H = (F + I)^T D (F + I), of H with rows and columns in `order`.

    Row k says what it makes good of each earlier row's error. Cholesky's own factor, L L^T, has
    the other end first: the order is turned round for it, and back.
    """
    back = order[::-1]
    factor = np.linalg.cholesky(moment[np.ix_(back, back)]).T[::-1, ::-1]
    rows: Float = np.ascontiguousarray(factor / np.diag(factor)[:, None], np.float32)
    np.fill_diagonal(rows, 0)
    return rows
