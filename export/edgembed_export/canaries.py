"""Choosing the bundle's canaries: texts that say something of a machine with few tokens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgembed.canary import Canary
from edgembed_export.checkpoint import Checkpoint
from edgembed_export.verify import encode, load

_CANARIES = 3


def canaries(
    folder: Path, checkpoint: Checkpoint, dtypes: Sequence[str], texts: Sequence[str]
) -> tuple[Canary, ...]:
    """The shortest few texts that say something with their vectors, for the manifest."""
    by_length = sorted(dict.fromkeys(texts), key=lambda text: (len(text), text))
    chosen = [text for text in by_length if len(text) >= 12][:_CANARIES] or by_length[-_CANARIES:]
    default = checkpoint.prompts.resolve(None, None)
    full = [default + text for text in chosen]
    vectors = {dtype: encode(load(folder, dtype), full, "") for dtype in dtypes}
    return tuple(
        Canary(text, {dtype: rows[place] for dtype, rows in vectors.items()})
        for place, text in enumerate(full)
    )
