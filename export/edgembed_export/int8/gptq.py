"""Rounding a weight matrix so that a layer's output moves least, not each weight.

GPTQ (Frantar et al. 2022, arXiv 2210.17323, algorithm 1): inputs are rounded one after the other,
and what rounding one of them did to the output is made good by those not rounded yet, as far as
their activations are correlated on the calibration text. The bound on pairs (see `weights`) is
kept on the way: the second of a pair is clipped to what the first left, and the clipping too is
made good by the rest.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgembed_export.int8.weights import PAIR_TOP, TOP, Float, Int8, Quantized, nearest

Double = npt.NDArray[np.float64]

_BLOCK = 64
"""Rows settled before the rest of the matrix hears of their errors; changes speed only."""


def gptq(
    weight: Float, scales: Float, moment: Double, damping: float, pair_safe: bool
) -> Quantized:
    """Round (in, out) `weight` to multiples of its columns' `scales` (out).

    `moment` (in, in) is the inputs' second moment H. A column's error is e^T H e with
    e = weight - rounded; a column that nearest rounding serves better keeps nearest rounding, so
    no column is worse than that. `damping` is the share of H's mean diagonal that is added to it:
    the more, the less the calibration text is trusted.
    """
    plain = nearest(weight, scales, pair_safe)
    damped = moment + np.eye(len(moment)) * (damping * np.diag(moment).mean() + 1e-12)
    settled = Quantized(_settle(weight, scales, damped, pair_safe), scales)
    better = output_error(weight, settled, moment) < output_error(weight, plain, moment)
    return Quantized(np.where(better, settled.values, plain.values), scales)


def output_error(weight: Float, quantized: Quantized, moment: Double) -> Double:
    """(out): mean squared error of each output, e^T H e."""
    error = weight.astype(np.float64) - quantized.values * quantized.scales.astype(np.float64)
    total: Double = np.einsum("io,io->o", error, moment @ error)
    return total


def _settle(weight: Float, scales: Float, moment: Double, pair_safe: bool) -> Int8:
    """Algorithm 1 with rows in the order of falling activations, two rows never over the bound."""
    order = np.argsort(-np.diag(moment), kind="stable")
    factor = _inverse_factor(moment[np.ix_(order, order)])
    left = weight[order].astype(np.float64)
    # One row of zeros more than there are inputs: the partner of an odd last row.
    values = np.zeros((len(weight) + len(weight) % 2, weight.shape[1]))
    for start in range(0, len(order), _BLOCK):
        stop = min(start + _BLOCK, len(order))
        errors = np.empty((stop - start, weight.shape[1]))
        for row in range(start, stop):
            place = order[row]
            partner = values[place ^ 1] if pair_safe else 0.0
            low = np.maximum(-TOP, -PAIR_TOP - partner)
            high = np.minimum(TOP, PAIR_TOP - partner)
            values[place] = np.clip(np.rint(left[row] / scales), low, high)
            error = (left[row] - values[place] * scales) / factor[row, row]
            left[row + 1 : stop] -= np.outer(factor[row, row + 1 : stop], error)
            errors[row - start] = error
        left[stop:] -= factor[start:stop, stop:].T @ errors
    return values[: len(weight)].astype(np.int8)


def _inverse_factor(moment: Double) -> Double:
    """Upper triangular U with U^T U = moment^-1."""
    lower = np.linalg.cholesky(np.linalg.inv(moment))
    upper: Double = np.ascontiguousarray(lower.T)
    return upper
