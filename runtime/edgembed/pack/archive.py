"""Zip files that depend on nothing but what is in them: no times, no owners, no order of a disk."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from edgembed.files import Content

_EARLIEST = (1980, 1, 1, 0, 0, 0)  # a zip can tell
_FILE = 0o100644
_UNIX = 3


class Size(NamedTuple):
    """Bytes of a zip file, and of what is in it."""

    zipped: int
    unzipped: int


def write_zip(
    stream: BinaryIO,
    members: Iterable[tuple[str, Content]],
    compression: int = zipfile.ZIP_DEFLATED,
) -> Size:
    """Write members, (path, content) each, in their order to a new zip at the stream's place.

    With zipfile.ZIP_STORED the same members give the same bytes everywhere; what deflate makes of
    them depends on the zlib that does it.
    """
    unzipped = 0
    with zipfile.ZipFile(stream, "w") as packed:
        for name, content in members:
            info = zipfile.ZipInfo(name, _EARLIEST)
            info.compress_type = compression
            info.create_system, info.external_attr = _UNIX, _FILE << 16
            packed.writestr(info, content)
            unzipped += len(content)
    return Size(stream.tell(), unzipped)


def holds(path: Path, *names: str) -> bool:
    """Whether a zip stands there that has members of these names: what we made is known by them."""
    if not path.is_file():  # a pipe in its place would make us wait
        return False
    try:
        with zipfile.ZipFile(path) as packed:
            return set(names) <= set(packed.namelist())
    except zipfile.BadZipFile:
        return False


def folder_members(folder: Path, prefix: str) -> Iterator[tuple[str, Content]]:
    """Every file below a folder by its path below `prefix`, in the order of these."""
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    for name in names:
        yield f"{prefix}/{name}", (folder / name).read_bytes()
