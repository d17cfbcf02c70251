"""What the Python clients share: read requests, write answers.

A client runs once for all requests, because importing it takes longer than embedding.
"""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np


def answer(embed: Callable[[dict[str, Any]], Any]) -> None:
    """Each request of the file argv[1] through `embed`; (n, dim) arrays, in order, to argv[2]."""
    requests = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    np.savez(sys.argv[2], *[np.asarray(embed(request)) for request in requests])


def batches(request: dict[str, Any]) -> Iterator[list[str]]:
    """The request's texts, batch_size at a time."""
    for start in range(0, len(request["texts"]), request["batch_size"]):
        yield request["texts"][start : start + request["batch_size"]]


def pooled(request: dict[str, Any], hidden: Any, mask: Any) -> Any:
    """(batch, tokens, dim) and (batch, tokens) -> (batch, dim), as the request says."""
    weights = mask[..., None].astype(np.float32)
    mean = request["pooling"] == "mean"
    vectors = (hidden * weights).sum(1) / weights.sum(1) if mean else hidden[:, 0]
    if request["normalize"]:
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors
