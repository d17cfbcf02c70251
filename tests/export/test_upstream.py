"""Smoothing in the layer before: found where it is exact, refused elsewhere, and worth it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
import torch
from families import FAMILIES, LAYERS, Family, checkpoint, make
from graphs import lean, run
from transformers import T5EncoderModel

from edgembed_export.convert import convert
from edgembed_export.graph import rewrite
from edgembed_export.graph.linears import Linear, linears
from edgembed_export.int8.calibrate import calibrate
from edgembed_export.int8.quantize import quantize
from edgembed_export.int8.recipe import RECIPE, Recipe
from edgembed_export.int8.upstream import upstream
from support import cosines

NAMED = {family.name: family for family in FAMILIES}
FRIDA = NAMED["frida"]
SPIKED, SPIKE = [3, 40], 30.0  # units of the gated feed-forward, and how much larger than others
LOUD = 200  # a token that _ids never draws


def _of_role(model: ir.Model, role: str) -> list[Linear]:
    return [linear for linear in linears(model.graph) if linear.role == role]


def _matrix(linear: Linear | None) -> Any:
    assert linear is not None
    assert linear.weight.const_value is not None
    return linear.weight.const_value.numpy()


def _ids(seed: int, count: int = 24) -> list[list[int]]:
    numbers = np.random.default_rng(seed)
    return [numbers.integers(5, 150, numbers.integers(2, 40)).tolist() for _ in range(count)]


@pytest.mark.parametrize("mask", [True, False])
def test_a_gates_straight_half_and_attentions_values_are_found(mask: bool) -> None:
    model, theirs = lean(FRIDA, mask)[0], _torch_blocks(FRIDA)
    straight = [_matrix(upstream(down)) for down in _of_role(model, "down")]
    values = [_matrix(upstream(out)) for out in _of_role(model, "out")]
    assert len(straight) == len(values) == LAYERS
    for found, wanted in zip(straight, theirs["wi_1"], strict=True):
        np.testing.assert_array_equal(found, wanted.T)
    for found, wanted in zip(values, theirs["SelfAttention.v"], strict=True):
        np.testing.assert_array_equal(found, wanted.T)


def _torch_blocks(family: Family) -> dict[str, list[Any]]:
    state = T5EncoderModel.from_pretrained(checkpoint(family)).state_dict()
    ends = ("wi_1", "SelfAttention.v")
    return {
        end: [state[name].numpy() for name in sorted(state) if name.endswith(f"{end}.weight")]
        for end in ends
    }


@pytest.mark.parametrize("name", ["rubert-mini-frida", "t5"])
def test_an_activation_is_in_the_way_of_a_plain_feed_forward(name: str) -> None:
    downs = _of_role(lean(NAMED[name], False)[0], "down")
    assert len(downs) == LAYERS
    assert [upstream(down) for down in downs] == [None] * LAYERS


def test_a_layer_that_others_read_too_is_left_alone() -> None:
    model = lean(FRIDA, False)[0].clone()
    first, second = _of_role(model, "down")
    half = upstream(first)
    assert half is not None
    model.graph.outputs.append(half.output)
    assert upstream(first) is None
    assert upstream(second) is not None


def test_a_unit_with_large_values_does_not_spoil_the_others(tmp_path: Path) -> None:
    """Against torch, in a gated feed-forward where two units' values are far larger."""
    folder = make(FRIDA, tmp_path / "checkpoint")
    theirs = T5EncoderModel.from_pretrained(folder).eval()
    with torch.no_grad():
        for name, weight in theirs.named_parameters():
            if "wi_1" in name:
                weight[SPIKED] *= SPIKE
            elif name.endswith(".wo.weight"):
                weight[:, SPIKED] /= SPIKE
    unsmoothed = tuple({**dict(RECIPE.smooth), "gated": 0.0}.items())
    own = replace(RECIPE, by_token=False)
    errors = _errors(theirs, folder, [own, replace(own, smooth=unsmoothed)], _ids(1), _ids(2))
    assert errors[0] < errors[1] / 4


def test_a_token_with_large_values_does_not_spoil_the_others(tmp_path: Path) -> None:
    """Against torch, where one token alone stands in a channel that both halves of a gate love."""
    folder = make(FRIDA, tmp_path / "checkpoint")
    theirs = T5EncoderModel.from_pretrained(folder).eval()
    with torch.no_grad():
        for name, weight in theirs.named_parameters():
            if "wi_" in name:
                weight[:, 0] *= SPIKE
        theirs.shared.weight[:, 0] = 0
        theirs.shared.weight[LOUD] = 0
        theirs.shared.weight[LOUD, 0] = 1
    shown, asked = ([[*ids, LOUD] for ids in _ids(seed)] for seed in (1, 2))
    recipes = [RECIPE, replace(RECIPE, by_token=False)]
    errors = _errors(theirs, folder, recipes, shown, asked, slice(-1))
    assert errors[0] < errors[1] / 2


def _errors(
    theirs: T5EncoderModel,
    folder: Path,
    recipes: list[Recipe],
    shown: list[list[int]],
    asked: list[list[int]],
    kept: slice = slice(None),
) -> list[float]:
    """By recipe: 1 - cosine to torch's mean of the kept tokens, on average."""
    theirs.save_pretrained(folder, safe_serialization=True)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    model = rewrite(ir.load(convert(folder, folder.parent / "plain")), config, mask=False)[0]
    calibration = calibrate(model, shown, moments=True)
    with torch.inference_mode():
        hidden = [theirs(torch.tensor([ids])).last_hidden_state[0].numpy() for ids in asked]
    wanted = np.stack([rows[kept].mean(axis=0) for rows in hidden])
    errors = []
    for recipe in recipes:
        small = quantize(model, recipe, calibration)[0]
        found = np.stack([run(small, np.array([ids]))[0][kept].mean(axis=0) for ids in asked])
        errors.append(float((1 - cosines(wanted, found)).mean()))
    return errors
