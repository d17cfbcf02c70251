"""optimum's ORTModel and transformers' tokenizer, as its documentation shows them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import torch
from optimum.onnxruntime import ORTModelForFeatureExtraction
from transformers import AutoTokenizer


class Adapter:
    def __init__(self, folder: str, threads: int, options: dict[str, Any]) -> None:
        torch.set_num_threads(threads)
        session = onnxruntime.SessionOptions()
        session.intra_op_num_threads = threads
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._model = ORTModelForFeatureExtraction.from_pretrained(
            folder, file_name=options["file"], session_options=session
        )

    def encode(self, texts: list[str], batch_size: int) -> Any:
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        vectors: list[Any] = [None] * len(texts)
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            for index, vector in zip(batch, self._run([texts[i] for i in batch]), strict=True):
                vectors[index] = vector
        return np.array(vectors)

    def _run(self, texts: list[str]) -> Any:
        inputs = self._tokenizer(
            texts, padding=True, truncation=True, max_length=512, return_tensors="np"
        )
        hidden = self._model(**inputs).last_hidden_state
        mask = inputs["attention_mask"][..., None].astype(np.float32)
        mean = (hidden * mask).sum(1) / mask.sum(1)
        return mean / np.linalg.norm(mean, axis=1, keepdims=True)
