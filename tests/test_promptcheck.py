"""The warning for a missing or doubled prompt: where it is due, once, and nowhere else."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgembed import Embedder, PromptWarning
from edgembed.promptcheck import PromptCheck
from edgembed.prompts import Prompts
from support import change_json

E5 = Prompts({"query": "query: ", "passage": "passage: "})
FRIDA = Prompts({"query": "search_query: ", "STS": "paraphrase: ", "C": "categorize: "}, "C")
# sentence-transformers writes these two into every checkpoint that it saves.
EMPTY = Prompts({"query": "", "document": ""})
QUERIES_ONLY = Prompts({"query": "Represent this sentence for searching: ", "document": ""})
TASKS_ONLY = Prompts({"STS": "paraphrase: ", "Classification": "categorize: "})


def said(call: Callable[[], Any]) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    assert all(one.category is PromptWarning for one in caught)
    return [str(one.message) for one in caught]


def check(prompts: Prompts, *texts: str, prompt: str | None = None, name: str | None = None) -> int:
    own = PromptCheck(prompts)
    prefix = prompts.resolve(prompt, name)
    return len(said(lambda: own(prompt is not None or name is not None, prefix, texts)))


@pytest.mark.parametrize("prompts", [E5, TASKS_ONLY])
def test_a_missing_prompt_is_warned_of(prompts: Prompts) -> None:
    assert check(prompts, "Кошка") == 1
    assert check(prompts, *("by hand: ", "Кошка")) == 1


@pytest.mark.parametrize("prompts", [FRIDA, EMPTY, QUERIES_ONLY, Prompts({})])
def test_no_prompt_is_missing_where_there_is_a_default_or_none_is_needed(prompts: Prompts) -> None:
    assert check(prompts, "Кошка") == 0


def test_whoever_names_a_prompt_or_none_knows() -> None:
    assert check(E5, "Кошка", prompt="") == 0
    assert check(E5, "Кошка", name="passage") == 0
    assert check(E5, "Кошка", prompt="own: ") == 0


def test_prompts_put_before_the_texts_by_hand_are_no_mistake() -> None:
    assert check(E5, "query: Кошка", "passage: окно") == 0
    assert check(E5, "query: Кошка", "окно") == 1
    assert check(FRIDA, "search_query: Кошка", prompt="") == 0
    assert check(E5) == 0  # no texts at all


def test_a_doubled_prompt_is_warned_of() -> None:
    assert check(FRIDA, "a", "search_query: Кошка") == 1
    assert check(FRIDA, "categorize: Кошка") == 1
    assert check(E5, "query: Кошка", name="query") == 1
    assert check(E5, "query: Кошка", prompt="own: ") == 1
    assert check(FRIDA, "search query: Кошка", "Search_query: Кошка") == 0


@given(st.lists(st.text()))
def test_texts_without_prompts_are_no_mistake_under_a_default(texts: list[str]) -> None:
    plain = [text for text in texts if not text.startswith(tuple(FRIDA.texts.values()))]
    assert check(FRIDA, *plain) == 0


def test_an_embedder_says_it_once_at_the_callers_line(bundles: Path) -> None:
    model = Embedder(bundles / "tiny-xlmr")
    with pytest.warns(PromptWarning, match=r"'query: ', 'passage: '.*encode_query") as caught:
        model.encode(["Кошка"])
    assert [one.filename for one in caught] == [__file__]
    assert said(lambda: (model.encode("окно"), list(model.encode_iter(["дождь"])))) == []
    assert len(said(lambda: model.encode_query("query: Кошка"))) == 1  # another mistake
    assert said(lambda: model.encode_document("passage: Кошка")) == []
    assert len(said(lambda: Embedder(bundles / "tiny-xlmr").encode("Кошка"))) == 1


def test_encode_query_and_encode_document_miss_nothing(bundles: Path) -> None:
    model = Embedder(bundles / "tiny-xlmr")
    assert said(lambda: (model.encode_query("Кошка"), model.encode_document(["окно"]))) == []


def test_encode_takes_a_name_for_a_choice_also_where_its_prompt_is_empty(bundle_copy: Path) -> None:
    prompts = {"query": "query: ", "passage": "passage: ", "plain": ""}
    change_json(bundle_copy / "manifest.json", prompts=prompts, default_prompt_name=None)
    model = Embedder(bundle_copy, canaries="off")
    assert said(lambda: model.encode("Кошка", prompt_name="plain")) == []
    assert said(lambda: model.encode("Кошка", prompt="")) == []
    assert len(said(lambda: model.encode("Кошка"))) == 1


@pytest.mark.parametrize("method", ["encode_query", "encode_document"])
def test_own_words_are_no_second_choice(
    bundles: Path, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    """prompt= alone names no prompt as well, so nothing is ignored and nothing is said."""
    model = Embedder(bundles / "tiny-xlmr")
    own = getattr(model, method)("Кошка", prompt="own: ")
    np.testing.assert_array_equal(own, model.encode("Кошка", prompt="own: "))
    assert not caplog.records


def test_awaited_calls_say_it_too(bundles: Path) -> None:
    model = Embedder(bundles / "tiny-xlmr")
    assert len(said(lambda: asyncio.run(model.aencode(["Кошка"])))) == 1


def test_the_default_of_rubert_mini_frida_is_never_warned_of(bundle_copy: Path) -> None:
    # Its seven prompts and default; the copy's own are the same (tests/checkpoints.py).
    model = Embedder(bundle_copy)
    assert model.prompts[str(model.default_prompt_name)] == "categorize: "
    assert len(model.prompts) == 7
    assert said(lambda: [model.encode(text) for text in ("Кошка", ["окно", "", "query"])]) == []
    assert len(said(lambda: model.encode("search_query: Кошка"))) == 1


def test_a_model_without_prompts_is_never_warned_of(bundle_copy: Path) -> None:
    change_json(bundle_copy / "manifest.json", prompts={}, default_prompt_name=None)
    model = Embedder(bundle_copy, canaries="off")
    assert said(lambda: model.encode(["query: Кошка", "categorize: окно"])) == []
