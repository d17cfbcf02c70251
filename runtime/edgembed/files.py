"""Opening the files of a bundle: plain ones only, each once, and never by name again."""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO

from edgembed.errors import BundleError, BundleNotFoundError, IntegrityError

REMEDY = "export or download the bundle again"
_NO_LINKS = "links are not followed: copy the bundle with its files, not with links to them"
_SMALL = 2**20
# A link is not followed, and a pipe in a file's place does not make us wait.
_FLAGS = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY")
)
_PACKAGE = ("__init__.py", "__pycache__")
_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH

Content = bytes | mmap.mmap
Stamp = tuple[int, ...]


def read(path: Path, name: str, size: int, copy: bool = False) -> Content:
    """A file's content, which must be of that many bytes; large ones are mapped, or copied."""
    with _open(path, name) as file:
        found = os.fstat(file.fileno()).st_size
        if found != size:
            raise IntegrityError(f"{name} has {found} bytes instead of {size}: {REMEDY}")
        if size < _SMALL or copy:
            return file.read(size)  # a file that grows meanwhile is not read to its new end
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def read_small(path: Path, name: str, most: int) -> bytes:
    """A file of unknown but bounded size."""
    with _open(path, name) as file:
        if os.fstat(file.fileno()).st_size > most:
            raise IntegrityError(f"{path} is over {most} bytes; {REMEDY}")
        return file.read(most)


def check_size(path: Path, name: str, size: int) -> None:
    """As `read`, without reading."""
    with _open(path, name) as file:
        found = os.fstat(file.fileno()).st_size
    if found != size:
        raise IntegrityError(f"{name} has {found} bytes instead of {size}: {REMEDY}")


def stamp(path: Path) -> Stamp:
    """What changes when a file is written to; empty where it is gone."""
    try:
        info = path.lstat()
    except OSError:
        return ()
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns


def was_written_to(before: Stamp, after: Stamp) -> bool:
    """Whether it is the same file, not the same any more; another one in its place is no harm."""
    return before[:2] == after[:2] and before != after


def unexpected(folder: Path, known: Collection[str]) -> Iterator[BundleError]:
    """What stands in a bundle and is none of its files.

    This runtime would not read it, but other people's tools prefer some names to those of a
    bundle. Names that begin with a dot are left alone: version control, downloaders and desktops
    keep things there. So is what makes a folder a package, which `Embedder.from_package` loads.
    """
    folders = {parent for name in known for parent in _parents(name)}
    for where in sorted(folders):
        try:
            entries = sorted(os.scandir(folder / where), key=lambda entry: entry.name)
        except OSError:  # a missing folder is said where its files are looked for
            continue
        for entry in entries:
            name = f"{where}/{entry.name}" if where else entry.name
            if entry.name.startswith(".") or name in (*known, *_PACKAGE):
                continue
            if name not in folders:
                said = "is in the bundle, but not in its manifest: take it out, or"
                yield IntegrityError(f"{name!r} {said} {REMEDY}")
            elif entry.is_symlink():
                yield IntegrityError(f"{name} is a link: {_NO_LINKS}")


def _parents(name: str) -> Iterator[str]:
    yield ""
    parts = name.split("/")[:-1]
    for count in range(len(parts)):
        yield "/".join(parts[: count + 1])


def _open(path: Path, name: str) -> BinaryIO:
    """The open file, if it is a plain one of its own."""
    try:
        if path.is_symlink():  # where the system has no O_NOFOLLOW
            raise IntegrityError(f"{name} is not a plain file ({_NO_LINKS})")
        descriptor = os.open(path, _FLAGS)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BundleNotFoundError(f"{name} is missing from the bundle: {REMEDY}") from error
    except OSError as error:
        said = error.strerror or str(error)
        raise IntegrityError(f"{name} is not a plain file that can be read ({said})") from error
    try:
        _check_plain(os.fstat(descriptor), name)
    except BundleError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def _check_plain(info: os.stat_result, name: str) -> None:
    if not stat.S_ISREG(info.st_mode):
        raise IntegrityError(f"{name} is not a plain file ({_NO_LINKS})")
    if info.st_nlink > 1 and info.st_mode & _WRITABLE:
        raise IntegrityError(
            f"{name} has {info.st_nlink} names (hard links), so it can be written to from "
            "elsewhere: copy the bundle, or make its files read-only"
        )
