"""What can be compared: a bundle, a server, and whatever else an installed package can load.

The export package adds checkpoint folders, by an entry point: this package knows nothing of torch.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

from edgembed.errors import ArgumentError, BundleNotFoundError, MissingExtraError
from edgembed.manifest import DTYPES, FILE_NAME
from edgembed.pooling import Float32
from edgembed.prompts import text_asked_for

PLUGINS = "edgembed.comparable"


class Side(Protocol):
    """One of the two: texts in, vectors out."""

    @property
    def name(self) -> str:
        """What tables and plots call it."""

    def encode(self, texts: Sequence[str], prompt: str | None) -> Float32:
        """(n, dim) float32. prompt: a name, a text, "" for none, None for its own default."""


@dataclass(frozen=True)
class Options:
    """What is the same for both."""

    threads: int | None = None


def open_side(spec: str, options: Options) -> Side:
    """A side by what the user calls it: FOLDER, FOLDER:int8, FOLDER:float32, or a URL.

    ArgumentError, BundleError or MissingExtraError where it cannot be loaded.
    """
    if spec.startswith(("http://", "https://")):
        from edgembed.compare.server import Server

        return Server(spec, os.environ.get("EDGEMBED_API_KEY"))
    folder, dtype = _split(spec)
    if (folder / FILE_NAME).is_file():
        return Bundle(folder, dtype, options)
    if not folder.is_dir():
        raise BundleNotFoundError(
            f"{spec!r} is no folder and no URL: give a bundle (with :int8 or :float32 behind it to "
            "choose), a checkpoint's folder, or a server's http://..."
        )
    if dtype is not None:
        raise ArgumentError(f"{folder} has no {FILE_NAME}, so it is no bundle that has a dtype")
    return _plugin("checkpoint", folder)


class Bundle:
    """An exported bundle, in one dtype."""

    def __init__(self, folder: Path, dtype: str | None, options: Options) -> None:
        """Load it; see Embedder for the errors."""
        from edgembed.embedder import Embedder

        self._model = Embedder(folder, dtype=dtype, threads=options.threads)
        self.name = f"{folder.name or folder} ({self._model.dtype})"

    def encode(self, texts: Sequence[str], prompt: str | None) -> Float32:
        """See Side."""
        if prompt is not None:
            prompt = text_asked_for(self._model.prompts, prompt)
        vectors: Float32 = self._model.encode(list(texts), prompt=prompt)
        return vectors


def _split(spec: str) -> tuple[Path, str | None]:
    folder, _, dtype = spec.rpartition(":")
    if folder and dtype in DTYPES and not Path(spec).exists():
        return Path(folder), dtype
    return Path(spec), None


def _plugin(name: str, folder: Path) -> Side:
    missing = MissingExtraError(
        f"{folder} is no bundle, and to load it as a {name} takes torch: "
        "pip install 'edgembed[export]'"
    )
    plugins = tuple(entry_points(group=PLUGINS, name=name))
    if not plugins:
        raise missing
    try:
        side: Side = plugins[0].load()(folder)
    except ImportError as error:
        raise missing from error
    return side
