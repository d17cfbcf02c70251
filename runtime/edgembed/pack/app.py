"""One zip for a machine that has Python and nothing else: unzipped, it is a program.

__main__.py     `python FOLDER encode ...`: edgembed's command line
lib/            the slim installation, with what `edgembed serve` needs
bundle/         the bundle
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from edgembed.bundle import Bundle
from edgembed.files import Content
from edgembed.manifest import FILE_NAME
from edgembed.pack.archive import Size, folder_members, holds, write_zip
from edgembed.pack.trim import members
from edgembed.slim import check, slim

# The extra [serve]; what these require comes along.
PACKAGES = ("starlette", "uvicorn", "httptools", "msgspec", "orjson", "prometheus-client")

_MAIN = '''"""edgembed and a bundle, packed: python THIS_FOLDER --help."""

import sys
from pathlib import Path

_folder = Path(__file__).resolve().parent
if not _folder.is_dir():
    sys.exit("unzip this file into a folder first, then run  python FOLDER")
sys.path[0] = str(_folder / "lib")
if {python!r} not in (None, sys.version_info[:2]):
    sys.exit("this was packed for Python %d.%d, and runs with no other" % {python!r})

from edgembed.cli import main  # noqa: E402

sys.exit(main())
'''


def is_made_here(path: Path) -> bool:
    """Whether `write_app` wrote this file."""
    return holds(path, "__main__.py", "lib/edgembed/__init__.py", f"bundle/{FILE_NAME}")


def write_app(
    stream: BinaryIO,
    bundle: Bundle,
    site_packages: Path,
    work: Path,
    prove: bool,
    signed: bytes | None = None,
) -> Size:
    """Write the zip; work: a folder that is there for as long as this takes.

    site_packages, prove: as for write_lambda. signed: as for trim.members.
    """
    report = slim(site_packages, work / "lib", PACKAGES)
    if prove:
        check(work / "lib", bundle.folder, list(bundle.manifest.dtypes))
    python = None if report.python is None else tuple(sys.version_info[:2])
    own = members(bundle, "bundle", signed)
    return write_zip(stream, _files(own, work / "lib", python))


def _files(
    bundle: Iterable[tuple[str, Content]], lib: Path, python: tuple[int, ...] | None
) -> Iterator[tuple[str, Content]]:
    yield "__main__.py", _MAIN.format(python=python).encode()
    yield from folder_members(lib, "lib")
    yield from bundle
