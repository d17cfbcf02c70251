"""Embedder: torch's vectors, and an answer to every input. See test_one_vector.py as well."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgembed import (
    ArgumentError,
    BundleNotFoundError,
    Embedder,
    InferenceError,
    PromptError,
    TextError,
    TruncationWarning,
)
from edgembed.session import Session
from support import BUNDLE_NAMES, DTYPES, Answers, cosines, quietly

# Random weights quantise worse than trained ones, and a tiny model worse than a large one; these
# bounds are there to tell rounding from nonsense.
INT8_FLOOR = {"minilm": 0.98}
TINY_INT8_FLOOR = 0.9

Load = Callable[..., Embedder]
Answer = Callable[[str], Answers]


# --- torch's vectors


@pytest.mark.parametrize("name", BUNDLE_NAMES)
def test_float32_vectors_are_torchs(embedder: Load, answers: Answer, name: str) -> None:
    expected = answers(name)
    for prompt, vectors in expected.vectors.items():
        own = quietly(embedder(name), expected.texts, prompt=prompt)
        assert own.dtype == np.float32
        assert own.shape == vectors.shape
        assert cosines(own, vectors).min() >= 1 - 1e-6
        np.testing.assert_allclose(
            np.linalg.norm(own, axis=1), np.linalg.norm(vectors, axis=1), rtol=1e-5
        )


@pytest.mark.parametrize("name", BUNDLE_NAMES)
def test_int8_vectors_are_near_torchs(embedder: Load, answers: Answer, name: str) -> None:
    expected = answers(name)
    for prompt, vectors in expected.vectors.items():
        own = quietly(embedder(name, "int8"), expected.texts, prompt=prompt)
        assert cosines(own, vectors).min() >= INT8_FLOOR.get(name, TINY_INT8_FLOOR)
        assert (own != vectors).any()  # these are other weights


# --- every shape of input


def test_one_string_gives_one_vector(embedder: Load) -> None:
    model = embedder("tiny-frida")
    assert model.encode("Кошка").shape == (48,)
    assert model.encode(["Кошка"]).shape == (1, 48)
    np.testing.assert_array_equal(model.encode("Кошка"), model.encode(["Кошка"])[0])


@pytest.mark.parametrize("empty", [[], (), iter(()), np.array([], dtype=str)], ids=repr)
def test_no_texts_give_no_vectors(embedder: Load, empty: Any) -> None:
    vectors = embedder("tiny-frida").encode(empty)
    assert vectors.shape == (0, 48)
    assert vectors.dtype == np.float32


@pytest.mark.parametrize(
    "make",
    [
        tuple,
        iter,
        lambda texts: (text for text in texts),
        np.array,
        lambda texts: np.array(texts, dtype=object),
        lambda texts: dict.fromkeys(texts).keys(),
    ],
    ids=["tuple", "iterator", "generator", "numpy", "numpy objects", "keys"],
)
def test_any_iterable_of_texts(embedder: Load, make: Callable[[list[str]], Any]) -> None:
    texts = ["Кошка", "сидит", "on the mat"]
    model = embedder("tiny-frida")
    np.testing.assert_array_equal(model.encode(make(texts)), model.encode(texts))


def test_sentences_is_another_name_of_inputs(embedder: Load) -> None:
    model = embedder("tiny-frida")
    np.testing.assert_array_equal(model.encode(sentences=["a", "b"]), model.encode(["a", "b"]))
    np.testing.assert_array_equal(model.encode_query(sentences="a"), model.encode_query("a"))


@pytest.mark.parametrize("name", BUNDLE_NAMES)
def test_empty_and_blank_texts_have_the_vector_of_no_words(embedder: Load, name: str) -> None:
    model = embedder(name)
    vectors = model.encode(["", "   ", "\n\t"], prompt="")
    assert np.isfinite(vectors).all()
    assert np.linalg.norm(vectors[0]) > 0
    ids = [model.tokenize(text)["input_ids"][0].tolist() for text in ("", "   ", "\n\t")]
    for own, vector in zip(ids, vectors, strict=True):  # a blank may be a token of its own
        assert (vector == vectors[0]).all() == (own == ids[0])


@pytest.mark.parametrize("text", ["\0", "\ue000", "\u200b", "\ufeff", "\U0010ffff", "😀", "\u202e"])
def test_odd_characters_are_no_error(embedder: Load, text: str) -> None:
    for name in BUNDLE_NAMES:
        assert np.isfinite(quietly(embedder(name), [text, text * 20])).all()


def test_lone_surrogates_are_named_before_any_work(embedder: Load) -> None:
    with pytest.raises(TextError, match="at index 1, 3") as caught:
        embedder("tiny-frida").encode(["fine", "\ud800", "fine", "a\udfffb"])
    assert caught.value.indices == (1, 3)
    with pytest.raises(TextError) as single:
        embedder("tiny-frida").encode("\ud83d")
    assert single.value.indices == (0,)
    assert isinstance(single.value, ValueError)


def test_the_remedy_for_surrogates_that_the_message_gives_works(embedder: Load) -> None:
    repaired = "a\ud800b".encode("utf-8", "replace").decode()
    assert embedder("tiny-frida").encode(repaired).shape == (48,)


def test_many_bad_texts_are_counted_not_all_listed(embedder: Load) -> None:
    with pytest.raises(TextError, match=r"^50 item.*0, 1, 2.*\.\.\.") as caught:
        embedder("tiny-frida").encode(["\ud800"] * 50)
    assert caught.value.indices == tuple(range(50))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("bad", [None, 3, 1.5, b"bytes", ["nested"], float("nan")])
def test_an_item_that_is_no_text_is_named(embedder: Load, bad: Any) -> None:
    with pytest.raises(TextError, match="at index 1") as caught:
        embedder("tiny-frida").encode(["fine", bad])
    assert caught.value.indices == (1,)


@pytest.mark.parametrize(
    "bad", [None, 3, b"bytes", {"text": 1}, object(), np.array("one")], ids=repr
)
def test_an_input_that_is_no_text_and_no_list(embedder: Load, bad: Any) -> None:
    with pytest.raises(TextError, match="one text or a list of texts"):
        embedder("tiny-frida").encode(bad)


class Table:
    """As pandas' DataFrame: a shape, and the columns' names where one goes through it."""

    shape = (3, 1)

    def __iter__(self) -> Iterator[str]:
        return iter(["text"])


@pytest.mark.parametrize("bad", [Table(), np.array([["one", "two"]])], ids=["table", "2d array"])
def test_a_table_is_not_taken_for_its_columns_names(embedder: Load, bad: Any) -> None:
    model = embedder("tiny-frida")
    for encode in (model.encode, model.encode_query, model.encode_iter, model.tokenize):
        with pytest.raises(TextError, match=r"of shape \(\d, \d\): give one column of it"):
            encode(bad)


@pytest.mark.parametrize("shown", [10, 11])
def test_ten_bad_texts_are_all_listed(embedder: Load, shown: int) -> None:
    with pytest.raises(TextError) as caught:
        embedder("tiny-frida").encode([3] * shown)
    assert ("9, ..." in str(caught.value)) == (shown > 10)


def test_a_misspelt_argument_is_named(embedder: Load) -> None:
    with pytest.raises(ArgumentError, match="no argument 'promt_name'"):
        embedder("tiny-frida").encode("Кошка", promt_name="query")
    with pytest.raises(ArgumentError, match="no argument 'sentences'"):
        embedder("tiny-frida").encode("Кошка", sentences="окно")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [1, 2])
def test_a_model_of_another_dimension_than_the_manifests_gives_no_vector(
    embedder: Load, monkeypatch: pytest.MonkeyPatch, dtype: str, count: int
) -> None:
    """A graph may say one dimension and compute another: onnxruntime does not insist."""
    model, run = embedder("tiny-frida", dtype), Session.run
    monkeypatch.setattr(Session, "run", lambda own, ids: run(own, ids)[..., :-1])
    with pytest.raises(InferenceError, match="47 numbers instead of 48"):
        model.encode(["Кошка"] * count)


# --- truncation


def test_a_warning_exactly_where_a_text_is_cut(embedder: Load, answers: Answer) -> None:
    for name in BUNDLE_NAMES:
        model, texts = embedder(name), answers(name).texts
        full = [i for i, ids in enumerate(answers(name).ids) if len(ids) == model.max_seq_length]
        assert full
        for index, text in enumerate(texts):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                model.encode(text, prompt="")
            kinds = [w.category for w in caught]
            assert kinds == ([TruncationWarning] if index in full else []), text[:40]


def test_one_warning_a_call_says_how_many(embedder: Load) -> None:
    with pytest.warns(TruncationWarning, match="2 of 3.*48 tokens") as caught:
        embedder("tiny-frida").encode(["short", "слово " * 100, "word " * 100])
    assert len(caught) == 1


@pytest.mark.parametrize("method", ["encode", "encode_query", "encode_document"])
def test_the_warning_points_at_the_caller(embedder: Load, method: str) -> None:
    with pytest.warns(TruncationWarning) as caught:
        getattr(embedder("tiny-frida"), method)("слово " * 100)
    assert caught[0].filename == __file__


def test_a_prompt_counts_as_tokens(embedder: Load) -> None:
    model = embedder("tiny-frida")
    room = model.max_seq_length - len(model.tokenize("")["input_ids"][0])
    text = "a " * room
    model.encode(text, prompt="")  # exactly full: a warning would be an error here
    with pytest.warns(TruncationWarning):
        model.encode(text, prompt="categorize: ")


def test_a_very_long_text_has_the_vector_of_its_beginning(embedder: Load) -> None:
    for name in BUNDLE_NAMES:
        model = embedder(name)
        enough = "слово и дело, word and deed. " * model.max_seq_length
        np.testing.assert_array_equal(
            quietly(model, enough * 20, prompt=""), quietly(model, enough, prompt="")
        )


# --- prompts


def test_by_key_by_prefix_by_text_and_by_hand(embedder: Load) -> None:
    model = embedder("tiny-frida")
    assert model.prompts
    for key, prompt in model.prompts.items():
        by_hand = model.encode(prompt + "Кошка", prompt="")
        for arguments in (
            {"prompt_name": key},
            {"prompt_name": prompt.strip().rstrip(":")},
            {"prompt": prompt},
        ):
            np.testing.assert_array_equal(model.encode("Кошка", **arguments), by_hand)


def test_the_default_prompt(embedder: Load) -> None:
    model = embedder("tiny-frida")
    assert model.default_prompt_name == "Classification"
    default = model.encode("Кошка")
    np.testing.assert_array_equal(default, model.encode("Кошка", prompt_name="Classification"))
    none = model.encode("Кошка", prompt="")
    np.testing.assert_array_equal(none, model.encode("Кошка", None, ""))
    assert (none != default).any()


def test_a_model_without_a_default_takes_none(embedder: Load) -> None:
    model = embedder("tiny-cls")
    assert model.default_prompt_name is None
    np.testing.assert_array_equal(model.encode("Кошка"), model.encode("Кошка", prompt=""))


def test_the_default_prompt_is_said_at_load(
    bundles: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "edgembed"):
        Embedder(bundles / "tiny-frida")
    assert "'categorize: '" in caplog.text


def test_queries_and_documents(embedder: Load) -> None:
    model = embedder("tiny-frida")
    for method, prompt in (
        (model.encode_query, "search_query: "),
        (model.encode_document, "search_document: "),
    ):
        np.testing.assert_array_equal(method("Кошка"), model.encode("Кошка", prompt=prompt))
        np.testing.assert_array_equal(
            method("Кошка", prompt_name="STS"), model.encode("Кошка", prompt_name="STS")
        )
        np.testing.assert_array_equal(
            method("Кошка", None, "own: ", 8, truncate_dim=5),
            model.encode("Кошка", prompt="own: ", truncate_dim=5),
        )
    plain = embedder("tiny-cls")
    np.testing.assert_array_equal(plain.encode_query("Кошка"), plain.encode("Кошка"))


def test_an_unknown_prompt_lists_the_known_ones(embedder: Load) -> None:
    with pytest.raises(PromptError, match=r"'nobody'.*search_query"):
        embedder("tiny-frida").encode("Кошка", prompt_name="nobody")
    with pytest.raises(PromptError, match="no prompts"):
        embedder("tiny-cls").encode("Кошка", prompt_name="query")


def test_prompts_cannot_be_changed_by_accident(embedder: Load) -> None:
    with pytest.raises(TypeError):
        embedder("tiny-frida").prompts["query"] = "x"  # type: ignore[index]


# --- outputs


def test_token_embeddings(embedder: Load) -> None:
    model = embedder("tiny-xlmr")
    texts = ["Кошка", "сидит на окне"]
    rows = model.encode(texts, prompt="", output_value="token_embeddings")
    ids = model.tokenize(texts)
    assert [len(row) for row in rows] == ids["attention_mask"].sum(axis=1).tolist()
    assert all(row.dtype == np.float32 and row.shape[1] == model.dimension for row in rows)
    one = model.encode("Кошка", prompt="", output_value="token_embeddings")
    np.testing.assert_array_equal(one, rows[0])
    np.testing.assert_allclose(one.mean(axis=0), model.encode("Кошка", prompt=""), atol=1e-6)


def test_output_value_none_gives_all_there_is(embedder: Load) -> None:
    model = embedder("tiny-frida")
    (row,) = model.encode(["Кошка"], output_value=None)
    assert set(row) == {"input_ids", "attention_mask", "token_embeddings", "sentence_embedding"}
    np.testing.assert_array_equal(row["sentence_embedding"], model.encode("Кошка"))
    np.testing.assert_array_equal(
        row["input_ids"], model.tokenize("categorize: Кошка")["input_ids"][0]
    )
    single = model.encode("Кошка", output_value=None)
    np.testing.assert_array_equal(single["token_embeddings"], row["token_embeddings"])


def test_truncate_dim_cuts_before_normalising(embedder: Load) -> None:
    encode = partial(embedder("tiny-xlmr").encode, prompt="")
    whole = encode(["Кошка", "окно"])
    np.testing.assert_array_equal(encode(["Кошка", "окно"], truncate_dim=10), whole[:, :10])
    np.testing.assert_array_equal(encode("Кошка", truncate_dim=10), whole[0, :10])
    both = encode(["Кошка", "окно"], truncate_dim=10, normalize_embeddings=True)
    np.testing.assert_allclose(np.linalg.norm(both, axis=1), 1, rtol=1e-6)
    assert cosines(both, whole[:, :10]).min() > 1 - 1e-6
    np.testing.assert_array_equal(encode("Кошка", truncate_dim=10**6), whole[0])


def test_convert_to_numpy_false_gives_a_list(embedder: Load) -> None:
    model = embedder("tiny-frida")
    rows = model.encode(["a", "b"], convert_to_numpy=False)
    assert isinstance(rows, list)
    np.testing.assert_array_equal(np.stack(rows), model.encode(["a", "b"]))


def test_results_are_the_callers_own(embedder: Load) -> None:
    model = embedder("tiny-frida")
    first = model.encode("Кошка")
    kept = first.copy()
    first[:] = 0
    np.testing.assert_array_equal(model.encode("Кошка"), kept)


def test_tokenize_pads_behind_the_mask(embedder: Load, answers: Answer) -> None:
    model, expected = embedder("tiny-frida"), answers("tiny-frida")
    batch = model.tokenize(expected.texts)
    assert batch["input_ids"].shape == batch["attention_mask"].shape
    for ids, mask, torch_ids in zip(*batch.values(), expected.ids, strict=True):
        assert ids[mask == 1].tolist() == torch_ids
        assert not ids[mask == 0].any()
    assert model.tokenize([])["input_ids"].shape == (0, 0)


def test_similarity_is_the_checkpoints(embedder: Load) -> None:
    cosine, dot = embedder("tiny-frida"), embedder("tiny-xlmr")
    assert (cosine.similarity_fn_name, dot.similarity_fn_name) == ("cosine", "dot")
    a = dot.encode_query(["Кошка", "окно"])
    np.testing.assert_allclose(dot.similarity(a, a), a @ a.T, rtol=1e-6)
    np.testing.assert_allclose(np.diag(cosine.similarity(a, a)), 1, rtol=1e-6)
    np.testing.assert_allclose(dot.similarity_pairwise(a, a), (a * a).sum(axis=1), rtol=1e-6)


def test_a_model_says_which_it_is(embedder: Load) -> None:
    said = repr(embedder("tiny-frida"))
    assert said == "<Embedder of 'tiny-frida', dtype='float32', dimension=48>"


def test_facts(bundles: Path, embedder: Load) -> None:
    model = embedder("minilm")
    assert model.dimension == model.get_embedding_dimension() == 384
    assert model.get_sentence_embedding_dimension() == 384
    assert model.max_seq_length == 256
    assert model.dtype == "float32"
    assert len(model.fingerprint) == 64
    spaces = {embedder(name, dtype).fingerprint for name in BUNDLE_NAMES for dtype in DTYPES}
    assert len(spaces) == 2 * len(BUNDLE_NAMES)
    assert Embedder(str(bundles / "minilm")).dtype == "int8"


# --- each bad argument


@pytest.mark.parametrize(
    "arguments",
    [
        {"batch_size": 0},
        {"batch_size": -1},
        {"batch_size": 1.5},
        {"batch_size": "8"},
        {"batch_size": True},
        {"batch_size": None},
        {"truncate_dim": 0},
        {"truncate_dim": -5},
        {"truncate_dim": 2.0},
        {"chunk_size": 0},
        {"output_value": "vectors"},
        {"output_value": ["sentence_embedding"]},
        {"precision": "float16"},
        {"precision": None},
        {"convert_to_tensor": True},
        {"device": "cuda"},
        {"pool": object()},
        {"prompt": 5},
        {"prompt": b"query: "},
        {"prompt": "\ud800"},
        {"prompt_name": 5},
        {"prompt_name": ["query"]},
        {"prompt_name": "nobody"},
        {"unknown": 1},
        {"sentences": ["twice"]},
    ],
    ids=str,
)
@pytest.mark.parametrize("texts", [["Кошка"], []], ids=["a text", "no text"])
def test_bad_arguments(embedder: Load, arguments: dict[str, Any], texts: list[str]) -> None:
    with pytest.raises(ArgumentError):
        embedder("tiny-frida").encode(texts, **arguments)


def test_arguments_of_numpys_types_are_taken(embedder: Load) -> None:
    vectors = embedder("tiny-frida").encode(["a"], batch_size=np.int64(2), truncate_dim=np.int32(5))
    assert vectors.shape == (1, 5)
    assert embedder("tiny-frida").encode("a", device="cpu").shape == (48,)


@pytest.mark.parametrize(
    "arguments",
    [
        {"dtype": "int4"},
        {"dtype": ""},
        {"dtype": ["int8"]},
        {"threads": 0},
        {"threads": -1},
        {"threads": 1.5},
        {"threads": True},
        {"threads": "2"},
        {"threads": 10**12},
        {"canaries": "maybe"},
        {"canaries": None},
    ],
    ids=str,
)
def test_bad_arguments_of_embedder(bundles: Path, arguments: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError):
        Embedder(bundles / "tiny-frida", **arguments)


@pytest.mark.parametrize("dtype", ["fp32", "INT8", "cpu"])
def test_no_export_is_advised_that_would_be_refused(bundles: Path, dtype: str) -> None:
    with pytest.raises(ArgumentError, match=r"choose one of these$"):
        Embedder(bundles / "tiny-frida", dtype=dtype)


def test_no_bundle() -> None:
    with pytest.raises(BundleNotFoundError, match="edgembed-export"):
        Embedder("sergeyzh/rubert-mini-frida")


def test_a_path_of_any_kind(bundles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bundles)
    expected = Embedder(bundles / "tiny-cls").encode("Кошка")
    for path in ("tiny-cls", "./tiny-cls/", os.fspath(bundles / "tiny-cls")):
        np.testing.assert_array_equal(Embedder(path).encode("Кошка"), expected)


def norm(vector: npt.NDArray[np.float32]) -> float:
    return float(np.linalg.norm(vector))


def test_only_a_normalised_model_has_norm_one(embedder: Load) -> None:
    assert norm(embedder("tiny-frida").encode("Кошка")) == pytest.approx(1, abs=1e-6)
    plain = norm(embedder("tiny-xlmr").encode_query("Кошка"))
    assert plain != pytest.approx(1, abs=1e-3)
    unit = norm(embedder("tiny-xlmr").encode_query("Кошка", normalize_embeddings=True))
    assert unit == pytest.approx(1, abs=1e-6)
