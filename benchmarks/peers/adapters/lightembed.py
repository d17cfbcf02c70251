"""light-embed on the optimum export in a local folder."""

from __future__ import annotations

from typing import Any

import onnxruntime
from light_embed import TextEmbedding


class Adapter:
    def __init__(self, folder: str, threads: int, options: dict[str, Any]) -> None:
        # It has no option for threads and would take every core: the budget is given from outside.
        make = onnxruntime.SessionOptions

        def limited() -> Any:
            settings = make()
            settings.intra_op_num_threads = threads
            return settings

        onnxruntime.SessionOptions = limited
        config = {"onnx_file": options["file"], "pooling_mode": "mean", "normalize": True}
        self._model = TextEmbedding(folder, model_config=config, device="cpu")
        onnxruntime.SessionOptions = make

    def encode(self, texts: list[str], batch_size: int) -> Any:
        return self._model.encode(texts, batch_size=batch_size)
