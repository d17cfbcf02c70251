"""What comes next: a finished output made searchable, by other people's libraries.

Each module has `write(folder, rows, about)`: it makes its index in a new local folder.
"""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path

from edgembed.corpus.indexes.rows import OutputRows
from edgembed.corpus.places import Place
from edgembed.corpus.state import MANIFEST
from edgembed.errors import ArgumentError, MissingExtraError

# By kind: the package to install.
INDEXES = {
    "lancedb": "lancedb",
    "qdrant": "qdrant-client",
    "usearch": "usearch",
    "faiss": "faiss-cpu",
}


def write_index(kind: str, out: str) -> Path:
    """An index of a finished float32 output, at OUT/_index/KIND; an older one there is replaced.

    Row n of the output, in the order of its files, has the id n. ArgumentError where the output is
    not finished, not local, not Parquet or not float32.
    """
    if kind not in INDEXES:
        raise ArgumentError(f"index {kind!r} is none of {', '.join(INDEXES)}")
    place = Place.at(out)
    if not place.local or not Path(place.path(MANIFEST)).is_file():
        raise ArgumentError(f"{out} is no finished local output of edgembed corpus")
    rows = OutputRows.of(place)
    try:
        module = import_module(f"edgembed.corpus.indexes.{kind}")
    except ImportError as error:
        raise MissingExtraError(f"--to {kind} needs: pip install {INDEXES[kind]}") from error
    folder = Path(place.path(f"_index/{kind}"))
    new = folder.with_name(f".{kind}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    module.write(new, rows)
    shutil.rmtree(folder, ignore_errors=True)
    new.rename(folder)
    return folder
