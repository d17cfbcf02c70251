"""Requests that two readers of one connection may read differently: refused, and the line cut.

Each is sent with a request behind it, which must never be answered.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgembed import Embedder
from serving import Server, talk

BODY = b'{"inputs": "a"}'  # 15 bytes
START = b"POST /embed HTTP/1.1\r\n"
HEAD = START + b"host: x\r\ncontent-type: application/json\r\n"
GOOD = HEAD + b"content-length: 15\r\n\r\n" + BODY
SMUGGLED = b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"

LENGTHS = {
    "CL and TE": b"content-length: 15\r\n" + CHUNKED,
    "TE and CL": CHUNKED + b"content-length: 15\r\n",
    "two lengths": b"content-length: 15\r\ncontent-length: 16\r\n",
    "one length twice": b"content-length: 15\r\ncontent-length: 15\r\n",
    "a list of lengths": b"content-length: 15, 15\r\n",
    "a plus": b"content-length: +15\r\n",
    "hexadecimal": b"content-length: 0x0f\r\n",
    "a minus": b"content-length: -1\r\n",
    "a blank inside": b"content-length: 1 5\r\n",
    "an underscore": b"content-length: 1_5\r\n",
    "no length": b"content-length:\r\n",
    "over 64 bits": b"content-length: 18446744073709551631\r\n",
    "a space before the colon": b"content-length : 15\r\n",
    "a tab before the colon": b"content-length\t: 15\r\n",
    "a vertical tab": b"content-length:\x0b15\r\n",
    "a folded line": b"x: a\r\n content-length: 15\r\n",
    "a folded length": b"content-length:\r\n 15\r\n",
    "a line that begins with a blank": b" content-length: 15\r\n",
    "a bare LF": b"x: a\ncontent-length: 15\r\n",
    "a bare CR": b"x: a\rcontent-length: 15\r\n",
    "CR CR LF": b"x: a\r\r\ncontent-length: 15\r\n",
    "a NUL in a name": b"content\x00-length: 15\r\n",
    "a NUL in a value": b"x: \x00\r\ncontent-length: 15\r\n",
    "no colon": b"content-length 15\r\n",
    "no name": b": 15\r\n",
    "another coding": b"transfer-encoding: gzip\r\n",
    "identity": b"transfer-encoding: identity\r\n",
    "a coding before chunked": b"transfer-encoding: gzip, chunked\r\n",
    "a coding after chunked": b"transfer-encoding: chunked, identity\r\n",
    "an empty coding": b"transfer-encoding: , chunked\r\n",
    "chunked twice": CHUNKED + CHUNKED,
    "a coding in a line of its own": b"transfer-encoding: gzip\r\n" + CHUNKED,
    "xchunked": b"transfer-encoding: xchunked\r\n",
    "quoted": b'transfer-encoding: "chunked"\r\n',
    "a parameter": b"transfer-encoding: chunked;q=1\r\n",
    "a vertical tab before chunked": b"transfer-encoding:\x0bchunked\r\n",
    "two hosts": b"host: y\r\ncontent-length: 15\r\n",
}
CHUNKS = {
    "no number": b"zz\r\n%b\r\n0\r\n\r\n",
    "a minus": b"-f\r\n%b\r\n0\r\n\r\n",
    "a plus": b"+f\r\n%b\r\n0\r\n\r\n",
    "0x": b"0xf\r\n%b\r\n0\r\n\r\n",
    "a blank behind": b"f \r\n%b\r\n0\r\n\r\n",
    "a blank before": b" f\r\n%b\r\n0\r\n\r\n",
    "no size": b"\r\n%b\r\n0\r\n\r\n",
    "over 64 bits": b"1000000000000000f\r\n%b\r\n0\r\n\r\n",
    "LF after the size": b"f\n%b\r\n0\r\n\r\n",
    "CR after the size": b"f\r%b\r\n0\r\n\r\n",
    "LF after an extension": b"f;a\n%b\r\n0\r\n\r\n",
    "a control character in an extension": b"f;a=\x01\r\n%b\r\n0\r\n\r\n",
    "LF after the data": b"f\r\n%b\n0\r\n\r\n",
    "nothing after the data": b"f\r\n%b0\r\n\r\n",
    "more data than it says": b"e\r\n%b\r\n0\r\n\r\n",
    "LF at the end": b"f\r\n%b\r\n0\n\n",
    "a length in the trailer": b"f\r\n%b\r\n0\r\ncontent-length: 15\r\n\r\n",
    "a coding in the trailer": b"f\r\n%b\r\n0\r\ntransfer-encoding: chunked\r\n\r\n",
}
HEADS = {
    "no host": START + b"content-length: 15\r\n\r\n" + BODY,
    "chunked in HTTP/1.0": b"POST /embed HTTP/1.0\r\nhost: x\r\n" + CHUNKED + b"\r\nf\r\n",
    "bare LFs": GOOD.replace(b"\r\n", b"\n"),
    "an LF at the end of the head": GOOD.replace(b"\r\n\r\n", b"\r\n\n"),
    "a blank line in the head": START + b" host: x\r\ncontent-length: 15\r\n\r\n" + BODY,
    "no version": b"GET /health\r\n\r\n",
    "HTTP/0.9": b"GET /health HTTP/0.9\r\n\r\n",
    "HTTP/1.2": b"GET /health HTTP/1.2\r\nhost: x\r\n\r\n",
    "HTTP/2.0": b"GET /health HTTP/2.0\r\nhost: x\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another protocol": b"hello\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a method in small letters": b"get /health HTTP/1.1\r\nhost: x\r\n\r\n",
    "a tunnel": b"CONNECT other:80 HTTP/1.1\r\nhost: other:80\r\n\r\n",
    "a control character in the path": b"GET /\x01 HTTP/1.1\r\nhost: x\r\n\r\n",
}
CASES = {
    **{f"length: {name}": HEAD + own + b"\r\n" + BODY for name, own in LENGTHS.items()},
    **{f"chunk: {name}": HEAD + CHUNKED + b"\r\n" + own % BODY for name, own in CHUNKS.items()},
    **{f"head: {name}": own for name, own in HEADS.items()},
}


def statuses(received: bytes) -> list[int]:
    """The statuses of all responses; each of them begins with the only "HTTP/1.1 " in it."""
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("apart", [False, True], ids=["together", "apart"])
def test_refused_and_closed(server: Server, name: str, apart: bool) -> None:
    pieces = (CASES[name], SMUGGLED) if apart else (CASES[name] + SMUGGLED,)
    (status,) = statuses(talk(server, *pieces))
    assert status in (400, 405, 505)


@pytest.mark.parametrize("name", CASES)
def test_what_came_before_is_answered_first(server: Server, name: str) -> None:
    """And the refusal is not taken for its answer."""
    received = talk(server, GOOD + CASES[name] + SMUGGLED)
    assert statuses(received)[0] == 200
    assert len(statuses(received)) <= 2
    assert b'"object":"list"' not in received
    assert received.split(b"\r\n\r\n")[1].startswith(b"[[")


def test_good_requests_in_one_go_are_answered_in_order(server: Server) -> None:
    count = 100
    last = GOOD.replace(b"host: x\r\n", b"host: x\r\nconnection: close\r\n")
    received = talk(server, b"\r\n" + GOOD * count + SMUGGLED + last + SMUGGLED)
    assert statuses(received) == [200] * (count + 2)
    assert received.count(b'"object":"list"') == 1


def test_no_end_of_requests_in_one_go(server: Server) -> None:
    count = 10_000
    answered = statuses(talk(server, SMUGGLED * count))
    assert set(answered) == {200}
    assert 100 < len(answered) < 1000


def test_a_refusal_is_no_answer_to_what_is_in_work(
    start: Callable[..., Any], bundles: Path
) -> None:
    """A second request that never ends: the first, which takes longer than it may, is answered."""
    body = json.dumps({"inputs": ["one two three four five six seven " * 40] * 32}).encode()
    slow = HEAD + b"content-length: %d\r\n\r\n" % len(body) + body
    with start(bundles / "minilm", "--request-timeout", "0.2") as server:
        for rest in (b"POST /em", HEAD + b"content-length: 15\r\n\r\n{"):
            received = talk(server, slow + rest)
            assert statuses(received)[0] == 200, received
            assert len(statuses(received)) <= 2


@pytest.mark.parametrize("body", [b"content-length: 15\r\n\r\n" + BODY,
                                  CHUNKED + b"\r\nf\r\n" + BODY + b"\r\n0\r\n\r\n"])  # fmt: skip
@pytest.mark.parametrize("apart", [False, True], ids=["together", "apart"])
def test_an_upgrade_is_not_taken_and_costs_no_body(
    server: Server, body: bytes, apart: bool
) -> None:
    head = HEAD + b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: A\r\n"
    close = SMUGGLED.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
    first, rest = (head + body).split(b"\r\n\r\n", 1)
    first += b"\r\n\r\n"
    pieces = (first, rest + close) if apart else (first + rest + close,)
    received = talk(server, *pieces)
    assert statuses(received) == [200, 200]
    assert b"[[" in received
    assert received.count(b'"object":"list"') == 1


def test_curl_that_asks_for_http2(server: Server, embedder: Callable[..., Embedder]) -> None:
    command = ["curl", "-sS", "--fail", "--http2", f"{server.url}/embed", "-d", '{"inputs": "a"}']
    done = subprocess.run(
        [*command, "-H", "Content-Type: application/json"], capture_output=True, check=True
    )
    got = np.array(json.loads(done.stdout), np.float32)
    assert got.tobytes() == embedder("tiny-frida", "int8").encode(["a"]).tobytes()


def test_a_refusal_instead_of_100_closes(server: Server) -> None:
    """Else nobody can tell the body, which the client may leave out, from the next request."""
    asked = HEAD.replace(b"/embed", b"/nowhere") + b"content-length: 37\r\nexpect: 100-continue\r\n"
    assert statuses(talk(server, asked + b"\r\n", SMUGGLED)) == [404]
    welcome = HEAD + b"content-length: 15\r\nexpect: 100-continue\r\n\r\n"
    assert statuses(talk(server, welcome, BODY)) == [100, 200]
