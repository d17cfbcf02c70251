"""Embedder beside a live SentenceTransformer, argument by argument: the same call, the same answer.

Intended differences, each with a test of its own at the end:
- sentence-transformers knows the prompts "query" and "document" of every model, empty where the
  checkpoint has none, so its encode_document of a model that has only "passage" uses no prompt.
  Here it uses "passage", as its documentation says. Empty ones that the checkpoint has are used,
  but behind those that are not.
- No texts give (0, dim) here, so that code which stacks or multiplies goes on working.
- int8 and uint8 are cut from the bundle's fixed ranges, so that a text alone gives what it gives
  among others; sentence-transformers takes the ranges of each call, or those that it is given.
- devices other than the CPU are refused.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import quantize_embeddings

from edgembed import EdgembedWarning, Embedder
from edgembed_export.pipeline import Request, export
from make_bundles import TEXTS
from support import BUNDLE_NAMES, change_json

Real = Callable[[str], SentenceTransformer]
Load = Callable[..., Embedder]
TEXT_LIST = list(TEXTS)


def arrays(value: Any) -> Any:
    """Tensors, alone or in lists and dictionaries, as numpy arrays."""
    if isinstance(value, torch.Tensor):
        return value.detach().numpy()
    if isinstance(value, list):
        return [arrays(item) for item in value]
    return value


def same(own: Any, expected: Any) -> None:
    expected = arrays(expected)
    assert type(own) is type(expected)
    if isinstance(own, list):
        assert len(own) == len(expected)
        for a, b in zip(own, expected, strict=True):
            same(a, b)
        return
    assert own.dtype == expected.dtype
    assert own.shape == expected.shape
    np.testing.assert_allclose(own, expected, atol=5e-6)


def quietly(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EdgembedWarning)
        return function(*arguments, **named)


CALLS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "one text": (["Кошка"], {}),
    "a list": ([TEXT_LIST], {}),
    "a list of one": ([["Кошка"]], {}),
    "a tuple": ([tuple(TEXT_LIST)], {}),
    "numpy texts": ([np.array(["Кошка", "cat"])], {}),
    "by keyword": ([], {"inputs": ["Кошка", "cat"]}),
    "prompt": ([TEXT_LIST], {"prompt": "own words: "}),
    "no prompt": ([TEXT_LIST], {"prompt": ""}),
    "batch size 1": ([TEXT_LIST], {"batch_size": 1}),
    "batch size 100": ([TEXT_LIST], {"batch_size": 100}),
    "normalised": ([TEXT_LIST], {"normalize_embeddings": True}),
    "truncated": ([TEXT_LIST], {"truncate_dim": 7}),
    "truncated far too little": ([TEXT_LIST], {"truncate_dim": 9999}),
    "truncated and normalised": ([TEXT_LIST], {"truncate_dim": 7, "normalize_embeddings": True}),
    "one truncated": (["Кошка"], {"truncate_dim": 7, "normalize_embeddings": True}),
    "no numpy": ([TEXT_LIST], {"convert_to_numpy": False}),
    "one without numpy": (["Кошка"], {"convert_to_numpy": False}),
    "no bar": ([TEXT_LIST], {"show_progress_bar": False}),
    "on the cpu": ([TEXT_LIST], {"device": "cpu"}),
    "token vectors": ([TEXT_LIST], {"output_value": "token_embeddings", "convert_to_numpy": False}),
    "token vectors of one": (
        ["Кошка"],
        {"output_value": "token_embeddings", "convert_to_numpy": False},
    ),
    "binary": ([TEXT_LIST], {"precision": "binary"}),
    "ubinary": ([TEXT_LIST], {"precision": "ubinary"}),
    "binary of one": (["Кошка"], {"precision": "binary"}),
    "binary, truncated": ([TEXT_LIST], {"precision": "ubinary", "truncate_dim": 13}),
    "all by position": ([TEXT_LIST, None, "own: ", 4, False, "sentence_embedding"], {}),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", BUNDLE_NAMES)
def test_encode(sentence_transformer: Real, embedder: Load, name: str, call: str) -> None:
    arguments, named = CALLS[call]
    expected = sentence_transformer(name).encode(*arguments, **named)
    same(quietly(embedder(name).encode, *arguments, **named), expected)


@pytest.mark.parametrize("name", ["tiny-frida", "tiny-xlmr"])
def test_prompt_name_and_default(sentence_transformer: Real, embedder: Load, name: str) -> None:
    real, own = sentence_transformer(name), embedder(name)
    same(quietly(own.encode, TEXT_LIST), real.encode(TEXT_LIST))
    for key in own.prompts:
        expected = real.encode(TEXT_LIST, prompt_name=key)
        same(quietly(own.encode, TEXT_LIST, prompt_name=key), expected)
        same(quietly(own.encode, TEXT_LIST, key), expected)


@pytest.mark.parametrize("default", ["query", "document", "STS", None])
def test_empty_prompts(
    own_checkpoint: Path, texts_file: Path, tmp_path: Path, default: str | None
) -> None:
    # A model whose documents have none, and which has a default all the same.
    prompts = {"query": "query: ", "document": "", "STS": "paraphrase: "}
    settings = own_checkpoint / "config_sentence_transformers.json"
    change_json(settings, prompts=prompts, default_prompt_name=default)
    export(
        Request(str(own_checkpoint), tmp_path / "out", dtypes=("float32",), evaluation=texts_file)
    )
    real, own = SentenceTransformer(str(own_checkpoint), device="cpu"), Embedder(tmp_path / "out")
    assert dict(own.prompts) == real.prompts
    for method in ("encode", "encode_query", "encode_document"):
        expected = getattr(real, method)(TEXT_LIST)
        same(quietly(getattr(own, method), TEXT_LIST), expected)
    for name in prompts:
        expected = real.encode(TEXT_LIST, prompt_name=name)
        same(quietly(own.encode, TEXT_LIST, prompt_name=name), expected)


def test_prompt_wins_over_prompt_name(sentence_transformer: Real, embedder: Load) -> None:
    both = {"prompt": "own: ", "prompt_name": "query"}
    expected = sentence_transformer("tiny-frida").encode("Кошка", **both)
    same(embedder("tiny-frida").encode("Кошка", **both), expected)


@pytest.mark.parametrize("name", BUNDLE_NAMES)
def test_encode_query(sentence_transformer: Real, embedder: Load, name: str) -> None:
    real, own = sentence_transformer(name), embedder(name)
    same(quietly(own.encode_query, TEXT_LIST), real.encode_query(TEXT_LIST))
    same(own.encode_query("Кошка", prompt="own: "), real.encode_query("Кошка", prompt="own: "))


@pytest.mark.parametrize("name", ["tiny-cls", "minilm"])
def test_encode_document_of_a_model_without_prompts(
    sentence_transformer: Real, embedder: Load, name: str
) -> None:
    expected = sentence_transformer(name).encode_document(TEXT_LIST)
    same(quietly(embedder(name).encode_document, TEXT_LIST), expected)


@pytest.mark.parametrize("precision", ["int8", "uint8"])
@pytest.mark.parametrize("fixed", [True, False], ids=["the bundle's ranges", "the call's"])
@pytest.mark.parametrize("name", ["tiny-frida", "minilm"])
def test_scalar_precision(
    sentence_transformer: Real, embedder: Load, name: str, fixed: bool, precision: str
) -> None:
    texts = [f"{text} {number}" for number in range(10) for text in TEXTS[:6]]
    options = {} if fixed else {"truncate_dim": 9, "normalize_embeddings": True}
    vectors = sentence_transformer(name).encode(texts, **options)
    ranges = embedder(name).ranges(**options)
    assert (ranges is not None) == fixed
    expected = quantize_embeddings(vectors, precision, ranges)
    own = embedder(name).encode(texts, precision=precision, **options)
    assert own.dtype == expected.dtype
    assert own.shape == expected.shape
    # Rounding may put a number on the other side of a step, never further.
    difference = np.abs(own.astype(int) - expected.astype(int))
    assert np.minimum(difference, 256 - difference).max() <= 1
    assert (difference > 1).mean() < 0.01


@pytest.mark.parametrize("arguments", [{}, {"truncate_dim": 7}, {"normalize_embeddings": True}])
@pytest.mark.parametrize("name", BUNDLE_NAMES)
def test_output_value_none(
    sentence_transformer: Real, embedder: Load, name: str, arguments: dict[str, Any]
) -> None:
    named = {"output_value": None, "convert_to_numpy": False, **arguments}
    texts = ["Кошка сидит", "a longer text than the other one"]
    expected = sentence_transformer(name).encode(texts, **named)
    own = embedder(name).encode(texts, **named)
    for a, b in zip(own, expected, strict=True):
        kept = b["attention_mask"].numpy().astype(bool)
        tokens = len(a["input_ids"])
        assert a["input_ids"].tolist() == b["input_ids"][:tokens].tolist()
        np.testing.assert_array_equal(a["attention_mask"], kept[:tokens])
        np.testing.assert_allclose(
            a["token_embeddings"], b["token_embeddings"].numpy()[:tokens], atol=5e-6
        )
        np.testing.assert_allclose(
            a["sentence_embedding"], b["sentence_embedding"].numpy(), atol=5e-6
        )


@pytest.mark.parametrize(
    "arguments",
    [
        {"batch_size": 0},
        {"batch_size": -3},
        {"prompt_name": "nobody"},
        {"precision": "float16"},
        {"nobody": 1},
    ],
    ids=str,
)
def test_what_one_refuses_the_other_does(
    sentence_transformer: Real, embedder: Load, arguments: dict[str, Any]
) -> None:
    for model in (sentence_transformer("tiny-frida"), embedder("tiny-frida")):
        with pytest.raises(ValueError):
            model.encode(["Кошка"], **arguments)


def test_the_parameters_are_its_own() -> None:
    for method in ("encode", "encode_query", "encode_document"):
        real = list(inspect.signature(getattr(SentenceTransformer, method)).parameters.values())
        own = list(inspect.signature(Embedder.encode).parameters.values())
        own = [p for p in own if p.name != "on_error"]  # ours alone, and keyword-only
        assert [p.name for p in own] == [p.name for p in real]
        for a, b in zip(own[2:], real[2:], strict=True):
            assert a.default == b.default, a.name


@pytest.mark.parametrize("function", ["cosine", "dot", "euclidean", "manhattan"])
def test_similarity(sentence_transformer: Real, function: str) -> None:
    from edgembed.similarity import similarity, similarity_pairwise

    real = sentence_transformer("tiny-xlmr")
    a = real.encode(["Кошка", "окно", "cat"], prompt="")
    b = real.encode(["дождь", "rain", "street"], prompt="")
    before = real.similarity_fn_name
    try:
        real.similarity_fn_name = function
        own = similarity(function, a, b), similarity_pairwise(function, a, b)
        for mine, theirs in zip(
            own, (real.similarity(a, b), real.similarity_pairwise(a, b)), strict=True
        ):
            assert mine.shape == tuple(theirs.shape)
            np.testing.assert_allclose(mine, theirs.numpy(), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(
            similarity(function, a[0], b), real.similarity(a[0], b).numpy(), rtol=1e-5, atol=1e-5
        )
    finally:
        real.similarity_fn_name = before


@pytest.mark.parametrize("name", BUNDLE_NAMES)
def test_similarity_of_the_model(sentence_transformer: Real, embedder: Load, name: str) -> None:
    real, own = sentence_transformer(name), embedder(name)
    a, b = real.encode(TEXTS[:4]), real.encode(TEXTS[1:5])
    np.testing.assert_allclose(own.similarity(a, b), real.similarity(a, b).numpy(), rtol=1e-5)
    np.testing.assert_allclose(
        own.similarity_pairwise(a, b), real.similarity_pairwise(a, b).numpy(), rtol=1e-5
    )


@pytest.mark.parametrize("name", BUNDLE_NAMES)
def test_facts(sentence_transformer: Real, embedder: Load, name: str) -> None:
    real, own = sentence_transformer(name), embedder(name)
    assert own.get_embedding_dimension() == real.get_embedding_dimension()
    assert own.max_seq_length == real.max_seq_length
    assert own.similarity_fn_name == real.similarity_fn_name
    assert own.default_prompt_name == real.default_prompt_name
    assert dict(own.prompts) == {k: v for k, v in real.prompts.items() if v}


def test_ids(sentence_transformer: Real, embedder: Load) -> None:
    texts = ["Кошка", "окно"]
    for name in BUNDLE_NAMES:
        expected = sentence_transformer(name).tokenize(texts)
        own = embedder(name).tokenize(texts)
        np.testing.assert_array_equal(own["attention_mask"], expected["attention_mask"].numpy())
        kept = own["attention_mask"] == 1
        np.testing.assert_array_equal(own["input_ids"][kept], expected["input_ids"].numpy()[kept])


# --- intended differences


def test_a_passage_prompt_is_used_for_documents(sentence_transformer: Real, embedder: Load) -> None:
    real, own = sentence_transformer("tiny-xlmr"), embedder("tiny-xlmr")
    assert real.prompts["document"] == ""  # added by sentence-transformers itself
    same(own.encode_document("Кошка"), real.encode("Кошка", prompt_name="passage"))
    same(own.encode("Кошка", prompt=""), real.encode_document("Кошка"))


def test_no_texts(sentence_transformer: Real, embedder: Load) -> None:
    assert sentence_transformer("tiny-frida").encode([]).shape == (0,)
    assert embedder("tiny-frida").encode([]).shape == (0, 48)


def test_the_bundle_is_a_checkpoint_that_sentence_transformers_opens(
    exported: Callable[[str], Path], sentence_transformer: Real
) -> None:
    # The files are the hub's own: its ONNX backend runs the graph for other people's tools.
    for name in ("tiny-frida", "minilm"):
        own = SentenceTransformer(
            str(exported(name)),
            backend="onnx",
            device="cpu",
            local_files_only=True,
            model_kwargs={"file_name": "onnx/model.onnx", "provider": "CPUExecutionProvider"},
        )
        expected = sentence_transformer(name).encode(TEXT_LIST)
        np.testing.assert_allclose(own.encode(TEXT_LIST), expected, atol=1e-5)
