"""The rows of a finished output, some at a time, in the order of its files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgembed.corpus.arrow import chosen, pa, pq
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


def check_form(format_: str, precision: str) -> None:
    """ArgumentError for an output that no index is made of."""
    if format_ != "parquet" or precision != "float32":
        raise ArgumentError(
            f"an index is made of float32 vectors in Parquet, not {precision} in {format_}: embed "
            "to another folder without --precision and --format"
        )


@dataclass(frozen=True)
class OutputRows:
    """All rows that have an embedding. dimension: numbers in one vector.

    schema: the columns of all files but the embedding, each of a type that holds every file's.
    """

    place: Place
    files: tuple[str, ...]
    dimension: int
    count: int
    schema: Any

    @classmethod
    def of(cls, place: Place) -> OutputRows:
        """Those of a finished output."""
        manifest = json.loads(place.read(MANIFEST))
        run, parts = manifest["run"], manifest["parts"]
        check_form(run["format"], run["precision"])
        files = tuple(part["file"] for part in parts)
        count = sum(part["embedded"] for part in parts)
        return cls(place, files, int(run["dimension"]), count, _schema(place, files))

    def batches(self) -> Iterator[Batch]:
        """All rows, _AT_ONCE at a time."""
        first = 0
        for name in self.files:
            with self.place.open(name) as stream:
                for batch in pq.ParquetFile(stream).iter_batches(_AT_ONCE):
                    kept = pa.Table.from_batches([batch])
                    kept = chosen(kept, np.asarray(kept.column(EMBEDDING).is_valid()))
                    if len(kept):
                        yield Batch(first, self._columns(kept), self._vectors(kept))
                        first += len(kept)

    def write_columns(self, folder: Path) -> None:
        """ROWS: row n has the columns of id n, for an index that keeps vectors only."""
        with pq.ParquetWriter(folder / ROWS, self.schema) as writer:
            for batch in self.batches():
                writer.write_table(batch.columns)

    def _columns(self, kept: Any) -> Any:
        """Those of the schema; null where a file has none of a name."""
        for field in self.schema:
            if field.name not in kept.schema.names:
                kept = kept.append_column(field, pa.nulls(len(kept), field.type))
        return kept.select(self.schema.names).cast(self.schema)

    def _vectors(self, kept: Any) -> Float32:
        flat = kept.column(EMBEDDING).combine_chunks().flatten()
        vectors: Float32 = np.asarray(flat, np.float32).reshape(len(kept), self.dimension)
        return vectors


def _schema(place: Place, files: Sequence[str]) -> Any:
    """The columns of all files together; ArgumentError where one name is of two kinds."""
    schema = pa.schema([])
    for name in files:
        with place.open(name) as stream:
            own = pq.read_schema(stream).remove_metadata()
        own = own.remove(own.get_field_index(EMBEDDING))
        try:
            schema = pa.unify_schemas([schema, own], promote_options="permissive")
        except pa.ArrowException as error:
            raise ArgumentError(
                f"the columns of {name} do not make one table with those before ({error}): an "
                "index needs files whose columns of one name are of one type"
            ) from error
    return schema
