"""CSV (RFC 4180) and TSV with a header: types are found over the whole input, as pyarrow does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgembed.corpus.arrow import pa, pa_csv
from edgembed.corpus.places import Place
from edgembed.corpus.readers.spans import Ask, Layout, Rows, Span, line_spans, texts_of
from edgembed.errors import ArgumentError

_HEAD = 1 << 16  # bytes: most headers are shorter


def layout(place: Place, files: Sequence[str], ask: Ask) -> Layout:
    """Spans of records, and the columns of all files with types that hold every value."""
    spans: list[Span] = []
    schema = pa.schema([])
    for file in files:
        names, start = _header(place, file)
        if ask.text not in names:
            raise ArgumentError(
                f"{file} has no column {ask.text!r}, only {', '.join(names)}: name the texts with "
                "--text"
            )
        first = 0
        for span in _spans(place, file, start, ask.rows):
            table = _parse(place, span, names, {ask.text: pa.string()})
            schema = _widened(schema, table.schema)
            spans.append(span._replace(first=first, rows=len(table)))
            first += len(table)
    return Layout(spans, schema)


def read(place: Place, span: Span, text: str, schema: Any) -> Rows:
    """One span. ArgumentError for bytes that are no UTF-8 in a column that is not the texts'."""
    names, _ = _header(place, span.file)
    kinds = {field.name: field.type for field in schema}
    table = _parse(place, span, names, kinds)
    for name in schema.names:  # a column that only other files have
        if name not in names:
            table = table.append_column(name, pa.nulls(len(table), kinds[name]))
    table = table.select(schema.names)
    _check_utf8(table.drop_columns([text]), span.file)
    texts, reasons = texts_of(table.column(text))
    return Rows(table, texts, reasons)


def _delimiter(file: str) -> str:
    return "\t" if file.lower().endswith(".tsv") else ","


def _header(place: Place, file: str) -> tuple[list[str], int]:
    """The columns' names, and where the records begin."""
    with place.open(file) as stream:
        _, size, _ = next(line_spans(stream, 1, True, _HEAD), (0, 0, 0))
        head = stream.read_at(size, 0).removeprefix(b"\xef\xbb\xbf")
    if not head.strip():
        raise ArgumentError(f"{file} is empty: a header is needed")
    options = pa_csv.ParseOptions(delimiter=_delimiter(file), newlines_in_values=True)
    names: list[str] = pa_csv.read_csv(pa.BufferReader(head), parse_options=options).schema.names
    if len(set(names)) < len(names):
        raise ArgumentError(f"{file} has two columns of one name: {', '.join(names)}")
    return names, size


def _spans(place: Place, file: str, begin: int, rows: int) -> list[Span]:
    with place.open(file) as stream:
        stream.seek(begin)
        found = list(line_spans(stream, rows, quoted=True))
    return [Span(file, 0, 0, begin + start, size) for start, size, _ in found] or [
        Span(file, 0, 0, begin)
    ]


def _parse(place: Place, span: Span, names: list[str], kinds: dict[str, Any]) -> Any:
    with place.open(span.file) as stream:
        raw = stream.read_at(span.size, span.start)
    if not raw:
        return pa.schema([(name, kinds.get(name, pa.null())) for name in names]).empty_table()
    try:
        return pa_csv.read_csv(
            pa.BufferReader(raw),
            pa_csv.ReadOptions(column_names=names, block_size=len(raw) + 1, use_threads=False),
            pa_csv.ParseOptions(delimiter=_delimiter(span.file), newlines_in_values=True),
            pa_csv.ConvertOptions(column_types=kinds, check_utf8=False),
        )
    except pa.ArrowException as error:
        raise ArgumentError(
            f"{span.file}, bytes {span.start} to {span.start + span.size}: {error}: repair the file"
        ) from error


def _widened(schema: Any, own: Any) -> Any:
    """Columns of both, each of a type that holds both: text where nothing else does."""
    for field in own:
        position = schema.get_field_index(field.name)
        if position < 0:
            schema = schema.append(field)
            continue
        pair = [pa.schema([schema.field(position)]), pa.schema([field])]
        try:
            (wide,) = pa.unify_schemas(pair, promote_options="permissive")
        except pa.ArrowException:
            wide = pa.field(field.name, pa.string())
        schema = schema.set(position, wide)
    return schema


def _check_utf8(table: Any, file: str) -> None:
    try:
        table.validate(full=True)
    except pa.ArrowInvalid as error:
        raise ArgumentError(f"{file} is not UTF-8 ({error}): convert it first") from error
