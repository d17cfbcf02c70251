"""Texts to calibrate and to evaluate with: a user's own file, or the built-in ones."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Literal

from edgembed_export.errors import ArgumentsError

Builtin = Literal["calibration", "evaluation"]


def read_texts(path: Path | None, builtin: Builtin) -> list[str]:
    """The non-blank lines of a UTF-8 file, or the built-in Russian and English texts.

    ArgumentsError names a file that cannot be read or holds no text.
    """
    if path is None:
        return _lines((files("edgembed_export") / "texts" / f"{builtin}.txt").read_text("utf-8"))
    try:
        texts = _lines(path.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise ArgumentsError(f"--{builtin} {path}: {error}") from error
    if not texts:
        raise ArgumentsError(f"--{builtin} {path} holds no text: give one text a line")
    return texts


def _lines(content: str) -> list[str]:
    return [line for line in content.split("\n") if line.strip()]
