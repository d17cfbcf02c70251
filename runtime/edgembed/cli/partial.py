"""Vectors that are finished already, in a file beside the output: what --resume goes on from.

The file is one line that says which run it belongs to, then the vectors as float32 in the order of
the input. A row is there when all its bytes are, so a process that is killed at any moment leaves
whole rows and at most a piece of one, which is written over. The output is made of them at the
end, and takes its place in one step.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from edgembed.errors import ArgumentError
from edgembed.replacing import naming, replacing

if TYPE_CHECKING:
    from edgembed.pooling import Float32


class Partial:
    """The finished vectors of one run, OUT.partial."""

    def __init__(self, out: Path, run: dict[str, Any], dimension: int) -> None:
        """Begin, or find what an earlier process of the same run left.

        run: all that decides the vectors. ArgumentError where the file belongs to another run.
        """
        self._out, self._dimension = out, dimension
        self._path = out.with_name(out.name + ".partial")
        self._head = json.dumps({"edgembed": "partial vectors", **run}).encode() + b"\n"
        self._row = dimension * 4
        left = self._left()
        if not left.startswith(self._head):
            if not self._head.startswith(left):
                raise ArgumentError(
                    f"{self._path} is from another run (other texts, bundle or options): finish "
                    "that run with what it was started with, or remove the file"
                )
            self._path.write_bytes(self._head)

    @property
    def done(self) -> int:
        """Vectors that are there in full."""
        return (self._path.stat().st_size - len(self._head)) // self._row

    def extend(self, vectors: Iterable[Float32]) -> None:
        """Put vectors of (dimension,) behind those that are there, each as it comes."""
        place = len(self._head) + self.done * self._row
        with naming(self._path), self._path.open("r+b") as file:
            file.seek(place)
            for vector in vectors:
                file.write(vector.astype("<f4").tobytes())
                file.flush()

    def publish(self, write: Callable[[BinaryIO, Float32], None]) -> None:
        """Write the output from all vectors, (n, dim), put it in its place, and clean up."""
        with replacing(self._out) as stream:
            write(stream, self._vectors())
        self._path.unlink(missing_ok=True)  # another process of the same run may have been first

    def _left(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                return file.read(len(self._head))
        except FileNotFoundError:
            return b""

    def _vectors(self) -> Float32:
        if not self.done:  # no mapping of nothing
            return np.zeros((0, self._dimension), np.float32)
        shape = (self.done, self._dimension)
        return np.memmap(self._path, "<f4", "r", len(self._head), shape)


def digest(texts: Iterable[str]) -> str:
    """SHA-256 of texts, in their order."""
    hashed = hashlib.sha256()
    for text in texts:
        hashed.update(json.dumps(text).encode() + b"\n")
    return hashed.hexdigest()
