"""Load on a server from another process (load_client.py), and what came of it."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

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


def by_status(records: list[Record]) -> Counter[Any]:
    """How many requests ended in which way."""
    return Counter(record["status"] for record in records)


def percentile(records: list[Record], status: int, q: float) -> float:
    """Milliseconds that requests of that status took."""
    return 1000 * float(np.percentile([r["seconds"] for r in records if r["status"] == status], q))
