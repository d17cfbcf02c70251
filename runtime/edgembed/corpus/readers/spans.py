"""What all readers share: spans of rows, and texts with the reasons why some are none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edgembed.corpus.arrow import pa
from edgembed.errors import ArgumentError
from edgembed.unicode import is_encodable

# Bytes of input that one part may hold, so that long rows do not make a part larger than memory.
SPAN_BYTES = 32 << 20
_BLOCK = 16 << 20
_NULL = "null"
_LF, _CR, _QUOTE = b'\n\r"'


class Span(NamedTuple):
    """Neighbouring rows of one file: the first one's number, from 0, and how many.

    start, size: their bytes, in files of lines. line: the number of the first one, from 1.
    """

    file: str
    first: int
    rows: int
    start: int = 0
    size: int = 0
    line: int = 0


class Ask(NamedTuple):
    """What a layout is asked for: the column of texts, and rows in one span at most."""

    text: str
    rows: int


class Layout(NamedTuple):
    """All spans in order, and the schema that files of lines are read with (None: their own)."""

    spans: list[Span]
    schema: Any


class Rows(NamedTuple):
    """A span that was read: all columns, each row's text or None, and by row why it is None."""

    table: Any
    texts: list[str | None]
    reasons: dict[int, str]


def check_names(names: Sequence[str], file: str) -> None:
    """ArgumentError where two columns have one name."""
    if len(set(names)) < len(names):
        raise ArgumentError(f"{file} has two columns of one name: {', '.join(names)}")


def rows_of(table: Any, text: str) -> Rows:
    """A span's rows by its table, where what is no valid text becomes null: none could read it."""
    position = table.schema.get_field_index(text)
    texts, reasons = _texts_of(table.column(position))
    if any(why != _NULL for why in reasons.values()):
        field = table.schema.field(position).with_nullable(True)
        table = table.set_column(position, field, pa.array(texts, field.type))
    return Rows(table, texts, reasons)


def _texts_of(column: Any) -> tuple[list[str | None], dict[int, str]]:
    """The texts of a column of strings, and which rows have none that can be embedded."""
    if pa.types.is_null(column.type):
        values: list[Any] = [None] * len(column)
    else:
        try:
            values = column.cast(pa.large_string()).to_pylist()
        except (UnicodeDecodeError, pa.ArrowInvalid):  # somewhere in it; pyarrow checks no file
            values = [_decoded(raw) for raw in column.cast(pa.large_binary()).to_pylist()]
    return checked(values)


def checked(values: list[Any]) -> tuple[list[str | None], dict[int, str]]:
    """Values as texts, None for what is none, with the reason by position."""
    reasons = {i: why for i, value in enumerate(values) if (why := _reason(value))}
    return [None if i in reasons else value for i, value in enumerate(values)], reasons


def _reason(value: Any) -> str | None:
    if value is None:
        return _NULL
    if isinstance(value, bytes):
        return "not UTF-8"
    if not isinstance(value, str):
        return f"not text but {type(value).__name__}"
    return None if is_encodable(value) else "lone surrogate"


def _decoded(raw: bytes | None) -> str | bytes | None:
    """A text, with lone surrogates if they were written as such; the bytes where it is none."""
    if raw is None:
        return None
    try:
        return raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return raw


def line_spans(
    stream: Any, rows: int, delimiter: str | None = None, at_once: int = _BLOCK
) -> Iterator[tuple[int, int, int]]:
    """(start, bytes, line ends) of runs of whole lines: `rows` lines, SPAN_BYTES at most.

    delimiter: of a CSV file, where a line end in a quoted field is none, and a carriage return
    alone is one. None: line feeds end lines. at_once: bytes to read at a time.
    """
    ends = (
        _line_ends(stream, at_once)
        if delimiter is None
        else _record_ends(stream, ord(delimiter), at_once)
    )
    start = count = last = 0
    for end in ends:
        if count == rows or (count and end - start > SPAN_BYTES):
            yield start, last - start, count
            start, count = last, 0
        count, last = count + 1, end
    if count:
        yield start, last - start, count


def _line_ends(stream: Any, at_once: int) -> Iterator[int]:
    """Where each line ends, its end included; the last one may have none."""
    offset = last = 0
    while block := stream.read(at_once):
        for last in (np.flatnonzero(np.frombuffer(block, np.uint8) == _LF) + offset + 1).tolist():
            yield last
        offset += len(block)
    if offset > last:
        yield offset


def _record_ends(stream: Any, delimiter: int, at_once: int) -> Iterator[int]:
    """As _line_ends, of records as pyarrow reads them."""
    quotes = _Quotes(delimiter)
    offset = last = 0
    while block := stream.read(at_once):
        while block.endswith(b"\r") and (more := stream.read(1)):  # a line feed may follow
            block += more
        data = np.frombuffer(block, np.uint8)
        alone = (data == _CR) & (np.append(data[1:], 0) != _LF)
        is_end = ((data == _LF) | alone) & ~quotes.inside(data)
        for last in (np.flatnonzero(is_end) + offset + 1).tolist():
            yield last
        offset += len(data)
    if offset > last:
        yield offset


class _Quotes:
    """Which bytes are in quoted fields, block after block.

    A quote opens a field only where the field begins, and again right behind the one that closed
    it; elsewhere it is a character like any other (5" pipe).
    """

    def __init__(self, delimiter: int) -> None:
        """Before the first byte."""
        self._begins = (_LF, _CR, delimiter)
        self._inside, self._before, self._closed = False, _LF, False

    def inside(self, data: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        """For each byte of the next block, whether it is in a quoted field; shape as data's."""
        before = np.concatenate([[self._before], data[:-1]])
        places = np.flatnonzero(data == _QUOTE)
        closed = -1 if self._closed else -2
        change, start = np.zeros(len(data), np.int8), self._inside
        for place, first in zip(
            places.tolist(), np.isin(before[places], self._begins).tolist(), strict=True
        ):
            if self._inside:
                self._inside, closed = False, place
            elif first or place == closed + 1:
                self._inside = True
            else:
                continue
            change[place] = 1
        self._before, self._closed = int(data[-1]), closed == len(data) - 1
        inside: npt.NDArray[np.bool_] = ((np.cumsum(change) + start) & 1).astype(np.bool_)
        return inside
