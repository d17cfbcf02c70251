"""A checkpoint's folder as one side of `edgembed compare` (an entry point in pyproject.toml)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgembed.pooling import Float32
from edgembed.prompts import text_asked_for
from edgembed_export.checkpoint import check_modules
from edgembed_export.quiet import quiet


class Checkpoint:
    """sentence-transformers on torch, float32; texts of neighbouring lengths run together."""

    def __init__(self, folder: Path) -> None:
        """Load it; no code of the checkpoint's own is run, and nothing is fetched.

        CheckpointError where it would be.
        """
        check_modules(folder)
        import torch
        from sentence_transformers import SentenceTransformer

        with quiet():
            self._model: Any = SentenceTransformer(
                str(folder),
                device="cpu",
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"dtype": torch.float32},
            )
        self.name = f"{folder.name or folder} (torch)"

    def encode(self, texts: Sequence[str], prompt: str | None) -> Float32:
        """(n, dim) float32; see edgembed.compare.sides.Side."""
        if prompt is not None:  # also by its prefix, as a bundle of the same model knows it
            prompt = text_asked_for(self._model.prompts, prompt)
        vectors = self._model.encode(list(texts), prompt=prompt, show_progress_bar=False)
        return np.asarray(vectors, np.float32)
