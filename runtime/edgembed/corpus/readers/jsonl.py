"""JSON lines: objects whose fields are gathered from all of them, so that none is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from edgembed.corpus.arrow import pa
from edgembed.corpus.places import Place
from edgembed.corpus.readers.spans import Ask, Layout, Rows, Span, checked, line_spans
from edgembed.errors import ArgumentError, TextError
from edgembed.unicode import is_encodable

_MARK = b"\xef\xbb\xbf"  # a byte order mark is no part of the first line


class _Line(NamedTuple):
    number: int
    fields: dict[str, Any]
    escapes: bool


def layout(place: Place, files: Sequence[str], ask: Ask) -> Layout:
    """Spans of lines, and one schema for all; every line is looked at once, here."""
    spans: list[Span] = []
    schema = pa.schema([])
    for file in files:
        first, line = 0, 1
        for start, size, ends in _line_spans(place, file, ask.rows):
            span = Span(file, first, 0, start, size, line)
            lines = list(_lines(place, span))
            schema = _widened(schema, lines, ask.text, file)
            spans.append(span._replace(rows=len(lines)))
            first, line = first + len(lines), line + ends
    if ask.text not in schema.names:
        fields = ", ".join(schema.names) or "none"
        raise ArgumentError(f"no line has a field {ask.text!r}, only {fields}: name it in --text")
    position = schema.get_field_index(ask.text)
    return Layout(spans, schema.set(position, pa.field(ask.text, pa.string())))


def read(place: Place, span: Span, text: str, schema: Any) -> Rows:
    """One span. A text that is none is null in the table."""
    lines = list(_lines(place, span))
    texts, reasons = checked([line.fields.get(text) for line in lines])
    rows = []
    for i, line in enumerate(lines):
        fields = {**line.fields, text: texts[i]}
        if line.escapes and not is_encodable(json.dumps(fields, ensure_ascii=False)):
            reasons.setdefault(i, "lone surrogate in another field")
            texts[i] = None
            fields = {name: _repaired(value) for name, value in fields.items()}
        rows.append(fields)
    return Rows(pa.Table.from_pylist(rows, schema=schema), texts, reasons)


def _repaired(value: Any) -> Any:
    """A value whose texts can be written: each lone surrogate as a question mark."""
    plain = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    return json.loads(plain)


def _line_spans(place: Place, file: str, rows: int) -> list[tuple[int, int, int]]:
    with place.open(file) as stream:
        return list(line_spans(stream, rows))


def _lines(place: Place, span: Span) -> Iterator[_Line]:
    with place.open(span.file) as stream:
        raw = bytes(stream.read_at(span.size, span.start))
    if span.start == 0:
        raw = raw.removeprefix(_MARK)
    for number, line in enumerate(raw.split(b"\n"), span.line):
        if line.strip():
            # What is no surrogate escape is cheap to know; nothing else can make a bad text.
            yield _Line(number, _fields(line, span.file, number), b"\\ud" in line.lower())


def _fields(line: bytes, file: str, number: int) -> dict[str, Any]:
    try:
        value = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        raise TextError(f"{file}, line {number} is not valid JSON ({error}): repair it") from error
    if not isinstance(value, dict):
        raise TextError(f"{file}, line {number} is no JSON object: one is needed in each line")
    return value


def _widened(schema: Any, lines: list[_Line], text: str, file: str) -> Any:
    """The schema, and what these lines have more."""
    rows = [
        {name: None if name == text else value for name, value in line.fields.items()}
        for line in lines
    ]
    try:
        own = pa.array(rows, _struct() if not rows else None).type
        fields = pa.schema([own.field(i) for i in range(own.num_fields)])
        return pa.unify_schemas([schema, fields], promote_options="permissive")
    except (pa.ArrowException, OverflowError, UnicodeEncodeError) as error:
        if isinstance(error, UnicodeEncodeError):
            return _widened(schema, [_encodable(line) for line in lines], text, file)
        raise ArgumentError(
            f"the fields of {file} (lines {lines[0].number} to {lines[-1].number}) do not make a "
            f"table with those before ({error}): give each field one type"
        ) from error


def _encodable(line: _Line) -> _Line:
    return line._replace(fields=_repaired(line.fields))


def _struct() -> Any:
    return pa.struct([])
