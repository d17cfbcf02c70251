"""Calibration sees what the layers are given, and every text counts the same."""

from __future__ import annotations

import numpy as np
import pytest
from families import FAMILIES
from graphs import lean, torch_hidden

from edgembed_export.graph.linears import linears
from edgembed_export.int8.calibrate import Statistics, calibrate, legible

BERT = next(family for family in FAMILIES if family.name == "rubert-mini-frida")
TEXTS = [[2, 7, 9, 3], [2, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 3], [2, 40, 41, 3]]


def test_statistics_of_every_layer_agree_with_each_other() -> None:
    model = lean(BERT, mask=False)[0]
    calibration = calibrate(model, TEXTS, moments=True)
    for linear in linears(model.graph):
        own = calibration.layers[linear.name]
        assert own.moment is not None
        assert own.peak.shape == own.mean.shape == (len(own.moment),)
        assert (own.mean**2 <= np.diag(own.moment) + 1e-6).all()
        assert (np.diag(own.moment) <= own.peak**2 + 1e-6).all()
        for middle in (own.mean, own.centre):
            assert ((own.low <= middle) & (middle <= own.high)).all()
        np.testing.assert_allclose(own.moment, own.moment.T, atol=1e-6)


def test_layers_of_one_input_share_their_statistics() -> None:
    model = lean(BERT, mask=False)[0]
    layers = calibrate(model, TEXTS).layers
    queries, keys = [linear for linear in linears(model.graph) if linear.role == "qkv"][:2]
    assert layers[queries.name].peak.tolist() == layers[keys.name].peak.tolist()
    assert layers[queries.name].moment is None


def test_a_range_lies_between_the_widest_text_and_the_average_one() -> None:
    model = lean(BERT, mask=False)[0]
    texts = [text[:6] for text in TEXTS]  # too short for fragments
    both = calibrate(model, texts).layers
    alone = [calibrate(model, [text]).layers for text in texts]
    for name, own in both.items():
        lows, highs = (np.array([getattr(one[name], e) for one in alone]) for e in ("low", "high"))
        low = 0.7 * lows.min(axis=0) + 0.3 * lows.mean(axis=0)
        high = 0.7 * highs.max(axis=0) + 0.3 * highs.mean(axis=0)
        np.testing.assert_allclose(own.low, low, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(own.high, high, rtol=1e-5, atol=1e-6)
        middle = (lows + highs).mean(axis=0) / 2
        np.testing.assert_allclose(own.centre, middle, rtol=1e-5, atol=1e-6)


def test_fragments_of_long_texts_are_seen_too() -> None:
    model = lean(BERT, mask=False)[0]
    fragments = [[2, 20, 21, 3], [2, 28, 29, 3]]
    whole = sum(map(len, TEXTS))
    assert calibrate(model, TEXTS).tokens == whole + sum(map(len, fragments))


def test_moments_multiplied_out_at_once_or_piece_by_piece_are_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = lean(BERT, mask=False)[0]
    once = calibrate(model, TEXTS, moments=True)
    monkeypatch.setattr("edgembed_export.int8.calibrate._ROWS", 1)
    often = calibrate(model, TEXTS, moments=True)
    for name, own in once.layers.items():
        np.testing.assert_allclose(own.moment, often.layers[name].moment, rtol=1e-5, atol=1e-6)


def test_no_text_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one text"):
        calibrate(lean(BERT, mask=False)[0], [])


def test_the_reference_and_the_graph_calibrated_are_one_model() -> None:
    # A check of this file's own footing: the family's graph is torch's.
    ids = np.array([TEXTS[1]])
    assert torch_hidden(BERT, ids).shape[:2] == ids.shape


def test_shifted_divided_picked_and_emptied_statistics() -> None:
    x = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    factor = np.array([1, -2, 4, 0.5], np.float32)
    index = np.array([3, 1, 1])

    def of(rows: np.ndarray) -> Statistics:
        moment = (rows.T @ rows).astype(np.float64) / len(rows)
        low, high = rows.min(axis=0), rows.max(axis=0)
        return Statistics(low, high, (low + high) / 2, rows.mean(axis=0), moment)

    emptied = x.copy()
    emptied[:, [0, 2]] = 0
    for found, expected in (
        (of(x).shifted(factor), of(x - factor)),
        (of(x).divided(factor), of(x / factor)),
        (of(x).picked(index), of(x[:, index])),
        (of(x).without([0, 2]), of(emptied)),
    ):
        for name in ("low", "high", "peak", "centre", "mean", "moment"):
            np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-5)


def test_texts_that_a_tokenizer_shatters_are_left_out() -> None:
    texts = ["a whole sentence", "по буквам"]
    ids = [[1, 2, 3, 4], list(range(11))]
    assert legible(texts, ids) == [[1, 2, 3, 4]]
    assert legible(texts[1:], ids[1:]) == ids[1:]
