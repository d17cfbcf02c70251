"""LangChain's own vector store and retriever on a bundle."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore

from edgembed import BundleNotFoundError, Embedder, TextError
from edgembed.integrations.langchain import EdgembedEmbeddings

TEXTS = ["Кошка сидит на окне.", "It rains in the street.", "The train is late."]


def test_documents_and_queries_have_their_own_prompts(frida: str, model: Embedder) -> None:
    own = EdgembedEmbeddings(frida)
    assert isinstance(own, Embeddings)
    documents, query = own.embed_documents(TEXTS), own.embed_query(TEXTS[0])
    assert type(documents[0][0]) is float
    np.testing.assert_array_equal(documents, model.encode_document(TEXTS))
    np.testing.assert_array_equal(query, model.encode_query(TEXTS[0]))
    assert documents[0] != query
    assert own.embed_documents([]) == []


def test_settings(frida: str) -> None:
    own = EdgembedEmbeddings(
        Path(frida),
        dtype="float32",
        threads=1,
        query_prompt="Найди: ",
        document_prompt="",
        truncate_dim=7,
        normalize_embeddings=True,
    )
    model = Embedder(frida, "float32")
    options: dict[str, Any] = {"truncate_dim": 7, "normalize_embeddings": True}
    expected = model.encode(TEXTS[0], prompt="Найди: ", **options)
    np.testing.assert_array_equal(own.embed_query(TEXTS[0]), expected)
    expected = model.encode(TEXTS, prompt="", **options)
    np.testing.assert_array_equal(own.embed_documents(TEXTS), expected)


def test_a_vector_store_finds_what_is_asked_for(bundles: Path) -> None:
    store = InMemoryVectorStore.from_texts(TEXTS, EdgembedEmbeddings(bundles / "minilm"))
    retriever = store.as_retriever(search_kwargs={"k": 1})
    assert retriever.invoke("bad weather")[0].page_content == TEXTS[1]
    assert retriever.invoke("railway delays")[0].page_content == TEXTS[2]


def test_async_methods_leave_the_loop_alone(bundles: Path, run_beside: Callable[..., Any]) -> None:
    own = EdgembedEmbeddings(bundles / "minilm")
    texts = TEXTS * 20
    assert run_beside(own.aembed_documents(texts)) == own.embed_documents(texts)
    long = "one two three four " * 50
    assert run_beside(own.aembed_query(long)) == own.embed_query(long)


def test_copies_in_other_processes_load_the_bundle_there(frida: str) -> None:
    own = EdgembedEmbeddings(frida, truncate_dim=5)
    copy = pickle.loads(pickle.dumps(own))
    assert copy.embed_query("Кошка") == own.embed_query("Кошка")


def test_one_bundle_is_loaded_once(frida: str) -> None:
    one, other = EdgembedEmbeddings(frida), EdgembedEmbeddings(frida, truncate_dim=5)
    assert one._encoder.model is other._encoder.model
    assert EdgembedEmbeddings(frida, dtype="float32")._encoder.model is not one._encoder.model


def test_one_text_is_not_taken_for_its_letters(frida: str) -> None:
    with pytest.raises(TextError, match="list"):
        EdgembedEmbeddings(frida).embed_documents("Кошка")  # type: ignore[arg-type]


def test_a_bundle_that_is_not_there_is_an_error_at_once() -> None:
    with pytest.raises(BundleNotFoundError, match="absent"):
        EdgembedEmbeddings("absent")
