"""benchmarks/recipes: every variant computes the model, and nothing that nobody asks for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache

import numpy as np
import onnx_ir as ir
import pytest
from families import FAMILIES
from graphs import lean, run, torch_hidden

from edgembed_export.int8.calibrate import Calibration, calibrate
from edgembed_export.int8.quantize import quantize
from support import ROOT, cosines

sys.path.append(str(ROOT / "benchmarks"))
from recipes.variants import VARIANTS, Variant

BERT = next(family for family in FAMILIES if family.name == "rubert-mini-frida")
IDS = [np.random.default_rng(n).integers(5, 150, 2 + 2 * n).tolist() for n in range(16)]

pytestmark = pytest.mark.filterwarnings(
    "ignore:`torch.jit.script_method` is deprecated:DeprecationWarning"
)


@cache
def calibration() -> Calibration:
    return calibrate(lean(BERT, mask=False)[0], IDS, moments=True)


def vectors(model: ir.Model | None) -> np.ndarray:
    texts = [np.array([ids]) for ids in IDS]
    hidden = [torch_hidden(BERT, ids) if model is None else run(model, ids) for ids in texts]
    return np.stack([one.mean(axis=1)[0] for one in hidden])


def idle(model: ir.Model) -> Iterator[str]:
    """Nodes whose outputs nobody takes: onnxruntime runs them, and their time would be counted."""
    for node in model.graph:
        if not any(out.uses() or out.is_graph_output() for out in node.outputs):
            yield node.op_type


@pytest.mark.parametrize("variant", [v for v in VARIANTS if v.recipe], ids=lambda v: v.name)
def test_a_variant_is_near_torch_and_has_no_idle_node(variant: Variant) -> None:
    assert variant.recipe is not None
    model = quantize(lean(BERT, mask=False)[0], variant.recipe, calibration())[0]
    if variant.change is not None:
        variant.change(model, IDS)
    assert list(idle(model)) == []
    assert cosines(vectors(None), vectors(model)).min() > 0.98
