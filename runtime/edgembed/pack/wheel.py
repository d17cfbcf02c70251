"""A bundle as a wheel: a package that holds the bundle's files, and requires edgembed.

The same bundle, name and version give the same bytes. Sources: packaging.python.org, "Binary
distribution format" and "Core metadata specifications".
"""

from __future__ import annotations

import base64
import hashlib
import keyword
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from edgembed.bundle import Bundle
from edgembed.errors import ArgumentError
from edgembed.files import Content
from edgembed.manifest import FILE_NAME, Manifest
from edgembed.pack.archive import Size, holds, write_zip
from edgembed.pack.trim import members
from edgembed.slim.rules import KEPT
from edgembed.version import __version__

# PEP 440's canonical versions, without epochs.
_VERSION = re.compile(
    r"\d+(\.\d+)*((a|b|rc)\d+)?(\.post\d+)?(\.dev\d+)?(\+[a-z0-9]+(\.[a-z0-9]+)*)?", re.ASCII
)
# An import would find these instead, or pip write over them.
_TAKEN = {*sys.stdlib_module_names, *KEPT}
_DISTRIBUTION = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?", re.ASCII | re.IGNORECASE)


def package_name(name: str | None, manifest: Manifest) -> str:
    """What `import` calls it: the name, or the model's, with _ for all between words.

    ArgumentError where that is no name for a distribution and a package.
    """
    given = manifest.model.id.rpartition("/")[2] if name is None else name
    package = re.sub(r"[-_.]+", "_", given).lower()
    own = package.isidentifier() and not keyword.iskeyword(package)
    taken = package in _TAKEN or package.startswith("edgembed")
    if not own or taken or not _DISTRIBUTION.fullmatch(given):
        raise ArgumentError(
            f"{given!r} cannot be the name of a package: give one of ASCII letters, digits and _ "
            "that begins with a letter and is nobody else's, with --name"
        )
    return package


def check_version(version: str) -> str:
    """ArgumentError unless it is a version as pip writes them: 1.0, 2.1.post1."""
    if not _VERSION.fullmatch(version):
        raise ArgumentError(f"{version!r} is no version for a wheel: give one such as 1.0.2")
    return version


def file_name(package: str, version: str) -> str:
    """The wheel's, by which pip knows what it is."""
    return f"{package}-{version}-py3-none-any.whl"


def is_made_here(path: Path) -> bool:
    """Whether `write_wheel` wrote this file."""
    package = path.name.partition("-")[0]
    return holds(path, f"{package}/__init__.py", f"{package}/{FILE_NAME}")


def write_wheel(
    stream: BinaryIO, bundle: Bundle, package: str, version: str, signed: bytes | None = None
) -> Size:
    """Write the wheel, uncompressed: weights hardly shrink, and deflate differs between zlibs.

    signed: as for trim.members.
    """
    files = _recorded(_files(bundle, package, version, signed), f"{_info(package, version)}/RECORD")
    return write_zip(stream, files, zipfile.ZIP_STORED)


def _info(package: str, version: str) -> str:
    return f"{package}-{version}.dist-info"


def _files(
    bundle: Bundle, package: str, version: str, signed: bytes | None
) -> Iterator[tuple[str, Content]]:
    info = _info(package, version)
    docstring = f'"""A bundle: edgembed.Embedder.from_package("{package}") loads it."""\n'
    yield f"{package}/__init__.py", docstring.encode()
    yield from members(bundle, package, signed)
    yield f"{info}/METADATA", _metadata(bundle.manifest, package, version).encode()
    wheel = f"Wheel-Version: 1.0\nGenerator: edgembed {__version__}\n"
    yield f"{info}/WHEEL", f"{wheel}Root-Is-Purelib: true\nTag: py3-none-any\n".encode()


def _recorded(files: Iterable[tuple[str, Content]], record: str) -> Iterator[tuple[str, Content]]:
    """The files, and after them the RECORD of their hashes."""
    lines = []
    for name, content in files:
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(content)}\n")
        yield name, content
    yield record, "".join([*lines, f"{record},,\n"]).encode()


def _metadata(manifest: Manifest, package: str, version: str) -> str:
    dtypes = " and ".join(manifest.dtypes)
    fields = {
        "Metadata-Version": "2.1",
        "Name": package.replace("_", "-"),
        "Version": version,
        "Summary": f"{manifest.model.id} as an edgembed bundle: {dtypes}, {manifest.dimension} "
        "dimensions",
        "License": manifest.model.license or "",
        "Requires-Python": ">=3.10",
        "Requires-Dist": f"edgembed>={__version__}",
        "Description-Content-Type": "text/markdown",
    }
    # A field is one line, whatever a manifest says.
    head = [f"{name}: {' '.join(value.split())}" for name, value in fields.items() if value]
    code = f'    from edgembed import Embedder\n\n    model = Embedder.from_package("{package}")\n'
    return "\n".join([*head, "", code])
