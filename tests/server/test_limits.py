"""What is refused, and that it is refused before it costs anything."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgembed import Embedder
from serving import Answer, Server

LONG = "слово и ещё слово " * 100


@pytest.fixture(scope="module")
def limited(start: Callable[..., Any], frida: Path) -> Iterator[Server]:
    variables = {"PAYLOAD_LIMIT": "2000", "MAX_CLIENT_BATCH_SIZE": "3"}
    with start(frida, **variables) as server:
        yield server


@pytest.mark.parametrize(
    ("path", "field"), [("/v1/embeddings", "input"), ("/embed", "inputs"), ("/tokenize", "inputs")]
)
def test_a_body_that_is_too_large(limited: Server, path: str, field: str) -> None:
    answer = limited.post(path, {field: "a" * 2000})
    assert answer.status == 413
    assert "2000 bytes" in str(answer.json["error"])
    assert limited.post(path, {field: "a" * 1900}).status == 200


def test_a_body_that_says_it_is_too_large_is_not_waited_for(limited: Server) -> None:
    with socket.create_connection(limited.address, timeout=10) as connection:
        head = b"POST /embed HTTP/1.1\r\nhost: x\r\ncontent-length: 999999999999\r\n\r\n{"
        connection.sendall(head)
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_chunked_body_that_is_too_large(limited: Server) -> None:
    with socket.create_connection(limited.address, timeout=10) as connection:
        connection.sendall(b"POST /embed HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        connection.sendall(b"bb8\r\n" + b" " * 3000 + b"\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_too_many_texts(limited: Server) -> None:
    assert limited.post("/embed", {"inputs": ["a"] * 3}).status == 200
    for path, body in (
        ("/embed", {"inputs": ["a"] * 4}),
        ("/similarity", {"inputs": {"source_sentence": "a", "sentences": ["a"] * 3}}),
    ):
        answer = limited.post(path, body)
        assert answer.status == 422
        assert answer.json == {
            "error": "batch size 4 > maximum allowed batch size 3",
            "error_type": "Validation",
        }
    assert limited.post("/v1/embeddings", {"input": ["a"] * 4}).status == 200


@pytest.mark.parametrize("prompt", ["", "so: "])
def test_a_text_that_is_too_long_to_tokenise(server: Server, prompt: str) -> None:
    most = 250 * server.get("/info").json["max_input_length"]
    for path, field in (
        ("/v1/embeddings", "input"),
        ("/embed", "inputs"),
        ("/embed_all", "inputs"),
        ("/tokenize", "inputs"),
        ("/playground/compare", "texts"),
    ):
        for length, status in ((most, 200), (most + 1, 400 if path == "/v1/embeddings" else 422)):
            answer = server.post(path, {field: ["." * length], "prompt": prompt})
            assert answer.status == status, (path, length)
        assert "characters: split it" in str(answer.json["error"])
        long_prompt = server.post(path, {field: "a", "prompt": "." * (most + 1)})
        assert long_prompt.status == status, path


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded"])
def test_only_json_is_taken(limited: Server, media: str) -> None:
    assert limited.post("/embed", {"inputs": "a"}, content_type=media).status == 415
    json_too = "application/json; charset=utf-8"
    assert limited.post("/embed", {"inputs": "a"}, content_type=json_too).status == 200
    packed = limited.post("/embed", {"inputs": "a"}, content_encoding="gzip")
    assert packed.status == 415


def ask_at_once(server: Server, path: str, bodies: list[Any]) -> list[Answer]:
    with ThreadPoolExecutor(len(bodies)) as executor:
        return list(executor.map(lambda body: server.post(path, body), bodies))


@pytest.mark.filterwarnings("ignore::edgembed.TruncationWarning")
def test_too_many_requests_at_once(
    start: Callable[..., Any], bundles: Path, embedder: Callable[..., Embedder]
) -> None:
    bodies = [{"input": [f"{LONG} {number}"] * 4} for number in range(12)]
    with start(bundles / "minilm", MAX_CONCURRENT_REQUESTS="2") as server:
        answers = ask_at_once(server, "/v1/embeddings", bodies)
        assert {answer.status for answer in answers} == {200, 429}
        for body, answer in zip(bodies, answers, strict=True):
            if answer.status == 429:
                assert int(answer.headers["retry-after"]) >= 1
                assert answer.json["error"]["code"] == "overloaded"
            else:
                _same(answer, embedder("minilm", "int8"), body["input"])
        again = ask_at_once(server, "/v1/embeddings", bodies[:2])
        assert [answer.status for answer in again] == [200, 200]  # all room is there again


def test_a_queue_that_is_too_long(start: Callable[..., Any], bundles: Path) -> None:
    bodies = [{"inputs": [f"{LONG} {number}"] * 8} for number in range(8)]
    with start(bundles / "minilm", MAX_QUEUE_TIME="0.05") as server:
        answers = ask_at_once(server, "/embed", bodies)
        assert {answer.status for answer in answers} == {200, 429}
        refused = next(answer for answer in answers if answer.status == 429)
        assert refused.json["error_type"] == "Overloaded"
        assert int(refused.headers["retry-after"]) >= 1
        assert server.post("/embed", bodies[0]).status == 200


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities of threads")
def test_workers_step_back_for_the_loop_that_refuses(
    start: Callable[..., Any], frida: Path
) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    with start(frida, "--threads", "3") as server:
        threads = [int(path.name) for path in Path(f"/proc/{server.process.pid}/task").iterdir()]
        nice = [os.getpriority(os.PRIO_PROCESS, thread) for thread in threads]
        assert os.getpriority(os.PRIO_PROCESS, server.process.pid) == own
    assert nice.count(min(own + 5, 19)) == 3 or own == 19


def _same(answer: Answer, model: Embedder, texts: list[str]) -> None:
    got = np.array([item["embedding"] for item in json.loads(answer.body)["data"]], np.float32)
    assert got.tobytes() == model.encode(texts).tobytes()
