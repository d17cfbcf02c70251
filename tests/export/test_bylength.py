"""Attention chosen by length: both operators equal torch, and the bits tell which one it was."""

from __future__ import annotations

from functools import cache

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
from families import FAMILIES, LAYERS, Family
from graphs import BOUND, Ids, lean, run, torch_hidden
from hypothesis import given, settings
from hypothesis import strategies as st

from edgembed_export.graph.bylength import attention_by_length
from edgembed_export.graph.report import operators
from edgembed_export.int8.calibrate import calibrate
from edgembed_export.int8.quantize import quantize
from edgembed_export.int8.recipe import RECIPE
from support import DTYPES, cosines

NAMED = {family.name: family for family in FAMILIES}
BERT = NAMED["rubert-mini-frida"]
# From 5 on, because below are special tokens, and within every family's vocabulary.
FIRST, END = 5, 150
ROW = st.lists(st.integers(FIRST, END - 1), min_size=1, max_size=60)
FEW = 20

# torch's compiler, which ModernBERT's module starts up when it is imported.
pytestmark = pytest.mark.filterwarnings(
    "ignore:`torch.jit.script_method` is deprecated:DeprecationWarning"
)
each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


@each_dtype
@each_family
def test_attention_is_chosen_by_length(family: Family, dtype: str) -> None:
    """The bits tell which operator computed it: all choose by the run's tokens, not its texts."""
    model, own = _model(family, dtype), _chosen(family, dtype)
    always = attention_by_length(model, few=10**6)
    nodes = operators(own)
    assert nodes.get("If", 0) == nodes.get("Attention", 0) == _without_bias(model)
    assert operators(model).get("If", 0) == 0  # a copy was made
    numbers = np.random.default_rng(2)
    for shape in ((1, 1), (1, FEW - 1), (3, FEW - 1), (1, FEW), (3, FEW), (1, 60)):
        ids = numbers.integers(FIRST, END, shape)
        if dtype == "float32":
            _check(family, own, ids)
        wanted = run(always if shape[1] < FEW else model, ids)
        np.testing.assert_array_equal(run(own, ids), wanted)


@each_dtype
def test_the_two_ways_of_attention_round_differently(dtype: str) -> None:
    """Or the test above could not tell them apart."""
    model = _model(BERT, dtype)
    ids = np.random.default_rng(3).integers(FIRST, END, (1, 60))
    assert _without_bias(model) == LAYERS
    assert (run(attention_by_length(model), ids) != run(model, ids)).any()


@each_family
def test_int8_is_as_near_to_torch_as_without_a_choice(family: Family) -> None:
    """Means of tokens, over texts on both sides of the bound: what 8 bits cost, not more."""
    model, own = _model(family, "int8"), _chosen(family, "int8")
    numbers = np.random.default_rng(4)
    rows = [numbers.integers(FIRST, END, (1, tokens)) for tokens in range(2, 60)]
    wanted = np.concatenate([torch_hidden(family, ids).mean(1) for ids in rows])
    errors = [
        1 - cosines(wanted, np.concatenate([run(graph, ids).mean(1) for ids in rows]))
        for graph in (model, own)
    ]
    assert errors[0].mean() > 1e-6  # it is INT8
    assert errors[1].mean() <= 1.1 * errors[0].mean()


@each_dtype
@each_family
def test_onnxruntime_has_nothing_to_warn_of(
    family: Family, dtype: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """It does where a shape is not the one that it inferred; the runtime lets errors through only.

    Unoptimised, as the runtime runs it.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 2
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    model = ir.to_proto(_chosen(family, dtype))
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    for shape in ((1, 9), (2, 9), (1, 30)):
        session.run(None, {"input_ids": np.full(shape, FIRST)})
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("family", [BERT, NAMED["roberta"]], ids=lambda family: family.name)
@settings(max_examples=15)
@given(row=ROW, few=st.integers(0, 64), texts=st.integers(1, 4))
def test_any_choice_of_attention_equals_torch(
    family: Family, row: list[int], few: int, texts: int
) -> None:
    _check(family, _chosen(family, "float32", few), np.array([row] * texts, np.int64))


def test_masked_attention_is_not_chosen() -> None:
    model = lean(BERT, mask=True)[0]
    assert operators(attention_by_length(model)) == operators(model)


@cache
def _model(family: Family, dtype: str) -> ir.Model:
    """The graph without a mask before attention is chosen; not to be changed."""
    model = lean(family, mask=False)[0]
    if dtype == "float32":
        return model
    numbers = np.random.default_rng(1)
    rows = [numbers.integers(FIRST, END, numbers.integers(2, 40)).tolist() for _ in range(24)]
    return quantize(model, RECIPE, calibrate(model, rows, moments=RECIPE.needs_moments))[0]


@cache
def _chosen(family: Family, dtype: str, few: int = FEW) -> ir.Model:
    return attention_by_length(_model(family, dtype), few)


def _without_bias(model: ir.Model) -> int:
    """How many of the fused attentions take queries, keys and values alone."""
    return sum(n.op_type == "MultiHeadAttention" and len(n.inputs) == 3 for n in model.graph)


def _check(family: Family, model: ir.Model, ids: Ids) -> None:
    wanted = torch_hidden(family, ids)
    np.testing.assert_allclose(run(model, ids), wanted, rtol=0, atol=BOUND)
