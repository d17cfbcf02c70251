"""Bodies that are nothing: refused in the route's own words, and never an error of the server."""

from __future__ import annotations

import gzip
import json
import time
import zlib
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving import Answer, Server

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
    return judge(path, body, server.post(path, body))


def judge(path: str, body: bytes, answer: Answer) -> int:
    """The status: never a 5xx, and an error in the route's own shape."""
    assert answer.status in (200, 400, 413, 415, 422), (answer.status, body[:100])
    assert answer.headers["content-type"] == "application/json"
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


def _object(items: list[tuple[str, str]]) -> str:
    """With the same name twice, if it comes so."""
    return "{" + ",".join(f"{name}:{value}" for name, value in items) + "}"


FIELDS = [
    "input", "inputs", "texts", "dimensions", "prompt_name", "prompt", "truncate", "model",
    "truncation_direction", "encoding_format", "normalize", "parameters", "input_type",
    "add_special_tokens", "source_sentence", "sentences",
]  # fmt: skip
# Tokens of JSON, and of what only some take for JSON.
SCALARS = st.one_of(
    st.sampled_from(
        ["null", "true", "false", "NaN", "-Infinity", "Infinity", "nan", "1e999", "-0", "0x10",
         "01", "1.", ".5", "+1", "'a'", "undefined", '"\\ud800"', '"\\udc00\\ud800"', '"\\u00"',
         '"\\x41"', '"\ud800"', '"a\nb"', '"\\u0000"', "\ufeff", ""]
    ),
    st.integers().map(str),
    st.integers(1, 5000).map(lambda digits: "9" * digits),
    st.integers(1, 5000).map(lambda digits: "-0." + "1" * digits),
    st.floats().map(repr),
    st.text().map(json.dumps),
    st.text().map(lambda text: json.dumps(text, ensure_ascii=False)),
)  # fmt: skip
NAMES = st.sampled_from(FIELDS).map(json.dumps) | SCALARS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5).map(lambda own: f"[{','.join(own)}]"),
        st.lists(st.tuples(NAMES, inner), max_size=5).map(_object),
    ),
    max_leaves=10,
)
DEEP = st.tuples(st.integers(1, 3000), st.sampled_from(["[]", "[", "]", '{"a":'])).map(
    lambda own: own[1] * own[0] if len(own[1]) != 2 else "[" * own[0] + "]" * own[0]
)
OBJECTS = st.lists(st.tuples(NAMES, VALUES | DEEP), max_size=6).map(_object)
TEXTS = st.text(min_size=1).map(json.dumps)
NEARLY_GOOD = st.tuples(TEXTS, st.lists(st.tuples(NAMES, VALUES), max_size=1)).map(
    lambda own: _object(
        [('"input"', own[0]), ('"inputs"', f"[{own[0]}]"), ('"texts"', f"[{own[0]}]"), *own[1]]
    )
)
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1251", "latin-1"]


@st.composite
def raw_bodies(draw: st.DrawFn) -> bytes:
    """JSON, or nearly so, in an encoding that may be wrong, spoilt in one place or none."""
    text = draw(OBJECTS | VALUES | NEARLY_GOOD)
    encoding = draw(st.just("utf-8") | st.sampled_from(ENCODINGS))
    body = text.encode(encoding, "surrogatepass" if encoding.startswith("utf") else "replace")
    how = draw(st.sampled_from(["whole", "whole", "cut", "flipped", "doubled", "bytes"]))
    place = draw(st.integers(0, len(body)))
    if how == "cut":
        return body[:place]
    if how == "flipped" and body:
        place %= len(body)
        return body[:place] + bytes([body[place] ^ draw(st.integers(1, 255))]) + body[place + 1 :]
    if how == "bytes":
        return body[:place] + draw(st.binary(max_size=50)) + body[place:]
    return body + body if how == "doubled" else body


Packed = Callable[[bytes], bytes]
PACKINGS: dict[str, Packed] = {"gzip": gzip.compress, "deflate": zlib.compress, "br": bytes}


def test_raw_bodies(server: Server, amount: Callable[[int, int], int], figure: Any) -> None:
    """In one piece, in chunks, packed; each answered, in the route's own words, and soon."""
    told: dict[int, int] = {}
    longest = 0.0

    @settings(
        max_examples=amount(200, 10_000), suppress_health_check=list(HealthCheck), deadline=None
    )
    @given(
        path=st.sampled_from(sorted(ROUTES)),
        body=raw_bodies(),
        sent=st.sampled_from(["whole", "whole", "chunks", *PACKINGS]),
    )
    def each(path: str, body: bytes, sent: str) -> None:
        nonlocal longest
        began = time.monotonic()
        status = judge(path, body, send(connection, path, body, sent))
        longest = max(longest, time.monotonic() - began)
        told[status] = told.get(status, 0) + 1
        assert (status == 415) == (sent in PACKINGS)

    connection = HTTPConnection(*server.address, timeout=10)  # no answer by then: a hang
    try:
        each()
    finally:
        connection.close()
    assert server.get("/health").status == 200
    assert {200, 400, 415, 422} <= set(told)
    figure(f"{sum(told.values())} bodies: {dict(sorted(told.items()))}; longest {longest:.2f} s")


def send(connection: HTTPConnection, path: str, body: bytes, how: str) -> Answer:
    """On one connection, so that a body read wrongly shows in the answer after it."""
    headers = {"content-type": "application/json", "x-request-id": "r"}
    if how in PACKINGS:
        body, headers["content-encoding"] = PACKINGS[how](body), how
    pieces: Any = body
    if how == "chunks":
        pieces = (body[i : i + 7] for i in range(0, len(body), 7))
    connection.request("POST", path, pieces, headers, encode_chunked=how == "chunks")
    response = connection.getresponse()
    own = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, own, response.read())


@given(path=st.sampled_from(sorted(ROUTES)), body=st.binary(max_size=200))
def test_any_bytes(server: Server, path: str, body: bytes) -> None:
    assert check(server, path, body) in (400, 422)


@given(text=st.text(min_size=1))
def test_any_text_is_embedded(server: Server, text: str) -> None:
    answer = server.post("/v1/embeddings", {"input": text})
    assert answer.status == (200 if text.encode("utf-8", "ignore").decode() == text else 400)
