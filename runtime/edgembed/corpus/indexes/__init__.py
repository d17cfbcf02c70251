"""What comes next: a finished output made searchable, by other people's libraries.

Each module has `write(folder, rows, about)`: it makes its index in a new local folder.
"""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path
from types import ModuleType

from edgembed.corpus.indexes.rows import OutputRows, check_form
from edgembed.corpus.places import Place
from edgembed.corpus.settings import Settings
from edgembed.corpus.state import MANIFEST
from edgembed.errors import ArgumentError, MissingExtraError

# By kind: the package to install.
INDEXES = {
    "lancedb": "lancedb",
    "qdrant": "qdrant-client",
    "usearch": "usearch",
    "faiss": "faiss-cpu",
}


def check_index(kind: str, out: str, settings: Settings) -> None:
    """What write_index would raise of the output of such a run: to know it before the work."""
    _module(kind)
    _local(out)
    check_form(settings.format, settings.precision)


def write_index(kind: str, out: str) -> Path:
    """An index of a finished float32 output, at OUT/_index/KIND; an older one there is replaced.

    Row n of the output, in the order of its files, has the id n. ArgumentError where the output is
    not finished, not local, not Parquet or not float32.
    """
    module, place = _module(kind), _local(out)
    if not Path(place.path(MANIFEST)).is_file():
        raise ArgumentError(f"{out} is no finished output of edgembed corpus")
    rows = OutputRows.of(place)
    folder = Path(place.path(f"_index/{kind}"))
    new = folder.with_name(f".{kind}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    module.write(new, rows)
    shutil.rmtree(folder, ignore_errors=True)
    new.rename(folder)
    return folder


def _module(kind: str) -> ModuleType:
    if kind not in INDEXES:
        raise ArgumentError(f"index {kind!r} is none of {', '.join(INDEXES)}")
    try:
        return import_module(f"edgembed.corpus.indexes.{kind}")
    except ImportError as error:
        raise MissingExtraError(f"--to {kind} needs: pip install {INDEXES[kind]}") from error


def _local(out: str) -> Place:
    place = Place.at(out)
    if not place.local:
        raise ArgumentError(f"an index is made of a folder of this machine, not of {out}: copy it")
    return place
