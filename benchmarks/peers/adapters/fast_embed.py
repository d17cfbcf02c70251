"""fastembed with a custom model from a local folder (no hub)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from fastembed import TextEmbedding
from fastembed.common.model_description import ModelSource, PoolingType


class Adapter:
    def __init__(self, folder: str, threads: int, options: dict[str, Any]) -> None:
        dimension = json.loads(Path(folder, "config.json").read_text())["hidden_size"]
        TextEmbedding.add_custom_model(
            model="local/model",
            pooling=PoolingType.MEAN,
            normalization=True,
            sources=ModelSource(hf="local/model"),
            dim=dimension,
            model_file=options["file"],
        )
        self._model = TextEmbedding(
            "local/model", cache_dir=folder, threads=threads, specific_model_path=folder
        )

    def encode(self, texts: list[str], batch_size: int) -> Any:
        return np.array(list(self._model.embed(texts, batch_size=batch_size)))
