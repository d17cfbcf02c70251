"""edgembed itself: Embedder on an exported bundle."""

from __future__ import annotations

from typing import Any

from edgembed import Embedder


class Adapter:
    def __init__(self, folder: str, threads: int, options: dict[str, Any]) -> None:
        self._model = Embedder(folder, dtype=options["dtype"], threads=threads)

    def encode(self, texts: list[str], batch_size: int) -> Any:
        return self._model.encode(texts, prompt="", batch_size=batch_size)
