"""A prompt is found by key or by prefix, and the default is the checkpoint's."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgembed.errors import PromptError
from edgembed.prompts import DOCUMENT_NAMES, QUERY_NAMES, Prompts

FRIDA = Prompts(
    {
        "Classification": "categorize: ",
        "STS": "paraphrase: ",
        "query": "search_query: ",
        "passage": "search_document: ",
    },
    "Classification",
)
RUBERT = Prompts({"search_query": "search_query: ", "search_document": "search_document: "})
NONE = Prompts({})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Classification", "categorize: "),
        ("categorize", "categorize: "),
        ("STS", "paraphrase: "),
        ("paraphrase", "paraphrase: "),
        ("query", "search_query: "),
        ("search_query", "search_query: "),
        ("search_document", "search_document: "),
    ],
)
def test_by_key_and_by_prefix(name: str, text: str) -> None:
    assert FRIDA.resolve(None, name) == text


def test_the_default() -> None:
    assert FRIDA.resolve(None, None) == "categorize: "
    assert RUBERT.resolve(None, None) == ""
    assert NONE.resolve(None, None) == ""


def test_a_prompt_in_words_is_taken_as_it_is() -> None:
    assert FRIDA.resolve("Найди: ", None) == "Найди: "
    assert FRIDA.resolve("", None) == ""


@pytest.mark.parametrize("junk", ["\ud800", b"query", 3, ["query"]])
def test_what_is_no_text_is_no_prompt_and_no_name(junk: Any) -> None:
    for arguments in ((junk, None), (None, junk), ("own: ", junk)):
        with pytest.raises(PromptError, match="valid Unicode"):
            FRIDA.resolve(*arguments)


def test_prompt_wins_over_prompt_name_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "edgembed"):
        assert FRIDA.resolve("own: ", "query") == "own: "
    assert "'query' is ignored" in caplog.text


@pytest.mark.parametrize("name", ["", "Query", "search_query: ", "search", "nobody"])
def test_an_unknown_name_lists_those_that_are_known(name: str) -> None:
    with pytest.raises(PromptError, match="search_query") as caught:
        FRIDA.resolve(None, name)
    assert repr(name) in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_an_unknown_name_of_a_model_without_prompts() -> None:
    with pytest.raises(PromptError, match="no prompts"):
        NONE.resolve(None, "query")


def test_a_key_wins_over_a_prefix() -> None:
    both = Prompts({"query": "passage: ", "passage": "query: "})
    assert both.resolve(None, "query") == "passage: "
    assert both.resolve(None, "passage") == "query: "


def test_the_first_of_two_equal_prefixes_is_theirs() -> None:
    assert Prompts({"a": "same: ", "b": "same:"}).resolve(None, "same") == "same: "


def test_an_instruction_is_no_prefix() -> None:
    instruct = Prompts({"web": "Instruct: find what answers\nQuery: ", "plain": "no colon "})
    assert list(instruct.by_name) == ["web", "plain"]


def test_names_for_queries_and_documents() -> None:
    assert FRIDA.first(QUERY_NAMES) == "query"
    assert FRIDA.first(DOCUMENT_NAMES) == "passage"
    assert RUBERT.first(QUERY_NAMES) == "search_query"
    assert RUBERT.first(DOCUMENT_NAMES) == "search_document"
    assert NONE.first(QUERY_NAMES) is None


def test_an_empty_prompt_is_taken_where_no_other_is_there() -> None:
    # sentence-transformers saves these two with every model.
    saved = {"query": "", "document": ""}
    plain = Prompts({"STS": "paraphrase: ", **saved}, "STS")
    assert plain.first(QUERY_NAMES) == "query"
    assert plain.resolve(None, "document") == ""
    frida = Prompts({**saved, **RUBERT.texts})
    assert frida.first(QUERY_NAMES) == "search_query"
    assert frida.first(DOCUMENT_NAMES) == "search_document"


def test_a_default_that_is_no_prompt_is_refused() -> None:
    with pytest.raises(PromptError, match="nobody"):
        Prompts({"query": "query: "}, "nobody")


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=12), max_size=5))
def test_every_key_resolves_to_its_own_text(texts: dict[str, str]) -> None:
    prompts = Prompts(texts)
    for key, text in texts.items():
        assert prompts.resolve(None, key) == text
    assert set(prompts.by_name.values()) == set(texts.values())
