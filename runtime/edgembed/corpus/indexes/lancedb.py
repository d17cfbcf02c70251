"""LanceDB: a table "corpus" with all columns, the id, and the vectors as `vector`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lancedb
import numpy as np

from edgembed.corpus.arrow import pa
from edgembed.corpus.indexes.rows import OutputRows

_FEW = 20_000  # rows that are searched one by one as fast as through an index


def write(folder: Path, rows: OutputRows) -> None:
    """The table; with an IVF-PQ index from _FEW rows on."""
    table = None
    for batch in _tables(rows):
        if table is None:
            table = lancedb.connect(folder).create_table("corpus", batch)
        else:
            table.add(batch)
    if table is not None and table.count_rows() > _FEW:
        table.create_index(metric="cosine", vector_column_name="vector")


def _tables(rows: OutputRows) -> Iterator[Any]:
    for batch in rows.batches():
        flat = pa.array(np.ascontiguousarray(batch.vectors).reshape(-1))
        vectors = pa.FixedSizeListArray.from_arrays(flat, rows.dimension)
        table = batch.columns.replace_schema_metadata(None)
        names = [f"source_{n}" if n in ("vector", "_id") else n for n in table.schema.names]
        table = table.rename_columns(names).append_column("_id", pa.array(batch.ids, pa.int64()))
        yield table.append_column("vector", vectors)
