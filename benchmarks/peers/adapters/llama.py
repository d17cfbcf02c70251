"""llama.cpp through the xllamacpp wheel: its in-process server, no sockets."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xllamacpp


class Adapter:
    def __init__(self, folder: str, threads: int, options: dict[str, Any]) -> None:
        settings = xllamacpp.CommonParams()
        settings.model.path = f"{folder}/{options['file']}"
        settings.embedding = True
        settings.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
        settings.n_ctx = settings.n_batch = settings.n_ubatch = 512
        settings.n_parallel = 1
        settings.verbosity = -1
        settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = threads
        self._server = xllamacpp.Server(settings)

    def encode(self, texts: list[str], batch_size: int) -> Any:
        rows: list[Any] = []
        for start in range(0, len(texts), batch_size):
            answer = self._server.handle_embeddings({"input": texts[start : start + batch_size]})
            answer = json.loads(answer) if isinstance(answer, str) else answer
            rows += [item["embedding"] for item in answer["data"]]
        return np.array(rows, np.float32)
