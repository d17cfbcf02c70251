"""Where a bundle may be written; it appears whole or not at all (edgembed.staging)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from edgembed import ArgumentError
from edgembed import staging as files
from edgembed.bundle import check_outside
from edgembed.manifest import FILE_NAME
from edgembed_export.errors import ArgumentsError


@contextlib.contextmanager
def staging(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """A folder to fill; when the block ends well it becomes `target`, else it is gone.

    ArgumentsError where the target cannot be written, before any work is done.
    """
    check_target(target, overwrite=overwrite)
    with files.staging(target) as folder:
        yield folder


def check_target(target: Path, *, overwrite: bool) -> None:
    """Refuse a target that exists, unless it is to be overwritten and looks like a bundle."""
    target = target.absolute()
    blocking = next((p for p in target.parents if p.exists()), target.parent)
    if not blocking.is_dir():
        raise ArgumentsError(f"{blocking} is a file, so no bundle can be under it")
    try:
        check_outside(target.parent)
    except ArgumentError as error:
        raise ArgumentsError(str(error)) from error
    if not target.exists() and not target.is_symlink():
        return
    if target.is_dir() and not any(target.iterdir()):
        return
    if not overwrite:
        raise ArgumentsError(f"{target} exists: name another folder, or add --overwrite")
    if target.is_symlink() or not (target / FILE_NAME).is_file():
        raise ArgumentsError(
            f"{target} is not a bundle (it has no {FILE_NAME}), so it is not overwritten: "
            "name another folder"
        )
