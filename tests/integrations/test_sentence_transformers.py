"""sentence-transformers' own utilities with an Embedder in SentenceTransformer's place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import util

from edgembed import Embedder
from edgembed.precision import quantize_embeddings

TEXTS = [
    "A cat sits at the window.",
    "The cat is sitting by a window.",
    "A man is playing a guitar.",
    "Somebody plays the guitar.",
    "Prices rose by two percent.",
]
NUMBERS: list[dict[str, Any]] = [{}, {"precision": "ubinary"}, {"truncate_dim": 7}]
PAIRS = [{0, 1}, {2, 3}]


@pytest.fixture
def minilm(bundles: Path) -> Embedder:
    return Embedder(bundles / "minilm")


def test_tensors_hold_the_same_numbers(model: Embedder) -> None:
    for options in NUMBERS:
        arrays: Any = model.encode(TEXTS, **options)
        tensors = model.encode(TEXTS, convert_to_tensor=True, **options)
        assert isinstance(tensors, torch.Tensor)
        np.testing.assert_array_equal(tensors.numpy(), arrays, strict=True)
    one = model.encode(TEXTS[0], convert_to_tensor=True)
    np.testing.assert_array_equal(one.numpy(), model.encode(TEXTS[0]), strict=True)
    assert model.encode([], convert_to_tensor=True).shape == (0, 48)
    options: dict[str, Any] = {"output_value": "token_embeddings", "prompt": ""}
    tokens = model.encode(TEXTS, convert_to_tensor=True, **options)
    assert [len(token) for token in tokens] == list(model.tokenize(TEXTS)["attention_mask"].sum(1))


@pytest.mark.parametrize("precision", ["int8", "uint8", "binary", "ubinary"])
def test_precisions_are_its_own(minilm: Embedder, precision: Any) -> None:
    vectors = minilm.encode(TEXTS)
    expected = util.quantize_embeddings(vectors, precision, ranges=minilm.ranges())
    np.testing.assert_array_equal(minilm.encode(TEXTS, precision=precision), expected, strict=True)
    many = np.random.default_rng(0).normal(size=(200, 40)).astype(np.float32)
    own = quantize_embeddings(many, precision)
    np.testing.assert_array_equal(own, util.quantize_embeddings(many, precision), strict=True)


@pytest.mark.parametrize("convert_to_tensor", [False, True])
def test_semantic_search(minilm: Embedder, convert_to_tensor: bool) -> None:
    corpus = minilm.encode_document(TEXTS, convert_to_tensor=convert_to_tensor)
    queries = ["Where is the cat?", "What about inflation?"]
    query = minilm.encode_query(queries, convert_to_tensor=convert_to_tensor)
    first, second = util.semantic_search(query, corpus, top_k=2)
    assert {hit["corpus_id"] for hit in first} == {0, 1}
    assert second[0]["corpus_id"] == 4
    expected = minilm.similarity(query, corpus)
    assert first[0]["score"] == pytest.approx(expected[0].max(), abs=1e-6)


def test_paraphrase_mining(minilm: Embedder) -> None:
    found = util.paraphrase_mining(minilm, TEXTS)
    assert [{i, j} for _, i, j in found[:2]] in (PAIRS, PAIRS[::-1])
    vectors = minilm.encode(TEXTS)
    score, i, j = found[0]
    assert score == pytest.approx(float(minilm.similarity(vectors[i], vectors[j])[0, 0]), abs=1e-6)


def test_community_detection(minilm: Embedder) -> None:
    for vectors in (minilm.encode(TEXTS), minilm.encode(TEXTS, convert_to_tensor=True)):
        found = util.community_detection(vectors, threshold=0.6, min_community_size=2)
        assert [set(community) for community in found] in (PAIRS, PAIRS[::-1])


def test_similarity_of_tensors(minilm: Embedder) -> None:
    arrays = minilm.encode(TEXTS)
    tensors = minilm.encode(TEXTS, convert_to_tensor=True)
    own = minilm.similarity(arrays, arrays)
    np.testing.assert_array_equal(minilm.similarity(tensors, arrays), own)
    np.testing.assert_allclose(own, util.cos_sim(tensors, tensors).numpy(), atol=1e-6)
