"""CTranslate2's Encoder with a bare tokenizer: no torch at run time."""

from __future__ import annotations

from typing import Any

import ctranslate2
import numpy as np

from adapters.padding import embed, load_tokenizer


class Adapter:
    def __init__(self, folder: str, threads: int, options: dict[str, Any]) -> None:
        self._tokenizer = load_tokenizer(folder)
        self._encoder = ctranslate2.Encoder(
            folder,
            compute_type=options["compute_type"],
            intra_threads=threads,
            inter_threads=options.get("replicas", 1),
        )

    def encode(self, texts: list[str], batch_size: int) -> Any:
        return embed(self._tokenizer, texts, batch_size, self._run)

    def _run(self, rows: list[list[int]]) -> Any:
        return np.asarray(self._encoder.forward_batch(rows).last_hidden_state)
