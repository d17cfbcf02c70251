"""Turns of load, and what a server adds to an encode in process."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from servers import Server, ServerError, body

from edgembed import Embedder

_SCRIPT = Path(__file__).with_name("post.lua")


def lowest_cosine(
    server: Server, texts: Sequence[str], reference: npt.NDArray[np.float32]
) -> float:
    """Of a server's vectors with torch's. ServerError where it does other work."""
    vectors = np.concatenate([server.vectors([text]) for text in texts])
    norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(reference, axis=1)
    lowest = float(((vectors * reference).sum(axis=1) / norms).min())
    if lowest < server.peer.lowest_cosine:
        raise ServerError(f"{server.peer.name} gives other vectors: cosine {lowest:.5f}")
    return lowest


def turn(server: Server, bodies: Path, clients: int, seconds: float) -> dict[str, float]:
    """A few seconds of `clients` connections that ask as fast as they are answered."""
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds:g}s", "--timeout", "30s"]
    began, busy, own = server.cpu_seconds(), _busy_seconds(), _children_seconds()
    done = subprocess.run(
        [*command, "-s", str(_SCRIPT), server.url, "--", str(bodies)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if told["errors"] or not told["requests"]:
        raise ServerError(f"{server.peer.name}, {clients} clients: {told}")
    took = server.cpu_seconds() - began
    others = _busy_seconds() - busy - took - (_children_seconds() - own)
    return {
        "requests_per_second": told["requests"] / told["seconds"],
        "p50_ms": told["p50_ms"],
        "p99_ms": told["p99_ms"],
        "cpu_ms_per_request": 1000 * took / told["requests"],
        "others_cpus": max(0.0, others / told["seconds"]),
    }


class Added(NamedTuple):
    """Milliseconds of each encode in process and of each request, and of CPU time, on average."""

    encode: list[float]
    request: list[float]
    encode_cpu: float
    request_cpu: float


def added(server: Server, model: Embedder, texts: Sequence[str], pairs: int) -> Added:
    """An encode and a request in turn, of the same text, after a tenth of warm-up."""
    encode, request, encode_cpu = [], [], 0.0
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(pairs // 10):
            model.encode(texts[0])
            _ask(connection, server.peer.path, body(texts[:1]))
        server_began = server.cpu_seconds()
        for text in islice(cycle(texts), pairs):
            began, cpu_began = perf_counter(), process_time()
            model.encode(text)
            encode_cpu += process_time() - cpu_began
            between = perf_counter()
            _ask(connection, server.peer.path, body([text]))
            encode.append(1000 * (between - began))
            request.append(1000 * (perf_counter() - between))
        request_cpu = server.cpu_seconds() - server_began
    return Added(encode, request, 1000 * encode_cpu / pairs, 1000 * request_cpu / pairs)


def _ask(connection: socket.socket, path: str, sent: bytes) -> bytes:
    """One request on an open connection, without what a client library adds to it."""
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    connection.sendall(f"{head}content-length: {len(sent)}\r\n\r\n".encode() + sent)
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    headers, _, answer = received.partition(b"\r\n\r\n")
    length = int(headers.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(answer) < length:
        answer += connection.recv(65536)
    if b" 200 " not in headers[:20]:
        raise ServerError(answer.decode())
    return answer


def _busy_seconds() -> float:
    """Of all CPUs, whoever was at work."""
    user, nice, system, _, _, irq, soft, steal = map(
        int, Path("/proc/stat").read_text().split()[1:9]
    )
    return (user + nice + system + irq + soft + steal) / int(os.sysconf("SC_CLK_TCK"))


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
