"""What all readers share: spans of rows, and texts with the reasons why some are none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from edgembed.corpus.arrow import pa
from edgembed.unicode import is_encodable

# Bytes of input that one part may hold, so that long rows do not make a part larger than memory.
SPAN_BYTES = 32 << 20
_BLOCK = 16 << 20


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


def texts_of(column: Any) -> tuple[list[str | None], dict[int, str]]:
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
        return "null"
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
    stream: Any, rows: int, quoted: bool, at_once: int = _BLOCK
) -> Iterator[tuple[int, int, int]]:
    """(start, bytes, line ends) of runs of whole lines: `rows` lines, SPAN_BYTES at most.

    quoted: a line end between double quotes is none (CSV, where a quote inside is doubled).
    at_once: bytes to read at a time.
    """
    start = count = last = 0
    for end in _line_ends(stream, quoted, at_once):
        if count == rows or (count and end - start > SPAN_BYTES):
            yield start, last - start, count
            start, count = last, 0
        count, last = count + 1, end
    if count:
        yield start, last - start, count


def _line_ends(stream: Any, quoted: bool, at_once: int) -> Iterator[int]:
    """Where each line ends, its end included; the last one may have none."""
    parity = offset = last = 0
    while block := stream.read(at_once):
        data = np.frombuffer(block, np.uint8)
        is_end = data == 10
        if quoted:
            inside = (np.cumsum(data == 34) + parity) & 1
            parity = int(inside[-1])
            is_end &= inside == 0
        for last in (np.flatnonzero(is_end) + offset + 1).tolist():
            yield last
        offset += len(data)
    if offset > last:
        yield offset
