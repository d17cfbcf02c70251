"""pyarrow, or the error that names the extra it comes with."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgembed.errors import MissingExtraError

try:
    import pyarrow as pa
    import pyarrow.csv as pa_csv
    import pyarrow.fs as pa_fs
    import pyarrow.parquet as pq
except ImportError as error:
    raise MissingExtraError("edgembed corpus needs: pip install 'edgembed[corpus]'") from error

__all__ = ["chosen", "pa", "pa_csv", "pa_fs", "pq"]


def chosen(table: Any, rows: npt.NDArray[np.bool_]) -> Any:
    """The rows of a table that are asked for, (len(table),), in their order."""
    if rows.all():
        return table
    try:
        return table.filter(pa.array(rows))
    except pa.ArrowNotImplementedError:  # string_view, as of pyarrow 26: but slices it has
        edges = np.flatnonzero(np.diff(np.concatenate([[0], rows, [0]]).astype(np.int8)))
        spans = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
        return pa.concat_tables([table[:0], *(table[first:end] for first, end in spans)])
