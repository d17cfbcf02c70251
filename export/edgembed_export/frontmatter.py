"""A checkpoint's model card: what its front matter says."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def front_matter(folder: Path) -> dict[str, Any]:
    """README.md's front matter; {} where there is none that can be read."""
    from huggingface_hub.repocard import metadata_load

    try:
        return dict(metadata_load(folder / "README.md") or {})
    except Exception:  # a card is for people: whatever is wrong in it must not stop an export
        return {}
