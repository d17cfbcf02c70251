"""Where an installed package's files are."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from edgembed.errors import ArgumentError, BundleNotFoundError
from edgembed.manifest import FILE_NAME


def folder_of(package: str) -> Path:
    """The folder of a package by its name for import; the package is imported.

    BundleNotFoundError where there is no such package, or where it is no folder on a disk.
    """
    parts = package.split(".") if isinstance(package, str) else [""]
    if not all(part.isidentifier() for part in parts):
        raise ArgumentError(f"{package!r} is no package's name: give what you would import")
    try:
        manifest = files(package).joinpath(FILE_NAME)  # in a namespace package, wherever it is
    except (ModuleNotFoundError, TypeError) as error:  # TypeError: a module, and no package
        if isinstance(error, ModuleNotFoundError) and not _is_part(error.name, package):
            raise  # the package is there, and something that it imports is not
        raise BundleNotFoundError(
            f"no package {package!r} is installed: make a wheel with  edgembed pack BUNDLE FOLDER "
            "--target wheel, and install it with pip"
        ) from error
    if not isinstance(manifest, Path):
        raise BundleNotFoundError(
            f"{package!r} is in a zip, and weights are mapped from a folder: install it with pip"
        )
    return manifest.parent


def _is_part(name: str | None, package: str) -> bool:
    return name is not None and f"{package}.".startswith(f"{name}.")
