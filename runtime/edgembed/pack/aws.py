"""AWS Lambda: a layer with the packages, and a function with the bundle.

    layer.zip       python/...      goes to /opt, whose python/ is on the path
    function.zip    bundle/...      goes to /var/task

The handler is edgembed.serverless.aws.handler, which is in the layer. Two files, because each of
them is small enough to be uploaded as it is, and because functions may share one layer.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from edgembed.bundle import Bundle
from edgembed.errors import ArgumentError
from edgembed.manifest import FILE_NAME
from edgembed.pack.archive import Size, folder_members, holds, write_zip
from edgembed.pack.trim import members
from edgembed.slim import check, slim

FILES = ("layer.zip", "function.zip")
HANDLER = "edgembed.serverless.aws.handler"
MOST_UNZIPPED = 262_144_000  # bytes of a function with its layers: AWS's "250 MB"
PACKAGES = ("msgspec", "orjson")  # what edgembed.service needs besides


def is_made_here(folder: Path) -> bool:
    """Whether `write_lambda` filled this folder, and nobody has put more into it since."""
    layer, function = (folder / name for name in FILES)
    return (
        folder.is_dir()
        and set(folder.iterdir()) == {layer, function}
        and holds(layer, "python/edgembed/__init__.py")
        and holds(function, f"bundle/{FILE_NAME}")
    )


def write_lambda(
    folder: Path, bundle: Bundle, site_packages: Path, prove: bool, signed: bytes | None = None
) -> dict[str, Size]:
    """Write both zips to a folder; prove: that the layer gives this installation's vectors.

    site_packages: as for edgembed.slim. signed: as for trim.members. ArgumentError where
    site_packages has not what is needed, or where AWS would not take the two.
    """
    work = folder / "work"
    slim(site_packages, work / "python", PACKAGES)
    if prove:
        check(work / "python", bundle.folder, list(bundle.manifest.dtypes))
    sizes = {}
    with (folder / FILES[0]).open("wb") as stream:
        sizes[FILES[0]] = write_zip(stream, folder_members(work / "python", "python"))
    shutil.rmtree(work)
    with (folder / FILES[1]).open("wb") as stream:
        sizes[FILES[1]] = write_zip(stream, members(bundle, "bundle", signed))
    whole = sum(size.unzipped for size in sizes.values())
    if whole > MOST_UNZIPPED:
        raise ArgumentError(
            f"the layer and the function are {whole} bytes unzipped, and AWS takes "
            f"{MOST_UNZIPPED}: keep fewer dtypes, or deploy a container image"
        )
    return sizes
