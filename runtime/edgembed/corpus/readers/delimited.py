"""CSV (RFC 4180) and TSV with a header: types are found over the whole input, as pyarrow does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgembed.corpus.arrow import pa, pa_csv
from edgembed.corpus.places import Place
from edgembed.corpus.readers.spans import Ask, Layout, Rows, Span, check_names, line_spans, rows_of
from edgembed.errors import ArgumentError

_HEAD = 1 << 16  # bytes: most headers are shorter
_MARK = b"\xef\xbb\xbf"  # a byte order mark is no part of the first name


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
    return rows_of(table, text)


def _delimiter(file: str) -> str:
    return "\t" if file.lower().endswith(".tsv") else ","


def _header(place: Place, file: str) -> tuple[list[str], int]:
    """The columns' names, and where the records begin."""
    head, end = _head(place, file)
    options = pa_csv.ParseOptions(delimiter=_delimiter(file), newlines_in_values=True)
    try:
        found = pa_csv.read_csv(pa.BufferReader(head + b"\n"), parse_options=options)
        names: list[str] = found.schema.names
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise ArgumentError(
            f"{file} has no header that can be read as UTF-8 ({error}): convert or repair it"
        ) from error
    check_names(names, file)
    return names, end


def _head(place: Place, file: str) -> tuple[bytes, int]:
    """The first line that is not empty, and where it ends."""
    with place.open(file) as stream:
        begin = len(_MARK) if stream.read(len(_MARK)) == _MARK else 0
        stream.seek(begin)
        for start, size, _ in line_spans(stream, 1, _delimiter(file), _HEAD):
            head = bytes(stream.read_at(size, begin + start))
            if head.strip():
                return head, begin + start + size
    raise ArgumentError(f"{file} is empty: a header is needed")


def _spans(place: Place, file: str, begin: int, rows: int) -> list[Span]:
    with place.open(file) as stream:
        stream.seek(begin)
        found = list(line_spans(stream, rows, _delimiter(file)))
    return [Span(file, 0, 0, begin + start, size) for start, size, _ in found] or [
        Span(file, 0, 0, begin)
    ]


def _parse(place: Place, span: Span, names: list[str], kinds: dict[str, Any]) -> Any:
    with place.open(span.file) as stream:
        raw = stream.read_at(span.size, span.start)
    if not raw.strip(b"\r\n"):  # pyarrow takes an empty line for no record
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
