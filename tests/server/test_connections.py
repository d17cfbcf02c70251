"""Connections that are up to no good."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from serving import MAIN, Server, talk

BODY = b'{"inputs": "a"}'
HEAD = b"POST /embed HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


@pytest.fixture(scope="module")
def impatient(start: Callable[..., Any], frida: Path) -> Iterator[Server]:
    with start(frida, "--request-timeout", "0.5") as server:
        yield server


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"POST",
        HEAD,
        HEAD + b"content-length: 15\r\n\r\n",
        HEAD + b"content-length: 15\r\n\r\n{",
        HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\n{",
    ],
)
def test_a_request_that_does_not_come_is_not_waited_for(impatient: Server, begun: bytes) -> None:
    assert talk(impatient, begun).startswith(b"HTTP/1.1 408 ")


def test_a_trickle_does_not_keep_the_connection(impatient: Server) -> None:
    with socket.create_connection(impatient.address, timeout=0.1) as connection:
        received = b""
        for byte in HEAD * 5:  # would take half a minute
            try:
                connection.sendall(bytes([byte]))
                received += connection.recv(1000)
            except TimeoutError:
                continue
            except OSError:
                break
        assert received.startswith(b"HTTP/1.1 408 ")


def test_a_connection_may_rest_between_requests(impatient: Server) -> None:
    request = HEAD + b"content-length: 15\r\n\r\n" + BODY
    with socket.create_connection(impatient.address, timeout=1.5) as connection:
        for _ in range(2):
            connection.sendall(request)
            received = b""
            while not received.endswith(b"]]"):
                received += connection.recv(65536)
            assert received.startswith(b"HTTP/1.1 200 ")
            with pytest.raises(TimeoutError):  # longer than a request may take
                connection.recv(1)


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /health HTTP/1.1\r\nhost: x\r\nbomb: " + b"a" * 200_000 + b"\r\n\r\n",
        b"GET /health HTTP/1.1\r\nhost: x\r\nbomb: " + b"a" * 200_000,
        b"GET /health HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 20_000 + b"\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
    ids=["a long header", "a header without end", "many headers", "a long path"],
)
def test_header_bombs(server: Server, request_: bytes) -> None:
    assert talk(server, request_).startswith(b"HTTP/1.1 431 ")
    assert server.get("/health").status == 200


CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "endless",
    [
        CHUNKED + b"0\r\nbomb: " + b"a" * 2_000_000,
        CHUNKED + b"0\r\n" + b"a: b\r\n" * 300_000,
        CHUNKED + b"f;" + b"a" * 2_000_000,
    ],
    ids=["a trailer", "trailers", "an extension"],
)
def test_a_chunked_body_without_end(server: Server, endless: bytes) -> None:
    began = time.monotonic()
    received = talk(server, endless)  # b"": the connection was reset before we had read it
    assert received == b"" or received.startswith(b"HTTP/1.1 431 ")
    assert time.monotonic() - began < 10  # it was not the clock that ended it


def test_blank_lines_do_not_keep_the_connection(impatient: Server) -> None:
    request = HEAD + b"content-length: 15\r\n\r\n" + BODY
    received = talk(impatient, request, b"\r\n")
    assert received.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in received


HASTY = """
import uvicorn
config = uvicorn.Config
uvicorn.Config = lambda *args, **more: config(*args, **more | {"timeout_keep_alive": 1})
"""


def test_a_refusal_before_its_body_does_not_keep_the_connection(
    start: Callable[..., Any], frida: Path
) -> None:
    """Nor does it end it: the next request on it is answered."""
    length = b"content-length: 15\r\n\r\n"
    refused = HEAD.replace(b"/embed", b"/absent") + length
    with start(frida, main=HASTY + MAIN) as server:
        received = talk(server, refused, BODY, HEAD + length + BODY)
        assert received.startswith(b"HTTP/1.1 404 ")
        assert b"HTTP/1.1 200 " in received
        assert talk(server, refused, BODY).count(b"HTTP/1.1 ") == 1


@pytest.fixture(scope="module")
def wordy(start: Callable[..., Any], bundles: Path) -> Iterator[Server]:
    """Its answers are of megabytes, more than the sockets' buffers take."""
    with start(bundles / "minilm", "--request-timeout", "0.5") as server:
        yield server


def ask_for_megabytes(server: Server) -> tuple[socket.socket, int]:
    """A connection with an answer that has begun, and the bytes that it will have."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(20)
    connection.connect(server.address)
    return connection, ask_for_vectors(connection, 8)


def ask_for_vectors(connection: socket.socket, texts: int) -> int:
    """Ask for those of all tokens; waits for the answer's head, and gives the answer's bytes."""
    body = json.dumps({"inputs": ["one two three four five six seven " * 40] * texts}).encode()
    head = HEAD.replace(b"/embed", b"/embed_all")
    connection.sendall(head + b"content-length: %d\r\n\r\n" % len(body) + body)
    begun = connection.recv(2048, socket.MSG_PEEK | socket.MSG_WAITALL)
    head, _, _ = begun.partition(b"\r\n\r\n")
    found = re.search(rb"content-length: (\d+)", head)
    assert found is not None
    return len(head) + 4 + int(found[1])


def test_an_answer_that_is_not_read_is_given_up(wordy: Server) -> None:
    connection, size = ask_for_megabytes(wordy)
    with connection:
        open_files = Path(f"/proc/{wordy.process.pid}/fd")
        before = len(list(open_files.iterdir()))
        deadline = time.monotonic() + 20
        while len(list(open_files.iterdir())) == before:
            assert time.monotonic() < deadline, "the connection stays"
            time.sleep(0.1)
        received = 0
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(65536):
                received += len(chunk)
    assert received < size


def test_an_answer_that_is_read_slowly_comes_whole(wordy: Server) -> None:
    connection, size = ask_for_megabytes(wordy)
    received = 0
    with connection:
        began = time.monotonic()
        while received < size:
            chunk = connection.recv(min(65536, size - received))
            assert chunk, f"ended after {received} of {size} bytes"
            received += len(chunk)
            if time.monotonic() - began < 3:  # for several times as long as a request may take
                time.sleep(0.05)
    assert received == size


def test_a_longer_answer_after_another_comes_whole(
    start: Callable[..., Any], bundles: Path
) -> None:
    """What is unsent of it is no sign that nothing was taken of the one before."""
    with (
        start(bundles / "minilm", "--request-timeout", "4") as server,
        socket.create_connection(server.address, timeout=20) as connection,
    ):
        for texts, pause in ((5, 0.0), (16, 0.02)):  # the second one while the clock of the first
            size = ask_for_vectors(connection, texts)  # runs out
            while size:
                chunk = connection.recv(min(65536, size))
                assert chunk, f"ended {size} bytes before the end"
                size -= len(chunk)
                time.sleep(pause)


def test_a_client_that_goes_away_leaves_no_work(start: Callable[..., Any], bundles: Path) -> None:
    body = b'{"input": [' + b",".join([b'"' + b"word " * 250 + b'"'] * 600) + b"]}"
    with start(bundles / "minilm", "--json-output") as server:
        with socket.create_connection(server.address, timeout=10) as connection:
            head = b"POST /v1/embeddings HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"
            connection.sendall(head % len(body) + body)
            while b"te_queue_size 0" in server.get("/metrics").body:
                pass  # until it is in work
        while b"te_queue_size 0" not in server.get("/metrics").body:
            pass  # hundreds of texts would take far longer than a test may
        failures = server.get("/metrics").body
        assert b'te_request_failure{err="client_gone"} 1.0' in failures
