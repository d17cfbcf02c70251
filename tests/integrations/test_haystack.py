"""Haystack's own pipelines with the two embedders in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from haystack import Document, Pipeline
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.components.writers import DocumentWriter
from haystack.document_stores.in_memory import InMemoryDocumentStore

from edgembed import ArgumentError, BundleNotFoundError, Embedder
from edgembed.integrations.haystack import EdgembedDocumentEmbedder, EdgembedTextEmbedder

TEXTS = ["Кошка сидит на окне.", "It rains in the street.", "The train is late."]
SETTINGS: dict[str, Any] = {
    "dtype": "float32",
    "threads": 1,
    "prompt": "Найди: ",
    "truncate_dim": 7,
    "normalize_embeddings": True,
}


def documents() -> list[Document]:
    return [Document(content=text, meta={"title": f"no {i}"}) for i, text in enumerate(TEXTS)]


def test_documents_and_queries_have_their_own_prompts(frida: str, model: Embedder) -> None:
    query = EdgembedTextEmbedder(frida).run(TEXTS[0])["embedding"]
    assert type(query[0]) is float
    np.testing.assert_array_equal(query, model.encode_query(TEXTS[0]))
    given = documents()
    embedded = EdgembedDocumentEmbedder(frida).run(given)["documents"]
    expected = model.encode_document(TEXTS)
    np.testing.assert_array_equal([document.embedding for document in embedded], expected)
    assert [document.id for document in embedded] == [document.id for document in given]
    assert all(document.embedding is None for document in given)  # they are the caller's
    assert EdgembedDocumentEmbedder(frida).run([]) == {"documents": []}


def test_settings(frida: str) -> None:
    expected = Embedder(frida, "float32").encode(
        TEXTS, prompt="Найди: ", truncate_dim=7, normalize_embeddings=True
    )
    query = EdgembedTextEmbedder(Path(frida), **SETTINGS).run(TEXTS[0])["embedding"]
    np.testing.assert_array_equal(query, expected[0])
    embedded = EdgembedDocumentEmbedder(Path(frida), **SETTINGS).run(documents())["documents"]
    np.testing.assert_array_equal([document.embedding for document in embedded], expected)


def test_meta_fields_come_before_the_content(frida: str, model: Embedder) -> None:
    embedder = EdgembedDocumentEmbedder(
        frida, meta_fields_to_embed=["title", "absent"], embedding_separator=" | "
    )
    (first, *_) = embedder.run(documents())["documents"]
    np.testing.assert_array_equal(
        first.embedding, model.encode_document("no 0 | Кошка сидит на окне.")
    )


@pytest.mark.parametrize("kind", [EdgembedTextEmbedder, EdgembedDocumentEmbedder])
def test_to_dict_and_from_dict(frida: str, kind: Any) -> None:
    own = {"meta_fields_to_embed": ["title"]} if kind is EdgembedDocumentEmbedder else {}
    written = kind(frida, **SETTINGS, **own).to_dict()
    assert written["type"] == f"edgembed.integrations.haystack.{kind.__name__}"
    assert written["init_parameters"].items() >= {"bundle": frida, **SETTINGS, **own}.items()
    assert kind.from_dict(written).to_dict() == written


def test_pipelines_read_from_yaml_find_what_is_asked_for(bundles: Path) -> None:
    bundle, store = str(bundles / "minilm"), InMemoryDocumentStore()
    indexing = Pipeline()
    indexing.add_component("embedder", EdgembedDocumentEmbedder(bundle))
    indexing.add_component("writer", DocumentWriter(store))
    indexing.connect("embedder.documents", "writer.documents")
    indexing.run({"embedder": {"documents": documents()}})
    asking = Pipeline()
    asking.add_component("embedder", EdgembedTextEmbedder(bundle))
    asking.add_component("retriever", InMemoryEmbeddingRetriever(store, top_k=1))
    asking.connect("embedder.embedding", "retriever.query_embedding")
    alone = Pipeline()
    alone.add_component("embedder", EdgembedTextEmbedder(bundle))
    module = ["edgembed.integrations.*"]
    again = Pipeline.loads(alone.dumps(), allowed_modules=module)
    for query, text in [("bad weather", TEXTS[1]), ("railway delays", TEXTS[2])]:
        found = asking.run({"embedder": {"text": query}})["retriever"]["documents"]
        assert found[0].content == text
        embedding = again.run({"embedder": {"text": query}})["embedder"]["embedding"]
        assert embedding == EdgembedTextEmbedder(bundle).run(query)["embedding"]


def test_async_methods_leave_the_loop_alone(bundles: Path, run_beside: Callable[..., Any]) -> None:
    bundle = str(bundles / "minilm")
    many = [Document(content=f"{text} {i}") for i in range(20) for text in TEXTS]
    embedder = EdgembedDocumentEmbedder(bundle)
    assert run_beside(embedder.run_async(many)) == embedder.run(many)
    long = "one two three four " * 50
    asker = EdgembedTextEmbedder(bundle)
    assert run_beside(asker.run_async(long)) == asker.run(long)


def test_what_cannot_be_embedded_is_named(frida: str) -> None:
    with pytest.raises(TypeError, match="EdgembedDocumentEmbedder"):
        EdgembedTextEmbedder(frida).run(documents())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="EdgembedTextEmbedder"):
        EdgembedDocumentEmbedder(frida).run("text")  # type: ignore[arg-type]
    empty = Document(meta={"title": "x"})
    with pytest.raises(ArgumentError, match=f"{empty.id} has no content"):
        EdgembedDocumentEmbedder(frida).run([*documents(), empty])
    with pytest.raises(ArgumentError, match=r"\['title'\]"):
        EdgembedDocumentEmbedder(frida, meta_fields_to_embed="title")
    titled = EdgembedDocumentEmbedder(frida, meta_fields_to_embed=["title"])
    assert titled.run([empty])["documents"][0].embedding is not None


def test_a_bundle_is_loaded_by_warm_up(frida: str) -> None:
    absent = EdgembedTextEmbedder("absent")  # a pipeline may be built where no bundle is
    with pytest.raises(BundleNotFoundError, match="absent"):
        absent.warm_up()
    with pytest.raises(BundleNotFoundError, match="absent"):
        EdgembedDocumentEmbedder("absent").warm_up()
