"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_RANDOM = 8  # characters that tempfile puts into a name


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Errors of the system that name no file, such as a full disk's, name this one."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise


def check_place(path: Path) -> None:
    """OSError naming `path` where no file can stand there: to be known before hours of work."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    try:
        handle, name = _beside(path)
    except OSError as error:
        error.filename = str(path)
        raise
    os.close(handle)
    Path(name).unlink(missing_ok=True)  # another writer may have swept it away


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` when the block ends well, and leaves no trace else.

    Until then it stands beside it as .NAME.XXXXXXXX, locked. What a kill left behind is locked no
    more: the next that writes to `path` takes it away.
    """
    handle, name = _beside(path)
    try:
        with _held(handle):
            _sweep(path)
            with naming(path), os.fdopen(handle, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            umask = os.umask(0)
            os.umask(umask)
            Path(name).chmod(0o666 & ~umask)  # as open() would have made it; mkstemp's is private
            Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _beside(path: Path) -> tuple[int, str]:
    """A new file beside `path`, open and locked."""
    import tempfile  # a tenth of what --help takes

    while True:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        if _lock(handle) and _is_there(handle, name):
            return handle, name
        os.close(handle)  # another writer took it for one left behind, before it was locked


@contextlib.contextmanager
def _held(handle: int) -> Iterator[None]:
    """Keep a file's lock until it has its place: it is closed before, and would be swept away."""
    if os.name == "nt":  # no lock, and an open file cannot be renamed
        yield
        return
    again = os.dup(handle)
    try:
        yield
    finally:
        os.close(again)


def _sweep(path: Path) -> None:
    """Take away what writers of `path` that were killed left beside it."""
    prefix = f".{path.name}."
    for entry in os.scandir(path.parent):
        if not entry.name.startswith(prefix) or len(entry.name) != len(prefix) + _RANDOM:
            continue
        with contextlib.suppress(OSError):
            handle = os.open(entry.path, os.O_RDWR)
            try:
                if _lock(handle):
                    Path(entry.path).unlink()
            finally:
                os.close(handle)


def _lock(handle: int) -> bool:
    """Whether the file could be locked, which ends with its last descriptor."""
    try:
        import fcntl
    except ImportError:  # Windows deletes no open file
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_there(handle: int, name: str) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), Path(name).stat())
    except FileNotFoundError:
        return False
