"""Folders, here or in an object store, through pyarrow's file systems."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from edgembed.corpus.arrow import pa, pa_fs
from edgembed.errors import ArgumentError
from edgembed.replacing import replacing


class File(NamedTuple):
    """A file: its name under the place's root, bytes, and when it was last changed."""

    name: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Place:
    """A folder. Goes to other processes as it is; credentials are those of the environment."""

    filesystem: Any
    root: str

    @classmethod
    def at(cls, uri: str) -> Place:
        """A path, or a URI of a scheme that pyarrow knows (s3, gs, abfs, hdfs, file)."""
        if "://" not in uri:
            return cls(pa_fs.LocalFileSystem(), str(Path(uri).absolute()))
        try:
            filesystem, root = pa_fs.FileSystem.from_uri(uri)
        except (pa.ArrowException, ValueError, NotImplementedError) as error:
            raise ArgumentError(
                f"{uri} cannot be opened ({error}): give a path, or a URI of s3, gs, abfs or hdfs"
            ) from error
        return cls(filesystem, root.rstrip("/"))

    @property
    def local(self) -> bool:
        """Whether it is a folder of this machine's file system."""
        return bool(self.filesystem.type_name == "local")

    def path(self, name: str) -> str:
        """A file's whole path in its file system."""
        return f"{self.root}/{name}"

    def is_file(self) -> bool:
        """Whether the root is one file, and no folder."""
        return bool(self.filesystem.get_file_info(self.root).type == pa_fs.FileType.File)

    def holds(self, other: Place) -> bool:
        """Whether another place is this one or below it, by whatever name."""
        own, its = (os.path.realpath(p.root) if p.local else p.root for p in (self, other))
        return self.local == other.local and f"{its}/".startswith(f"{own}/")

    def files(self) -> list[File]:
        """All files below, in the order of their names."""
        selector = pa_fs.FileSelector(self.root, allow_not_found=True, recursive=True)
        found = [
            File(info.path[len(self.root) + 1 :], info.size, info.mtime_ns or 0)
            for info in self.filesystem.get_file_info(selector)
            if info.type == pa_fs.FileType.File
        ]
        return sorted(found)

    def open(self, name: str) -> Any:
        """A file to read at random."""
        return self.filesystem.open_input_file(self.path(name))

    def read(self, name: str) -> bytes:
        """A whole file."""
        with self.open(name) as stream:
            return bytes(stream.read())

    def write(self, name: str, data: Any) -> None:
        """Put bytes in their place in one step: a reader sees the old file or the new, whole."""
        if not self.local:  # there an object appears when its upload is complete
            with self.filesystem.open_output_stream(self.path(name)) as stream:
                stream.write(data)
            return
        path = Path(self.path(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(data)

    def lock(self, name: str) -> Any:
        """Hold a lock file until the process ends; ArgumentError where another one does.

        The system gives it up when a process is killed. Object stores have none, and Windows has
        other means: there two runs at once do the same work twice, and the output is the same.
        """
        try:
            import fcntl
        except ImportError:
            return None
        if not self.local:
            return None
        path = Path(self.path(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("ab")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            handle.close()
            raise ArgumentError(
                f"another process is writing to {self.root}: wait for it, or stop it"
            ) from error
        return handle

    def sweep(self, patterns: Sequence[str]) -> None:
        """Remove what a killed process left of files that were not in their places yet."""
        for pattern in patterns if self.local else ():
            for path in Path(self.root).glob(pattern):
                path.unlink(missing_ok=True)
