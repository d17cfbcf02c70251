"""USearch: index.usearch, an HNSW graph by cosine, and rows.parquet with the columns by id."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from usearch.index import Index

from edgembed.corpus.indexes.rows import OutputRows


def write(folder: Path, rows: OutputRows) -> None:
    """The index file, and the columns beside it."""
    index = Index(ndim=rows.dimension, metric="cos", dtype="f32")
    for batch in rows.batches():
        index.add(np.array(batch.ids, np.uint64), batch.vectors)
    index.save(str(folder / "index.usearch"))
    rows.write_columns(folder)
