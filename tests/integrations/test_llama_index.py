"""LlamaIndex's own index and ingestion pipeline on a bundle."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.ingestion import IngestionPipeline

from edgembed import ArgumentError, BundleNotFoundError, Embedder
from edgembed.integrations.llama_index import EdgembedEmbedding

TEXTS = ["Кошка сидит на окне.", "It rains in the street.", "The train is late."]


def test_texts_and_queries_have_their_own_prompts(frida: str, model: Embedder) -> None:
    own = EdgembedEmbedding(frida)
    assert isinstance(own, BaseEmbedding)
    documents = own.get_text_embedding_batch(TEXTS)
    assert type(documents[0][0]) is float
    np.testing.assert_array_equal(documents, model.encode_document(TEXTS))
    np.testing.assert_array_equal(own.get_text_embedding(TEXTS[0]), documents[0])
    np.testing.assert_array_equal(own.get_query_embedding(TEXTS[0]), model.encode_query(TEXTS[0]))


def test_settings_of_both(frida: str) -> None:
    own = EdgembedEmbedding(
        Path(frida),
        dtype="float32",
        query_prompt="Найди: ",
        truncate_dim=7,
        normalize_embeddings=True,
        embed_batch_size=2,
        model_name="ours",
    )
    expected = Embedder(frida, "float32").encode(
        TEXTS[0], prompt="Найди: ", truncate_dim=7, normalize_embeddings=True
    )
    np.testing.assert_array_equal(own.get_query_embedding(TEXTS[0]), expected)
    assert own.embed_batch_size == 2
    assert own.model_name == "ours"
    assert EdgembedEmbedding(frida).model_name == frida


def test_serialised_and_back(frida: str) -> None:
    own = EdgembedEmbedding(frida, truncate_dim=5, document_prompt="")
    written = own.to_dict()
    assert written["class_name"] == "EdgembedEmbedding"
    for copy in (
        EdgembedEmbedding.from_dict(written),
        EdgembedEmbedding.from_json(own.to_json()),
        pickle.loads(pickle.dumps(own)),
    ):
        assert copy.get_text_embedding("Кошка") == own.get_text_embedding("Кошка")
        assert copy.to_dict() == written


def test_another_bundle_in_its_place_is_refused_and_not_answered_from_the_cache(
    bundles: Path, tmp_path: Path
) -> None:
    place, document = tmp_path / "bundle", Document(text=TEXTS[0], id_="0")
    place.symlink_to(bundles / "tiny-frida")
    pipeline = IngestionPipeline(transformations=[EdgembedEmbedding(str(place))])
    pipeline.run(documents=[document.model_copy()])
    written = pipeline.transformations[0].to_dict()
    pipeline.persist(str(tmp_path / "kept"))
    place.unlink()
    place.symlink_to(bundles / "minilm")
    with pytest.raises(ArgumentError, match="fingerprint"):
        EdgembedEmbedding.from_dict(written)
    again = IngestionPipeline(transformations=[EdgembedEmbedding(str(place))])
    again.load(str(tmp_path / "kept"))
    (after,) = again.run(documents=[document.model_copy()])
    np.testing.assert_array_equal(after.embedding, Embedder(place).encode_document(TEXTS[0]))


def test_an_index_finds_what_is_asked_for(bundles: Path) -> None:
    documents = [Document(text=text) for text in TEXTS]
    own = EdgembedEmbedding(str(bundles / "minilm"))
    index = VectorStoreIndex.from_documents(documents, embed_model=own)
    retriever = index.as_retriever(similarity_top_k=1)
    assert retriever.retrieve("bad weather")[0].text == TEXTS[1]
    assert retriever.retrieve("railway delays")[0].text == TEXTS[2]


def test_a_step_of_an_ingestion_pipeline(frida: str, model: Embedder) -> None:
    pipeline = IngestionPipeline(transformations=[EdgembedEmbedding(frida)])
    nodes = pipeline.run(documents=[Document(text=text) for text in TEXTS])
    np.testing.assert_array_equal([n.embedding for n in nodes], model.encode_document(TEXTS))


def test_async_methods_leave_the_loop_alone(bundles: Path, run_beside: Callable[..., Any]) -> None:
    own = EdgembedEmbedding(str(bundles / "minilm"))
    texts = TEXTS * 20
    assert run_beside(own.aget_text_embedding_batch(texts)) == own.get_text_embedding_batch(texts)
    long = "one two three four " * 50
    assert run_beside(own.aget_query_embedding(long)) == own.get_query_embedding(long)
    assert run_beside(own.aget_text_embedding(long)) == own.get_text_embedding(long)


def test_fields_count_when_they_are_set_later(frida: str, model: Embedder) -> None:
    own = EdgembedEmbedding(frida)
    shorter = own.model_copy(update={"truncate_dim": 5})
    np.testing.assert_array_equal(
        shorter.get_query_embedding("Кошка"), model.encode_query("Кошка", truncate_dim=5)
    )
    own.query_prompt = ""
    np.testing.assert_array_equal(
        own.get_query_embedding("Кошка"), model.encode("Кошка", prompt="")
    )
    copy = pickle.loads(pickle.dumps(own))
    assert copy.get_query_embedding("Кошка") == own.get_query_embedding("Кошка")


def test_a_setting_that_there_is_not(frida: str) -> None:
    with pytest.raises(ValueError, match="quey_prompt"):
        EdgembedEmbedding(frida, quey_prompt="Найди: ")


def test_a_bundle_that_is_not_there_is_an_error_at_once() -> None:
    with pytest.raises(BundleNotFoundError, match="absent"):
        EdgembedEmbedding("absent")
