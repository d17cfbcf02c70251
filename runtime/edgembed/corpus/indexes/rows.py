"""The rows of a finished output, some at a time, in the order of its files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgembed.corpus.arrow import pa, pq
from edgembed.corpus.places import Place
from edgembed.corpus.settings import EMBEDDING
from edgembed.corpus.state import MANIFEST
from edgembed.errors import ArgumentError
from edgembed.pooling import Float32

ROWS = "rows.parquet"
_AT_ONCE = 8192


class Batch(NamedTuple):
    """Some rows: their ids, their columns without the embedding, their vectors, (n, dim)."""

    first: int
    columns: Any
    vectors: Float32

    @property
    def ids(self) -> range:
        """The rows' numbers, from 0 over all files."""
        return range(self.first, self.first + len(self.vectors))


@dataclass(frozen=True)
class OutputRows:
    """All rows that have an embedding. about: what the files say of their vectors."""

    place: Place
    files: tuple[str, ...]
    about: dict[str, str]
    count: int

    @classmethod
    def of(cls, place: Place) -> OutputRows:
        """Those of a finished output."""
        manifest = json.loads(place.read(MANIFEST))
        run = manifest["run"]
        if run["format"] != "parquet" or run["precision"] != "float32":
            raise ArgumentError(
                f"an index is made of float32 vectors in Parquet, not {run['precision']} in "
                f"{run['format']}: embed to another folder without --precision and --format"
            )
        parts = manifest["parts"]
        files = tuple(part["file"] for part in parts)
        return cls(place, files, run, sum(part["embedded"] for part in parts))

    @property
    def dimension(self) -> int:
        """Numbers in one vector."""
        return int(self.about["dimension"])

    def batches(self) -> Iterator[Batch]:
        """All rows, _AT_ONCE at a time."""
        first = 0
        for name in self.files:
            with self.place.open(name) as stream:
                for batch in pq.ParquetFile(stream).iter_batches(_AT_ONCE):
                    kept = pa.Table.from_batches([batch])
                    kept = kept.filter(kept.column(EMBEDDING).is_valid())
                    if len(kept):
                        yield Batch(first, kept.drop_columns([EMBEDDING]), self._vectors(kept))
                        first += len(kept)

    def write_columns(self, folder: Path) -> None:
        """ROWS: row n has the columns of id n, for an index that keeps vectors only."""
        writer = None
        for batch in self.batches():
            columns = batch.columns.replace_schema_metadata(None)
            writer = writer or pq.ParquetWriter(folder / ROWS, columns.schema)
            writer.write_table(columns.cast(writer.schema))
        if writer is not None:
            writer.close()

    def _vectors(self, kept: Any) -> Float32:
        flat = kept.column(EMBEDDING).combine_chunks().flatten()
        vectors: Float32 = np.asarray(flat, np.float32).reshape(len(kept), self.dimension)
        return vectors
