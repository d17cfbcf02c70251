"""results.json: sections are replaced whole, so a stage run again cannot mix two runs' figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class Results:
    """The results so far, written after every stage."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.data: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}

    def put(self, update: dict[str, Any], depth: int = 3) -> None:
        """Merge nested sections down to `depth` levels; below that, replace."""
        _merge(self.data, update, depth)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(self.data, indent=1) + "\n")


def _merge(into: dict[str, Any], update: dict[str, Any], depth: int) -> None:
    for key, value in update.items():
        if depth > 1 and isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value, depth - 1)
        else:
            into[key] = value
