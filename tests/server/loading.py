"""Load on a server from other processes (load_client.py, open_load.c), and what came of it."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from edgembed import Embedder
from serving import Server

CLIENT = Path(__file__).with_name("load_client.py")
TEXTS = [f"{name} sits at the window number {index} and looks at the rain outside, as always"
         for index, name in enumerate(["The cat", "Кошка", "A dog", "Nobody"] * 8)]  # fmt: skip
Record = dict[str, Any]


def bodies(model: Embedder) -> dict[str, list[str]]:
    """Requests of one text each, and the embeddings that they must give, bit for bit."""
    vectors = np.asarray(model.encode(TEXTS), "<f4")
    return {
        "bodies": [json.dumps({"input": t, "encoding_format": "base64"}) for t in TEXTS],
        "expected": [base64.b64encode(vector.tobytes()).decode() for vector in vectors],
    }


def begin(server: Server, model: Embedder, mode: str, **job: Any) -> subprocess.Popen[str]:
    """Start a client; `finish` gives its records."""
    job |= {"mode": mode, "address": server.address, "path": "/v1/embeddings", **bodies(model)}
    client = subprocess.Popen(
        [sys.executable, str(CLIENT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert client.stdin is not None
    client.stdin.write(json.dumps(job))
    client.stdin.close()
    client.stdin = None
    return client


def finish(client: subprocess.Popen[str]) -> list[Record]:
    """What became of each request."""
    told, _ = client.communicate(timeout=300)
    assert client.returncode == 0
    records: list[Record] = json.loads(told)
    return records


def load(server: Server, model: Embedder, mode: str, **job: Any) -> list[Record]:
    """A client from beginning to end."""
    return finish(begin(server, model, mode, **job))


def crowd(
    program: Path, server: Server, model: Embedder, rate: float, seconds: float, answers: Path
) -> list[Record]:
    """So many requests a second, whatever becomes of those before: each one's record.

    program: open_load.c's. answers: a file for what it hears, so that nobody reads it meanwhile.
    """
    own = bodies(model)
    arguments = [str(program), str(server.address[1]), str(rate), str(seconds)]
    asked = "".join(f"{body}\n" for body in own["bodies"]).encode()
    with answers.open("wb") as file:
        subprocess.run(arguments, input=asked, stdout=file, check=True, timeout=seconds + 120)
    with answers.open("rb") as file:
        return [_record(line, file, own["expected"]) for line in file]


def _record(line: bytes, file: BinaryIO, expected: list[str]) -> Record:
    number, seconds, length = line.split()
    name = f"load-{int(number)}"
    record: Record = {"id": name, "status": None, "seconds": float(seconds)}
    head, _, body = file.read(int(length)).partition(b"\r\n\r\n")
    if not head:
        return record
    line, *own = head.split(b"\r\n")
    headers = dict(header.decode().split(": ", 1) for header in own)
    assert len(body) == int(headers["content-length"])
    record |= {"status": int(line.split()[1]), "retry_after": headers.get("retry-after")}
    record["echoed"] = headers.get("x-request-id") == name
    if record["status"] == 200:
        got = json.loads(body)["data"][0]["embedding"]
        record["right"] = got == expected[int(number) % len(expected)]
    return record


def by_status(records: list[Record]) -> Counter[Any]:
    """How many requests ended in which way."""
    return Counter(record["status"] for record in records)


def percentile(records: list[Record], status: int, q: float) -> float:
    """Milliseconds that requests of that status took."""
    return 1000 * float(np.percentile([r["seconds"] for r in records if r["status"] == status], q))
