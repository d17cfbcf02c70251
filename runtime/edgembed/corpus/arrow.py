"""pyarrow, or the error that names the extra it comes with."""

from __future__ import annotations

from edgembed.errors import MissingExtraError

try:
    import pyarrow as pa
    import pyarrow.csv as pa_csv
    import pyarrow.fs as pa_fs
    import pyarrow.parquet as pq
except ImportError as error:
    raise MissingExtraError("edgembed corpus needs: pip install 'edgembed[corpus]'") from error

__all__ = ["pa", "pa_csv", "pa_fs", "pq"]
