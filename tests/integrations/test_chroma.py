"""Chroma's own collections on a bundle, and their configuration on disk."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import chromadb
import numpy as np
import pytest
from chromadb.config import Settings

from edgembed import ArgumentError, BundleNotFoundError, Embedder, TextError
from edgembed.integrations.chroma import EdgembedEmbeddingFunction

TEXTS = ["Кошка сидит на окне.", "It rains in the street.", "The train is late."]


def client(folder: Path) -> chromadb.api.ClientAPI:
    return chromadb.PersistentClient(str(folder), Settings(anonymized_telemetry=False))


def test_documents_and_queries_have_their_own_prompts(frida: str, model: Embedder) -> None:
    own = EdgembedEmbeddingFunction(frida)
    assert not own.is_legacy()
    np.testing.assert_array_equal(own(TEXTS), model.encode_document(TEXTS))
    np.testing.assert_array_equal(own.embed_query(TEXTS), model.encode_query(TEXTS))
    assert all(vector.dtype == np.float32 for vector in own(TEXTS))


def test_settings(frida: str) -> None:
    own = EdgembedEmbeddingFunction(
        Path(frida), dtype="float32", document_prompt="", truncate_dim=7, normalize_embeddings=True
    )
    expected = Embedder(frida, "float32").encode(
        TEXTS, prompt="", truncate_dim=7, normalize_embeddings=True
    )
    np.testing.assert_array_equal(own(TEXTS), expected)


def test_a_collection_finds_what_is_asked_for(bundles: Path, tmp_path: Path) -> None:
    own = EdgembedEmbeddingFunction(str(bundles / "minilm"))
    assert own.default_space() == "cosine"
    collection = client(tmp_path).create_collection("notes", embedding_function=own)
    collection.add(ids=["0", "1", "2"], documents=TEXTS)
    found = collection.query(query_texts=["bad weather", "railway delays"], n_results=1)
    assert found["ids"] == [["1"], ["2"]]
    assert collection.configuration["hnsw"]["space"] == "cosine"


REOPEN = """
import sys, json, chromadb
from chromadb.config import Settings
import edgembed.integrations.chroma
client = chromadb.PersistentClient(sys.argv[1], Settings(anonymized_telemetry=False))
notes = client.get_collection("notes")
print(json.dumps(notes.query(query_texts=[sys.argv[2]], n_results=1)["ids"]))
print(json.dumps(notes.configuration["embedding_function"].get_config()))
"""


def test_a_collection_opened_again_embeds_as_before(frida: str, tmp_path: Path) -> None:
    own = EdgembedEmbeddingFunction(frida, query_prompt="", document_prompt="", threads=1)
    collection = client(tmp_path).create_collection("notes", embedding_function=own)
    collection.add(ids=["0", "1", "2"], documents=TEXTS)
    # Another process: nothing but what is on the disk, and no function named.
    done = subprocess.run(
        [sys.executable, "-c", REOPEN, str(tmp_path), TEXTS[2]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found, config = map(json.loads, done.stdout.splitlines())
    assert found == [["2"]]  # with the same (no) prompt, a text finds itself
    assert config == own.get_config()
    assert config["query_prompt"] == ""


def test_another_bundle_in_its_place_is_refused(bundles: Path, tmp_path: Path) -> None:
    place = tmp_path / "bundle"
    place.symlink_to(bundles / "tiny-frida")
    collection = client(tmp_path / "db").create_collection(
        "notes", embedding_function=EdgembedEmbeddingFunction(str(place))
    )
    config = collection.configuration["embedding_function"].get_config()
    place.unlink()
    place.symlink_to(bundles / "minilm")
    with pytest.raises(ArgumentError, match="fingerprint"):
        EdgembedEmbeddingFunction.build_from_config(config)


def test_what_decides_a_vector_cannot_be_changed_in_a_collection(frida: str) -> None:
    own = EdgembedEmbeddingFunction(frida)
    before = own.get_config()
    own.validate_config_update(before, {**before, "bundle": "/moved", "threads": 2})
    for change in ({"truncate_dim": 5}, {"document_prompt": "x: "}, {"fingerprint": "0"}):
        with pytest.raises(ArgumentError, match=next(iter(change))):
            own.validate_config_update(before, {**before, **change})


def test_one_text_is_not_taken_for_its_letters(frida: str) -> None:
    own = EdgembedEmbeddingFunction(frida)
    for embed in (own, own.embed_query):
        with pytest.raises(TextError, match="list"):
            embed("Кошка")


def test_a_bundle_that_is_not_there_is_an_error_at_once() -> None:
    with pytest.raises(BundleNotFoundError, match="absent"):
        EdgembedEmbeddingFunction("absent")
