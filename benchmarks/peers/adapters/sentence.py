"""sentence-transformers: the torch backend (the reference of every cosine) and the onnx one."""

from __future__ import annotations

from typing import Any

import torch
from sentence_transformers import SentenceTransformer


class Adapter:
    def __init__(self, folder: str, threads: int, options: dict[str, Any]) -> None:
        torch.set_num_threads(threads)
        backend, more = options["backend"], {}
        if backend == "onnx":
            import onnxruntime

            session = onnxruntime.SessionOptions()
            session.intra_op_num_threads = threads
            more = {
                "model_kwargs": {
                    "provider": "CPUExecutionProvider",
                    "file_name": "model.onnx",
                    "session_options": session,
                    "export": False,
                }
            }
        if "dtype" in options:
            more = {"model_kwargs": {"dtype": getattr(torch, options["dtype"])}}
        self._model = SentenceTransformer(folder, backend=backend, device="cpu", **more)

    def encode(self, texts: list[str], batch_size: int) -> Any:
        return self._model.encode(
            texts,
            prompt="",
            batch_size=batch_size,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
