"""A folder that appears whole or not at all.

Everything is written to a hidden sibling of the target first. Only what is finished takes the
target's place, in one rename; where the target exists already the two are exchanged in one system
call (Linux), so that at every moment a whole folder stands there.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextlib.contextmanager
def staging(target: Path) -> Iterator[Path]:
    """A folder to fill; when the block ends well it becomes `target`, else it is gone.

    Whether a folder that stands there may be replaced is the caller's to check, before.
    """
    target = target.absolute()
    made = _make_parents(target.parent)
    prefix = f".{target.name}.partial-"
    _sweep(target.parent, prefix)
    folder, lock = _own_folder(target.parent, prefix)
    try:
        yield folder
        umask = os.umask(0)
        os.umask(umask)
        folder.chmod(0o777 & ~umask)  # mkdtemp's folders are for their owner alone
        _flush(folder)
        _publish(folder, target)
    finally:
        os.close(lock)
        shutil.rmtree(folder, ignore_errors=True)
        for parent in made:
            with contextlib.suppress(OSError):  # not empty: the target is in it
                parent.rmdir()


def _lock(folder: Path) -> int:
    """Hold a folder for as long as this process lives, or until the descriptor is closed."""
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def _sweep(parent: Path, prefix: str) -> None:
    """Remove what processes that were killed have left; one that is running holds its folder."""
    for folder in parent.glob(f"{glob.escape(prefix)}*"):
        with contextlib.suppress(OSError):
            lock = _lock(folder)
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _own_folder(parent: Path, prefix: str) -> tuple[Path, int]:
    """A new folder and the lock that holds it."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        with contextlib.suppress(OSError):  # another process swept it before it was locked
            lock = _lock(folder)
            if folder.exists():
                return folder, lock
            os.close(lock)


def _make_parents(folder: Path) -> list[Path]:
    """Make the missing folders on the way to `folder`; returns them, innermost first."""
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _publish(folder: Path, target: Path) -> None:
    if not target.exists() or not any(target.iterdir()):
        folder.rename(target)  # replaces an empty folder as well
    elif not _exchange(folder, target):
        old = Path(tempfile.mkdtemp(prefix=f".{target.name}.old-", dir=target.parent))
        target.rename(old)
        folder.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    _flush_directory(target.parent)


def _exchange(a: Path, b: Path) -> bool:
    """Swap two folders in one step; False where the system cannot."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):  # not Linux, or a libc older than 2.28
        return False
    result: int = renameat2(_AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b), _RENAME_EXCHANGE)
    return result == 0


def _flush(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _flush_directory(folder: Path) -> None:
    # Windows cannot open folders; there a rename is as durable as it gets.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
