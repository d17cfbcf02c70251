"""Feed-forward blocks in two bands: the same function in float32, and nearer to it in int8."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import onnx_ir as ir
import pytest
from families import FAMILIES, INNER, LAYERS
from graphs import lean, run
from hypothesis import given
from hypothesis import strategies as st

from edgembed_export.graph.linears import linears
from edgembed_export.int8.bands import bands, block, cut
from edgembed_export.int8.calibrate import Calibration, calibrate
from edgembed_export.int8.edit import Editor
from edgembed_export.int8.layers import Layer
from edgembed_export.int8.quantize import quantize
from edgembed_export.int8.recipe import Recipe
from support import cosines

BERT = next(family for family in FAMILIES if family.name == "rubert-mini-frida")
PLAIN = Recipe(
    smooth=(), centre=False, split=0, exact_units=0, coarse_band=0, rounding="nearest"
)  # fmt: skip
LOUD = 20  # units whose activations are many times larger than those of the others


def _ids(seed: int, count: int = 24) -> list[list[int]]:
    numbers = np.random.default_rng(seed)
    return [numbers.integers(5, 150, numbers.integers(2, 40)).tolist() for _ in range(count)]


@cache
def _loud() -> ir.Model:
    """A lean graph of whose feed-forward units a few are loud."""
    model = lean(BERT, mask=False)[0].clone()
    for linear in linears(model.graph):
        if linear.role == "up":
            (weight,) = (v for v in linear.node.inputs[1:2] if v is not None)
            changed = weight.const_value.numpy().copy()
            changed[:, :LOUD] *= 40
            weight.const_value = ir.tensor(changed, name=weight.name)
    return model


@cache
def _calibrated() -> Calibration:
    return calibrate(_loud(), _ids(1))


def _vectors(model: ir.Model) -> np.ndarray:
    return np.stack([run(model, np.array([ids])).mean(axis=1)[0] for ids in _ids(2, 200)])


@given(
    st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0, 10.0]), min_size=1, max_size=200),
    st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]),
)
def test_bands_are_all_units_once_the_loudest_first(peak: list[float], share: float) -> None:
    numbers = np.array(peak, np.float32)
    found = bands(numbers, share)
    if not found:
        return
    first, rest = found
    assert sorted([*first, *rest]) == list(range(len(peak)))
    assert len(first) % 32 == 0
    assert abs(len(first) - share * len(peak)) <= 16
    assert numbers[first].min() >= numbers[rest].max()
    assert numbers[rest].max() <= 0.6 * numbers.max()
    assert first.tolist() == sorted(first)
    assert rest.tolist() == sorted(rest)


@pytest.mark.parametrize(("share", "gain", "cut_up"), [
    (1 / 3, 0.59, True), (1 / 3, 0.61, False), (0, 0.1, False), (1, 0.1, False),
])  # fmt: skip
def test_a_cut_must_be_worth_it(share: float, gain: float, cut_up: bool) -> None:
    peak = np.where(np.arange(96) < LOUD, 1.0, gain).astype(np.float32)
    assert bool(bands(peak, share)) == cut_up


def test_a_cut_block_computes_the_same() -> None:
    model = _loud().clone()
    own, editor = linears(model.graph), Editor(model.graph)
    layers = {linear.name: Layer.of(linear, _calibrated()) for linear in own}
    blocks = [block(linear) for linear in own if linear.role == "down"]
    made = [cut(editor, whole, layers, 1 / 3) for whole in blocks if whole]
    assert [len(names) for names in made] == [4] * LAYERS
    assert set().union(*made) <= layers.keys()
    assert {layers[name].weight.shape for name in made[0]} == {
        (48, 32), (48, INNER - 32), (32, 48), (INNER - 32, 48),
    }  # fmt: skip
    for ids in _ids(2):
        own_vectors, whole_vectors = (run(m, np.array([ids])) for m in (model, _loud()))
        np.testing.assert_allclose(own_vectors, whole_vectors, atol=2e-5)


def test_bands_bring_int8_nearer_and_keep_scales_of_their_own() -> None:
    expected, errors = _vectors(_loud()), {}
    for share in (0, 1 / 3):
        small, report = quantize(_loud(), replace(PLAIN, coarse_band=share), _calibrated())
        errors[share] = 1 - cosines(expected, _vectors(small))
        assert report.banded == (LAYERS if share else 0)
        kinds = [node.op_type for node in small.graph]
        # qkv as one, attention's output, and one product or two of each feed-forward matrix
        assert kinds.count("DynamicQuantizeMatMul") == LAYERS * (6 if share else 4)
        assert kinds.count("Split") == LAYERS  # the two bands of one input are not put together
    assert errors[1 / 3].mean() < 0.7 * errors[0].mean()
