"""Sentences from files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def load_lines(files: Sequence[Path]) -> list[str]:
    """Distinct non-empty lines of the files, in order."""
    lines = [line.strip() for file in files for line in file.read_text("utf-8").splitlines()]
    return list(dict.fromkeys(line for line in lines if len(line) > 20))
