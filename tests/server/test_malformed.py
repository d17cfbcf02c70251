"""Bodies that are nothing: refused in the route's own words, and never an error of the server."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving import Server

ROUTES = {
    "/v1/embeddings": "input",
    "/embed": "inputs",
    "/embed_all": "inputs",
    "/similarity": "inputs",
    "/tokenize": "inputs",
    "/playground/compare": "texts",
}
BODIES = {
    "empty": b"",
    "no JSON": b"hello",
    "half": b'{"inputs": "a',
    "more than one": b'{"inputs": "a"}{"inputs": "a"}',
    "null": b"null",
    "a list": b"[]",
    "a number": b"1",
    "NaN": b'{"FIELD": NaN}',
    "Infinity": b'{"FIELD": Infinity}',
    "5,000 digits": b'{"FIELD": ' + b"9" * 5000 + b"}",
    "a huge exponent": b'{"FIELD": 1e999}',
    "a lone high surrogate": b'{"FIELD": "a\\ud800b"}',
    "a lone low surrogate": b'{"FIELD": "a\\udc00b"}',
    "surrogates the wrong way round": b'{"FIELD": "\\udc00\\ud800"}',
    "two high surrogates": b'{"FIELD": "\\ud800\\ud800"}',
    "a surrogate in UTF-8": b'{"FIELD": "\xed\xa0\x80"}',
    "a surrogate in a name": b'{"FIELD": "a", "prompt_name": "\\ud800"}',
    "a surrogate in a prompt": b'{"FIELD": "a", "prompt": "\\ud800"}',
    "Latin-1": '{"FIELD": "naïve"}'.encode("latin-1"),
    "UTF-16": '{"FIELD": "a"}'.encode("utf-16"),
    "UTF-32": '{"FIELD": "a"}'.encode("utf-32"),
    "a byte order mark": b'\xef\xbb\xbf{"FIELD": "a"}',
    "a cut character": b'{"FIELD": "\xd0"}',
    "a raw NUL": b'{"FIELD": "a\x00b"}',
    "100,000 lists": b'{"FIELD": ' + b"[" * 100_000,
    "100,000 closed lists": b'{"FIELD": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "100,000 objects": b'{"a":' * 100_000,
    "deep in an unknown field": b'{"FIELD": "a", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a wrong type": b'{"FIELD": {"a": [1.5, true, null]}}',
}
GOOD = {
    "a NUL": b'{"FIELD": "a\\u0000b"}',
    "a pair of surrogates": b'{"FIELD": "\\ud83d\\ude00"}',
    "a name twice": b'{"FIELD": "b", "FIELD": "a"}',
    "private use": '{"FIELD": "\ue000\U000f0000"}'.encode(),
    "blanks around": b' \n\t{"FIELD": "a"}\r\n',
}


def check(server: Server, path: str, body: bytes) -> int:
    answer = server.post(path, body)
    assert answer.status in (200, 400, 413, 422), (answer.status, body[:100])
    if answer.status != 200:
        if path.startswith("/v1/"):
            assert list(answer.json["error"]) == ["message", "type", "param", "code"]
        else:
            assert list(answer.json) == ["error", "error_type"]
    return answer.status


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("path", ROUTES)
def test_refused(server: Server, path: str, name: str) -> None:
    body = BODIES[name].replace(b"FIELD", ROUTES[path].encode())
    assert check(server, path, body) in (400, 422)
    assert server.get("/health").status == 200


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("path", ["/v1/embeddings", "/embed"])
def test_taken(server: Server, path: str, name: str) -> None:
    body = GOOD[name].replace(b"FIELD", ROUTES[path].encode())
    assert check(server, path, body) == 200


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(
    path=st.sampled_from(sorted(ROUTES)),
    value=st.dictionaries(
        st.sampled_from(
            ["input", "inputs", "texts", "dimensions", "prompt_name", "prompt", "truncate",
             "truncation_direction", "encoding_format", "normalize", "parameters", "model",
             "input_type", "add_special_tokens", "source_sentence", "sentences"]
        ),
        VALUES,
    ),
)  # fmt: skip
def test_any_values(server: Server, path: str, value: object) -> None:
    check(server, path, json.dumps(value).encode())


@given(path=st.sampled_from(sorted(ROUTES)), body=st.binary(max_size=200))
def test_any_bytes(server: Server, path: str, body: bytes) -> None:
    assert check(server, path, body) in (400, 422)


@given(text=st.text(min_size=1))
def test_any_text_is_embedded(server: Server, text: str) -> None:
    answer = server.post("/v1/embeddings", {"input": text})
    assert answer.status == (200 if text.encode("utf-8", "ignore").decode() == text else 400)
