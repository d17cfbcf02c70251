"""SIGTERM: what was accepted is answered, what comes after is refused, and the process ends."""

from __future__ import annotations

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
