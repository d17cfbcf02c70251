"""FAISS: index.faiss, by inner product of normalised vectors, and rows.parquet by id."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np

from edgembed.corpus.indexes.rows import OutputRows
from edgembed.pooling import normalize

_EXACT = 100_000  # rows that are searched one by one; above that through an HNSW graph
_LINKS = 32


def write(folder: Path, rows: OutputRows) -> None:
    """The index file, and the columns beside it."""
    index = _new(rows.dimension, rows.count)
    for batch in rows.batches():
        index.add(np.ascontiguousarray(normalize(batch.vectors)))
    faiss.write_index(index, str(folder / "index.faiss"))
    rows.write_columns(folder)


def _new(dimension: int, total: int) -> faiss.Index:
    if total <= _EXACT:
        return faiss.IndexFlatIP(dimension)
    return faiss.IndexHNSWFlat(dimension, _LINKS, faiss.METRIC_INNER_PRODUCT)
