"""A part's file: all columns of the input, and the embedding behind them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgembed.corpus.arrow import pa, pa_csv, pq
from edgembed.corpus.settings import EMBEDDING
from edgembed.errors import ArgumentError
from edgembed.jsontext import to_json

_OURS = b"edgembed."


def embedding_column(matrix: npt.NDArray[Any]) -> Any:
    """(n, width) as a column of fixed-size lists of the same numbers."""
    return pa.FixedSizeListArray.from_arrays(_flat(matrix), matrix.shape[1])


def nullable_column(matrix: npt.NDArray[Any], missing: npt.NDArray[np.bool_]) -> Any:
    """The same for len(missing) rows, null where missing; matrix has the others, in their order.

    As lists of any size: pyarrow before 26 cannot read a fixed-size list that is null.
    """
    ends = np.concatenate([[0], np.cumsum(~missing)]) * matrix.shape[1]
    offsets = pa.array(ends.astype(np.int32), mask=np.append(missing, False))
    return pa.ListArray.from_arrays(offsets, _flat(matrix))


def _flat(matrix: npt.NDArray[Any]) -> Any:
    return pa.array(np.ascontiguousarray(matrix).reshape(-1))


def serialize(format_: str, table: Any, column: Any, about: Mapping[str, str]) -> Any:
    """The bytes of a file with a table's columns and the embedding; about: Parquet's metadata.

    ArgumentError where the format has no place for a column.
    """
    sink = pa.BufferOutputStream()
    try:
        {"parquet": _parquet, "jsonl": _jsonl, "csv": _csv}[format_](sink, table, column, about)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        other = "jsonl" if format_ == "parquet" else "parquet"
        raise ArgumentError(
            f"a column of the input has no place in {format_} ({error}): take --format {other}"
        ) from error
    return sink.getvalue()


def check_format(format_: str, schema: Any) -> None:
    """ArgumentError where the format has no place for a column: to know it before the work."""
    serialize(format_, schema.empty_table(), embedding_column(np.zeros((0, 1), np.float32)), {})


def _parquet(sink: Any, table: Any, column: Any, about: Mapping[str, str]) -> None:
    # Of the input's keys not those of a run of ours: a reader would take the first of a name.
    theirs = {k: v for k, v in (table.schema.metadata or {}).items() if not k.startswith(_OURS)}
    metadata = {**theirs, **{_OURS + k.encode(): v for k, v in about.items()}}
    whole = table.append_column(EMBEDDING, column).replace_schema_metadata(metadata)
    numbers, floats = f"{EMBEDDING}.list.element", pa.types.is_floating(column.type.value_type)
    pq.write_table(
        whole,
        sink,
        compression="zstd",
        # Measured on 384 numbers a row. float32: 16 % smaller, and no time lost on a dictionary.
        # int8, which Parquet keeps in four bytes: 33 % smaller with one; packed bits: 20 %.
        use_dictionary=_plain(table) + ([] if floats else [numbers]),
        use_byte_stream_split=[numbers] if floats else False,
    )


def _plain(table: Any) -> list[str]:
    """The columns that are no lists or structs, by the names that Parquet has for them."""
    return [name for name in table.schema.names if not pa.types.is_nested(table.field(name).type)]


def _jsonl(sink: Any, table: Any, column: Any, about: Mapping[str, str]) -> None:
    del about
    for row, vector in zip(table.to_pylist(), _as_texts(column), strict=True):
        fields = to_json(row, default=_text)
        comma = ", " if row else ""
        sink.write(f'{fields[:-1]}{comma}"{EMBEDDING}": {vector or "null"}}}\n'.encode())


def _text(value: Any) -> str:
    """What JSON has no value for: a date, a decimal."""
    if isinstance(value, bytes):
        raise ArgumentError("a column of bytes has no place in jsonl: take --format parquet")
    return str(value)


def _csv(sink: Any, table: Any, column: Any, about: Mapping[str, str]) -> None:
    del about
    pa_csv.write_csv(table.append_column(EMBEDDING, pa.array(_as_texts(column), pa.string())), sink)


def _as_texts(column: Any) -> list[str | None]:
    """Each vector as a JSON array: float32's own shortest digits, which read back bit for bit."""
    digits = column.flatten().cast(pa.string()).to_pylist()  # those of null lists are not in it
    valid = column.is_valid().to_pylist()
    width, place, texts = len(digits) // max(sum(valid), 1), 0, list[str | None]()
    for there in valid:
        texts.append(f"[{', '.join(digits[place : place + width])}]" if there else None)
        place += width * there
    return texts
