"""The lean graph equals torch, whatever of it matched; the report says what did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
from families import FAMILIES, LAYERS, Family
from graphs import Ids, config, lean, padded, plain, run, torch_hidden
from hypothesis import given, settings
from hypothesis import strategies as st

from edgembed_export.graph import rewrite
from edgembed_export.graph.bylength import attention_by_length
from edgembed_export.graph.report import operators

NAMED = {family.name: family for family in FAMILIES}
BERT = NAMED["rubert-mini-frida"]
FRIDA = NAMED["frida"]
BOUND = 2e-5  # of hidden states of size 1 to 4
# From 5 on, because below are special tokens, and within every family's vocabulary.
FIRST, END = 5, 150
TOKEN = st.integers(FIRST, END - 1)
ROW = st.lists(TOKEN, min_size=1, max_size=60)

# torch's compiler, which ModernBERT's module starts up when it is imported.
pytestmark = pytest.mark.filterwarnings(
    "ignore:`torch.jit.script_method` is deprecated:DeprecationWarning"
)
each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


@each_family
def test_masked_graph_equals_torch_on_padded_batches(family: Family) -> None:
    numbers = np.random.default_rng(0)
    for lengths in ((1, 1), (7, 3), (2, 60, 33), (64,)):
        rows = [numbers.integers(FIRST, END, length).tolist() for length in lengths]
        _check_masked(family, lean(family, mask=True)[0], rows)


@each_family
def test_maskless_graph_equals_torch_on_equal_lengths(family: Family) -> None:
    numbers = np.random.default_rng(1)
    for shape in ((1, 1), (1, 64), (3, 17), (4, 2)):
        ids = numbers.integers(FIRST, END, shape)
        _check_maskless(family, lean(family, mask=False)[0], ids)


@pytest.mark.parametrize("family", [BERT, FRIDA], ids=lambda family: family.name)
@settings(max_examples=15)
@given(rows=st.lists(ROW, min_size=1, max_size=4))
def test_any_ids_in_any_batch(family: Family, rows: list[list[int]]) -> None:
    _check_masked(family, lean(family, mask=True)[0], rows)
    for row in rows:
        _check_maskless(family, lean(family, mask=False)[0], np.array([row], np.int64))


@pytest.mark.parametrize("family", [BERT, FRIDA], ids=lambda family: family.name)
@settings(max_examples=15)
@given(row=ROW, holes=st.lists(st.booleans(), min_size=60, max_size=60))
def test_any_mask(family: Family, row: list[int], holes: list[bool]) -> None:
    ids = np.array([row], np.int64)
    mask = np.array([holes[: len(row)]], np.int64)
    mask[0, 0] = 1  # a text without any token is not defined
    got = run(lean(family, mask=True)[0], ids, mask)
    _close(got, torch_hidden(family, ids, mask), mask)


@settings(max_examples=15)
@given(row=ROW, padding=st.integers(0, 64))
def test_padding_of_any_amount_changes_nothing(row: list[int], padding: int) -> None:
    row = row[:40]
    other = [7] * min(len(row) + padding, 64)  # as long as the padding is to be
    ids, mask = padded(BERT, [row, other] if len(other) > len(row) else [row])
    got = run(lean(BERT, mask=True)[0], ids, mask)[:1, : len(row)]
    alone = run(lean(BERT, mask=False)[0], np.array([row], np.int64))
    np.testing.assert_allclose(got, alone, rtol=0, atol=BOUND)


def test_a_bert_matches_whole() -> None:
    report = lean(BERT, mask=True)[1]
    assert report.lean
    assert report.left == {}
    assert report.matched == {
        "mask": 1, "attention": LAYERS, "gelu": LAYERS, "norm": 0, "embeddings": 2,
        "linear": 6 * LAYERS,
    }  # fmt: skip
    assert report.operators["Gemm"] == 6 * LAYERS
    assert report.operators["LayerNormalization"] == 2 * LAYERS + 1
    assert lean(BERT, mask=False)[1].matched["no mask"] == LAYERS


def test_frida_matches_norms_and_the_gated_feed_forward() -> None:
    report = lean(FRIDA, mask=True)[1]
    assert report.lean
    assert report.matched["norm"] == 2 * LAYERS + 1
    assert report.matched["gelu"] == LAYERS
    assert report.operators["Gemm"] == 7 * LAYERS


@each_family
def test_attention_is_chosen_by_length(family: Family) -> None:
    """The bits tell which operator computed it: all choose by the run's tokens, not its texts."""
    model = lean(family, mask=False)[0]
    own, always = attention_by_length(model, few=20), attention_by_length(model, few=10**6)
    nodes = operators(own)
    assert nodes.get("If", 0) == nodes.get("Attention", 0) == _without_bias(model)
    assert operators(model).get("If", 0) == 0  # a copy was made
    numbers = np.random.default_rng(2)
    for shape in ((1, 1), (1, 19), (3, 19), (1, 20), (3, 20), (1, 60)):
        ids = numbers.integers(FIRST, END, shape)
        _check_maskless(family, own, ids)
        wanted = run(always if shape[1] < 20 else model, ids)
        np.testing.assert_array_equal(run(own, ids), wanted)


def test_the_two_ways_of_attention_round_differently() -> None:
    """Or the test above could not tell them apart."""
    model = lean(BERT, mask=False)[0]
    ids = np.random.default_rng(3).integers(FIRST, END, (1, 60))
    assert _without_bias(model) == LAYERS
    assert (run(attention_by_length(model), ids) != run(model, ids)).any()


@each_family
def test_onnxruntime_has_nothing_to_warn_of(
    family: Family, capfd: pytest.CaptureFixture[str]
) -> None:
    """It does where a shape is not the one that it inferred; the runtime lets errors through only.

    Unoptimised, as the runtime runs it.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 2
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    model = ir.to_proto(attention_by_length(lean(family, mask=False)[0], few=20))
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
    model = _chosen(family, few)
    _check_maskless(family, model, np.array([row] * texts, np.int64))


@cache
def _chosen(family: Family, few: int) -> ir.Model:
    return attention_by_length(lean(family, mask=False)[0], few)


def _without_bias(model: ir.Model) -> int:
    """How many of the fused attentions take queries, keys and values alone."""
    return sum(n.op_type == "MultiHeadAttention" and len(n.inputs) == 3 for n in model.graph)


def test_masked_attention_is_not_chosen() -> None:
    model = lean(BERT, mask=True)[0]
    assert operators(attention_by_length(model)) == operators(model)


@each_family
def test_lean_is_said_of_the_families_that_are(family: Family) -> None:
    assert [lean(family, mask)[1].lean for mask in (True, False)] == [family.lean] * 2
    document = lean(family, mask=True)[1].to_dict()
    assert document["lean"] is family.lean
    assert document["layers"] == LAYERS


@each_family
def test_signature(family: Family) -> None:
    for mask, names in ((True, ["input_ids", "attention_mask"]), (False, ["input_ids"])):
        graph = lean(family, mask)[0].graph
        assert [value.name for value in graph.inputs] == names
        assert [value.name for value in graph.outputs] == ["last_hidden_state"]


def _divide_in_another_way(node: ir.Node) -> None:
    """x / sqrt(2) as x * (1 / sqrt 2): no Gelu that the rules know."""
    factor = ir.Value(name="spoiled", const_value=ir.tensor(np.float32(0.5**0.5), name="spoiled"))
    node.graph.register_initializer(factor)  # type: ignore[union-attr]
    product = ir.node("Mul", [node.inputs[0], factor])
    node.graph.insert_before(node, product)  # type: ignore[union-attr]
    node.outputs[0].replace_all_uses_with(product.outputs[0])


def _name_the_axis_in_another_way(node: ir.Node) -> None:
    """Softmax over axis 3 of 4 is Softmax over axis -1, but the rule for attention wants -1."""
    node.attributes["axis"] = ir.AttrInt64("axis", 3)


def _halve_twice(node: ir.Node) -> None:
    """A norm's input doubled and halved: the values stay, and something stands in between."""
    source = node.inputs[0]
    twice = ir.node("Add", [source, source])
    half = ir.Value(name="half", const_value=ir.tensor(np.float32(0.5), name="half"))
    node.graph.register_initializer(half)  # type: ignore[union-attr]
    halved = ir.node("Mul", [*twice.outputs, half])
    node.graph.insert_before(node, [twice, halved])  # type: ignore[union-attr]
    node.replace_input_with(0, halved.outputs[0])


SPOILED: tuple[tuple[str, Callable[[ir.Node], None], str, dict[str, int]], ...] = (
    ("Erf", lambda node: _divide_in_another_way(node.inputs[0].producer()), "gelu", {"Erf": 1}),  # type: ignore[union-attr, arg-type]
    ("Softmax", _name_the_axis_in_another_way, "attention", {"Softmax": 1, "MatMul": 2}),
    ("LayerNormalization", _halve_twice, "", {}),
)


@pytest.mark.parametrize("mask", [True, False])
@pytest.mark.parametrize(("kind", "spoil", "pattern", "left"), SPOILED)
def test_a_partial_match_is_reported_and_still_correct(
    kind: str, spoil: Any, pattern: str, left: dict[str, int], mask: bool
) -> None:
    model = plain(BERT).clone()
    spoil(next(node for node in model.graph if node.op_type == kind))
    spoiled, report = rewrite(model, config(BERT), mask=mask)
    whole = Counter(lean(BERT, mask)[1].matched)
    whole.subtract(report.matched)
    assert report.left == left
    if pattern:
        assert whole[pattern] == 1
    assert report.lean is ("MatMul" not in left)
    if mask:
        _check_masked(BERT, spoiled, [[5, 6, 7, 8], [9], [10, 11]])
    else:
        _check_maskless(BERT, spoiled, np.array([[5, 6, 7, 8], [9, 10, 11, 12]]))


@pytest.mark.parametrize("mask", [True, False])
def test_a_mask_written_in_another_way_still_counts(mask: bool) -> None:
    """A softer "lowest" is no mask that the rules know, and no bias that attention's node takes."""
    model = plain(BERT).clone()
    _soften(model)
    rewritten, report = rewrite(model, config(BERT), mask=mask)
    assert report.matched["mask"] == report.matched["attention"] == 0
    assert report.left == {"Softmax": LAYERS, "MatMul": 2 * LAYERS}
    if mask:
        _check_masked(BERT, rewritten, [[5, 6, 7, 8], [9], [10, 11]])
    else:
        _check_maskless(BERT, rewritten, np.array([[5, 6, 7, 8], [9, 10, 11, 12]]))


def _soften(model: ir.Model) -> None:
    """-1000 in place of float32's lowest: exp(-1000) is 0 all the same."""
    for node in model.graph:
        value = node.attributes.get("value") if node.op_type == "Constant" else None
        if value is not None and value.as_tensor().numpy().min(initial=0) < -1e30:
            node.attributes["value"] = ir.AttrTensor("value", ir.tensor(np.float32(-1000)))


def test_the_graph_given_is_not_changed() -> None:
    before = ir.to_proto(plain(BERT)).SerializeToString(deterministic=True)
    rewrite(plain(BERT), config(BERT), mask=False)
    assert ir.to_proto(plain(BERT)).SerializeToString(deterministic=True) == before


def test_a_graph_without_hidden_states_is_refused() -> None:
    model = plain(BERT).clone()
    model.graph.outputs[0].name = "logits"
    with pytest.raises(ValueError, match=r"no output 'last_hidden_state', only \['logits'"):
        rewrite(model, config(BERT), mask=True)


@each_family
def test_both_graphs_share_their_weights(family: Family) -> None:
    """Tensors of one name are equal, and none but small ones are in one graph alone."""
    tensors = [
        {
            name: value.const_value
            for name, value in lean(family, mask)[0].graph.initializers.items()
        }
        for mask in (True, False)
    ]
    for name in tensors[0].keys() & tensors[1].keys():
        np.testing.assert_array_equal(tensors[0][name].numpy(), tensors[1][name].numpy())  # type: ignore[union-attr]
    for name in tensors[0].keys() ^ tensors[1].keys():
        tensor = tensors[0].get(name) or tensors[1][name]
        assert tensor is not None
        assert tensor.nbytes < 4096, name


def _check_masked(family: Family, model: ir.Model, rows: list[list[int]]) -> None:
    ids, mask = padded(family, rows)
    _close(run(model, ids, mask), torch_hidden(family, ids, mask), mask)


def _check_maskless(family: Family, model: ir.Model, ids: Ids) -> None:
    _close(run(model, ids), torch_hidden(family, ids), np.ones_like(ids))


def _close(got: Any, wanted: Any, mask: Ids) -> None:
    """Equal where the mask is 1; what stands at padding is nobody's business."""
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got[mask == 1], wanted[mask == 1], rtol=0, atol=BOUND)
