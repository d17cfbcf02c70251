"""Our reading of a checkpoint equals sentence-transformers' own, prompt by prompt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from edgembed_export.checkpoint import read_checkpoint
from edgembed_export.reference import TorchReference, sentence_transformers_vectors
from make_bundles import TEXTS
from support import BUNDLE_NAMES, cosines


@pytest.mark.parametrize("name", BUNDLE_NAMES)
def test_vectors(
    checkpoint_folder: Callable[[str], Path],
    sentence_transformer: Callable[[str], SentenceTransformer],
    name: str,
) -> None:
    checkpoint = read_checkpoint(checkpoint_folder(name), name)
    reference, whole = TorchReference(checkpoint), sentence_transformer(name)
    for prompt in ("", "own words: ", *checkpoint.prompts.texts.values()):
        own = reference.encode(TEXTS, prompt)
        expected = whole.encode(list(TEXTS), prompt=prompt)
        assert own.dtype == np.float32
        np.testing.assert_allclose(own, expected, atol=5e-6)
        assert cosines(own, expected).min() > 1 - 1e-9


@pytest.mark.parametrize("name", BUNDLE_NAMES)
def test_ids(
    checkpoint_folder: Callable[[str], Path],
    sentence_transformer: Callable[[str], SentenceTransformer],
    name: str,
) -> None:
    reference = TorchReference(read_checkpoint(checkpoint_folder(name), name))
    for text in TEXTS:
        expected = sentence_transformer(name).tokenize([text])["input_ids"][0].tolist()
        assert reference.token_ids(text) == expected, text


def test_facts(
    checkpoint_folder: Callable[[str], Path],
    sentence_transformer: Callable[[str], SentenceTransformer],
) -> None:
    for name in BUNDLE_NAMES:
        checkpoint, whole = (
            read_checkpoint(checkpoint_folder(name), name),
            sentence_transformer(name),
        )
        assert checkpoint.dimension == whole.get_embedding_dimension()
        assert checkpoint.max_seq_length == whole.max_seq_length
        assert checkpoint.similarity_fn_name == whole.similarity_fn_name
        assert checkpoint.prompts.default_name == whole.default_prompt_name
        assert dict(checkpoint.prompts.texts) == {k: v for k, v in whole.prompts.items() if v}


def test_no_texts(checkpoint_folder: Callable[[str], Path]) -> None:
    reference = TorchReference(read_checkpoint(checkpoint_folder("tiny-cls"), "x"))
    assert reference.encode([]).shape == (0, 48)


def test_a_shorter_length_is_kept_by_both(checkpoint_folder: Callable[[str], Path]) -> None:
    checkpoint = read_checkpoint(checkpoint_folder("tiny-frida"), "x", None, 12)
    texts = ["слово и дело " * 50, "a short one"]
    own = TorchReference(checkpoint).encode(texts, "categorize: ")
    whole = sentence_transformers_vectors(checkpoint, texts, "categorize: ")
    np.testing.assert_allclose(own, whole, atol=5e-6)
