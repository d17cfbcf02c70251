"""Parquet: every file keeps its own schema, to the letter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from edgembed.corpus.arrow import pa, pq
from edgembed.corpus.places import Place
from edgembed.corpus.readers.spans import SPAN_BYTES, Ask, Layout, Rows, Span, check_names, rows_of
from edgembed.errors import ArgumentError


def layout(place: Place, files: Sequence[str], ask: Ask) -> Layout:
    """Spans from the files' footers alone; ArgumentError for a file without such a column."""
    return Layout([span for file in files for span in _spans(place, file, ask)], None)


def _spans(place: Place, file: str, ask: Ask) -> Iterator[Span]:
    with place.open(file) as stream:
        opened = _open(stream, file)
        _check_text(opened.schema_arrow, ask.text, file)
        total = opened.metadata.num_rows
        groups = [opened.metadata.row_group(i) for i in range(opened.metadata.num_row_groups)]
    size = sum(group.total_byte_size for group in groups)
    rows = max(1, min(ask.rows, total * SPAN_BYTES // max(size, 1)))
    for first in range(0, max(total, 1), rows):
        yield Span(file, first, min(rows, total - first))


def read(place: Place, span: Span, text: str, schema: Any) -> Rows:
    """One span, of the row groups that it touches."""
    del schema
    with place.open(span.file) as stream:
        opened = _open(stream, span.file)
        table = pa.Table.from_batches(_batches(opened, span), opened.schema_arrow)
    return rows_of(table, text)


def _open(stream: Any, file: str) -> Any:
    try:
        return pq.ParquetFile(stream)
    except pa.ArrowException as error:
        raise ArgumentError(f"{file} is no Parquet file: {error}") from error


def _batches(opened: Any, span: Span) -> Iterator[Any]:
    """The span's rows: batch after batch of the row groups around it, and no more of them."""
    groups: list[int] = []
    place = skip = 0
    for number in range(opened.metadata.num_row_groups):
        rows = opened.metadata.row_group(number).num_rows
        if place < span.first + span.rows and place + rows > span.first:
            if not groups:
                skip = span.first - place
            groups.append(number)
        place += rows
    left = span.rows
    for batch in opened.iter_batches(batch_size=8192, row_groups=groups) if left else ():
        own = batch.slice(skip, left)
        skip = max(0, skip - len(batch))
        left -= len(own)
        if len(own):
            yield own
        if not left:
            return


def _check_text(schema: Any, text: str, file: str) -> None:
    check_names(schema.names, file)
    if text not in schema.names:
        raise ArgumentError(
            f"{file} has no column {text!r}, only {', '.join(schema.names)}: name the texts with "
            "--text"
        )
    kind = schema.field(text).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    readable = (pa.types.is_string, pa.types.is_large_string, pa.types.is_null, _is_view)
    if not any(is_one(kind) for is_one in readable):
        raise ArgumentError(
            f"column {text!r} of {file} is {kind}, not text: name another in --text"
        )


def _is_view(kind: Any) -> bool:
    return bool(pa.types.is_string_view(kind))
