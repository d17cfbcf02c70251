"""Writing vectors: npy, jsonl or parquet, to a stream."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

from edgembed.cli.inputs import Record
from edgembed.errors import ArgumentError, MissingExtraError
from edgembed.jsontext import to_json
from edgembed.unicode import is_encodable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Matrix = npt.NDArray[np.float32]

EMBEDDING = "embedding"
_ROWS = 1024  # that are written at once


def write(format_: str, stream: BinaryIO, records: list[Record], vectors: Matrix) -> None:
    """Write one row a record in one of FORMATS."""
    _WRITERS[format_](stream, records, vectors)


def check(format_: str, records: list[Record]) -> None:
    """Whether these could be written, before they are embedded.

    ArgumentError where a field of the input is in the way of the output's own, or where the fields
    do not make a table; MissingExtraError where Parquet is asked for without pyarrow.
    """
    if format_ != "npy" and any(EMBEDDING in record.fields for record in records):
        raise ArgumentError(
            f"the input has a field {EMBEDDING!r} already, which the output would overwrite: "
            "rename it, or use --format npy"
        )
    if format_ == "parquet":
        _table([record for record in records if is_encodable(record.text)])  # others are refused


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
        line = to_json(row) + "\n"
        # A lone surrogate in another field, which came as \ud800, leaves as it came.
        stream.write(line.encode("utf-8", "backslashreplace"))


def _write_parquet(stream: BinaryIO, records: list[Record], vectors: Matrix) -> None:
    table = _table(records)
    import pyarrow as pa
    import pyarrow.parquet as pq

    flat = pa.array(vectors.reshape(-1), pa.float32())
    column = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    pq.write_table(table.append_column(EMBEDDING, column), stream)


def _table(records: list[Record]) -> Any:
    """The fields as Arrow's table, null where a record lacks one; errors as in check."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("Parquet needs: pip install 'edgembed[parquet]'") from error
    # Table.from_pylist would leave out fields that the first record lacks.
    names = dict.fromkeys(name for record in records for name in record.fields)
    try:
        table = pa.table({name: [one.fields.get(name) for one in records] for name in names})
        pq.ParquetWriter(BytesIO(), table.schema).close()  # it has fewer types than Arrow
        return table
    except (pa.ArrowException, OverflowError, UnicodeEncodeError) as error:
        raise ArgumentError(
            f"the input's fields do not make a table ({error}): use --format jsonl"
        ) from error


_WRITERS: dict[str, Callable[[BinaryIO, list[Record], Matrix], None]] = {
    "npy": _write_npy,
    "jsonl": _write_jsonl,
    "parquet": _write_parquet,
}
FORMATS = tuple(_WRITERS)
