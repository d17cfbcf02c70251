"""SIGTERM: what was accepted is answered, what comes after is refused, and the process ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgembed import Embedder
from serving import MAIN, Server

WORDS = "one two three four five six seven eight nine ten " * 8


def in_work(server: Server) -> bool:
    return b"te_queue_size 0.0" not in server.get("/metrics").body


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_accepted_requests_are_answered(
    start: Callable[..., Any],
    bundles: Path,
    embedder: Callable[..., Embedder],
    number: signal.Signals,
) -> None:
    texts = [f"{WORDS} {index}" for index in range(24)]
    with start(bundles / "minilm") as server, ThreadPoolExecutor(4) as executor:
        asked = [executor.submit(server.post, "/embed", {"inputs": texts}) for _ in range(4)]
        while not in_work(server):
            time.sleep(0.01)
        server.process.send_signal(number)
        assert server.process.wait(10) == 0
        expected = embedder("minilm", "int8").encode(texts).tobytes()
        for answer in (future.result() for future in asked):
            assert answer.status == 200
            assert np.array(answer.json, np.float32).tobytes() == expected
        with pytest.raises(ConnectionRefusedError):
            server.get("/health")


def test_resting_and_unfinished_connections_do_not_hold_it_up(
    start: Callable[..., Any], frida: Path
) -> None:
    with start(frida) as server:
        resting = socket.create_connection(server.address)
        unfinished = socket.create_connection(server.address)
        unfinished.sendall(b"POST /embed HTTP/1.1\r\nhost: x\r\n")
        assert server.get("/health").status == 200
        with resting, unfinished:
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(5) == 0


def test_a_request_that_does_not_come_to_its_end_is_refused(
    start: Callable[..., Any], frida: Path
) -> None:
    with (
        start(frida, "--drain-time", "0.1") as server,
        socket.create_connection(server.address, timeout=20) as connection,
    ):
        connection.sendall(b"POST /embed HTTP/1.1\r\nhost: x\r\ncontent-length: 15\r\n\r\n{")
        assert server.get("/health").status == 200
        server.process.send_signal(signal.SIGTERM)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
        _refused(received)
        assert server.process.wait(5) == 0
        assert not any("ASGI" in line for line in server.lines)


def test_a_second_interrupt_ends_it_at_once(start: Callable[..., Any], bundles: Path) -> None:
    body = json.dumps({"inputs": [WORDS * 4] * 2000}).encode()  # minutes of work
    limits = {"PAYLOAD_LIMIT": "10000000", "MAX_CLIENT_BATCH_SIZE": "2000"}
    with (
        start(bundles / "minilm", "--drain-time", "60", **limits) as server,
        socket.create_connection(server.address, timeout=20) as connection,
    ):
        head = b"POST /embed HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
        connection.sendall(head + body)
        while not in_work(server):
            time.sleep(0.01)
        for _ in range(2):
            server.process.send_signal(signal.SIGINT)
            time.sleep(0.5)  # two at once are one
        _refused(b"".join(iter(lambda: connection.recv(65536), b"")))
        assert server.process.wait(15) == 0


def _refused(received: bytes) -> None:
    assert received.startswith(b"HTTP/1.1 503 "), received
    assert b"\r\nretry-after: 1\r\n" in received
    assert b'"error_type":"Unhealthy"' in received


EARLY = """
import os, uvicorn
run = uvicorn.Server.run
def run_after_the_signal(self, sockets=None):
    os.kill(os.getpid(), int(os.environ["NUMBER"]))
    run(self, sockets)
uvicorn.Server.run = run_after_the_signal
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_just_after_the_start_is_not_lost(frida: Path, number: signal.Signals) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", EARLY + MAIN, "serve", str(frida), "--port", "0"],
        env={**os.environ, "NUMBER": str(int(number))},
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.rstrip().endswith("stopped")


def test_work_that_would_take_too_long_is_given_up(
    start: Callable[..., Any], bundles: Path
) -> None:
    texts = [WORDS * 4] * 2000  # minutes of work
    limits = {"PAYLOAD_LIMIT": "10000000"}
    flags = ["--drain-time", "1"]
    with start(bundles / "minilm", *flags, **limits) as server, ThreadPoolExecutor(1) as executor:
        asked = executor.submit(server.post, "/v1/embeddings", {"input": texts})
        while not in_work(server):
            time.sleep(0.01)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        try:
            assert server.process.wait(15) == 0
        except subprocess.TimeoutExpired:
            pytest.fail(f"still there after {time.monotonic() - began:.0f} s")
        answer = asked.result()
        assert answer.status == 503
        assert answer.json["error"]["code"] == "unavailable"
        assert "retry-after" in answer.headers
