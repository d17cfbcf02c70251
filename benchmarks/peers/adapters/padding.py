"""What an adapter of a bare engine needs around it: ids, batches by length, mean pooling.

This is what a competent user would write around CTranslate2, onnxruntime or OpenVINO, so that a
bare engine is not made to look slow by what stands around it. No torch, no transformers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]
MAX_TOKENS = 512


def load_tokenizer(folder: str) -> Any:
    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


def embed(
    tokenizer: Any,
    texts: Sequence[str],
    batch_size: int,
    run: Callable[[list[list[int]]], Float32],
) -> Float32:
    """Batches of neighbouring lengths through `run` (ids -> hidden), mean, norm 1, input order."""
    rows = [encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts))]
    order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
    pooled: list[Any] = [None] * len(rows)
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        hidden = run([rows[index] for index in batch])
        for index, states in zip(batch, hidden, strict=True):
            pooled[index] = states[: len(rows[index])].mean(axis=0)
    vectors: Float32 = np.array(pooled, np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def padded(rows: list[list[int]]) -> tuple[Int64, Int64]:
    """ids and mask, (batch, longest) int64."""
    ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
    mask = np.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = row
        mask[index, : len(row)] = 1
    return ids, mask
