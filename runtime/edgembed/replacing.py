"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_FLAGS = (
    os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
)
_RANDOM = re.compile("[0-9a-f]{8}")  # what ends the name of a file that is being written


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
    if _takes_bytes(path):
        return
    handle, new = _beside(path.resolve())
    os.close(handle)
    new.unlink(missing_ok=True)  # another writer may have swept it away


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` when the block ends well, and leaves no trace else.

    Until then it stands beside it as .NAME.new-XXXXXXXX, locked. What a kill left behind is locked
    no more: the next that writes to `path` takes it away. A link is followed, and its file
    replaced; a device or a pipe is no file that could be replaced, and is written to.
    IsADirectoryError where a folder stands there.
    """
    if _takes_bytes(path):
        with naming(path), path.open("wb") as stream:
            yield stream
        return
    mode = _mode(path)
    path = path.resolve()
    handle, new = _beside(path)
    try:
        with _held(handle):
            _sweep(path)
            with naming(path), os.fdopen(handle, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            if mode is not None:  # who may read it is not ours to change
                new.chmod(stat.S_IMODE(mode))
            new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def _mode(path: Path) -> int | None:
    """What stands there, and who may read it; None where nothing does."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def _takes_bytes(path: Path) -> bool:
    """Whether a device or a pipe stands there. IsADirectoryError for a folder."""
    mode = _mode(path)
    if mode is None or stat.S_ISREG(mode):
        return False
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return True


def _beside(path: Path) -> tuple[int, Path]:
    """A new file beside `path`, open and locked."""
    while True:
        new = path.with_name(f"{_prefix(path)}{os.urandom(4).hex()}")
        try:
            # As open() makes one: umask cannot be read without changing it under other threads.
            handle = os.open(new, _FLAGS, 0o666)
        except FileExistsError:
            continue
        except OSError as error:
            error.filename = str(path)
            raise
        if _lock(handle) and _is_there(handle, new):
            return handle, new
        os.close(handle)  # another writer took it for one left behind, before it was locked


def _prefix(path: Path) -> str:
    return f".{path.name}.new-"


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
    prefix = _prefix(path)
    for entry in os.scandir(path.parent):
        own = entry.name.startswith(prefix) and _RANDOM.fullmatch(entry.name, len(prefix))
        if not own:
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


def _is_there(handle: int, new: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), new.stat())
    except FileNotFoundError:
        return False
