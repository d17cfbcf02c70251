"""Writing vectors: npy, jsonl or parquet, to a stream."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO

from edgembed.cli.inputs import Record
from edgembed.errors import ArgumentError, MissingExtraError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Matrix = npt.NDArray[np.float32]

EMBEDDING = "embedding"
_ROWS = 1024  # that are written at once


def write(format_: str, stream: BinaryIO, records: list[Record], vectors: Matrix) -> None:
    """Write one row a record in one of FORMATS."""
    _WRITERS[format_](stream, records, vectors)


def check_fields(format_: str, records: list[Record]) -> None:
    """ArgumentError where a field of the input is in the way of the output's own."""
    if format_ != "npy" and any(EMBEDDING in record.fields for record in records):
        raise ArgumentError(
            f"the input has a field {EMBEDDING!r} already, which the output would overwrite: "
            "rename it, or use --format npy"
        )


def _write_npy(stream: BinaryIO, records: list[Record], vectors: Matrix) -> None:
    import numpy as np

    del records  # an array has no room for texts
    header = np.lib.format.header_data_from_array_1_0(vectors)
    np.lib.format.write_array_header_1_0(stream, header)
    # numpy's own way past the stream says of a full disk "96000 requested and 2016 written".
    for start in range(0, len(vectors), _ROWS):
        stream.write(vectors[start : start + _ROWS].astype("<f4").tobytes())


def _write_jsonl(stream: BinaryIO, records: list[Record], vectors: Matrix) -> None:
    for record, vector in zip(records, vectors, strict=True):
        # float32's own shortest digits, not float64's seventeen; they read back bit for bit.
        row = {**record.fields, EMBEDDING: [float(str(x)) for x in vector]}
        stream.write((json.dumps(row, ensure_ascii=False) + "\n").encode())


def _write_parquet(stream: BinaryIO, records: list[Record], vectors: Matrix) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("Parquet needs: pip install 'edgembed[parquet]'") from error
    try:
        table: Any = pa.Table.from_pylist([record.fields for record in records])
    except pa.ArrowException as error:
        raise ArgumentError(
            f"the input's fields do not make a table ({error}): use --format jsonl"
        ) from error
    flat = pa.array(vectors.reshape(-1), pa.float32())
    column = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    pq.write_table(table.append_column(EMBEDDING, column), stream)


_WRITERS: dict[str, Callable[[BinaryIO, list[Record], Matrix], None]] = {
    "npy": _write_npy,
    "jsonl": _write_jsonl,
    "parquet": _write_parquet,
}
FORMATS = tuple(_WRITERS)
