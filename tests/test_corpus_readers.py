"""Files cut into spans of rows: however they are cut, the spans together are the file."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from edgembed.corpus.places import Place
from edgembed.corpus.readers import ENDINGS, spans
from edgembed.corpus.readers.spans import Ask

# What any file may hold; carriage returns alone are line ends to some and none to others.
TEXTS = st.text(
    st.one_of(st.sampled_from('",\n\t \\я😀'), st.characters(exclude_categories=["Cs", "Cc"])),
    max_size=8,
)
ROWS = st.lists(st.tuples(TEXTS, st.integers(-5, 5)), max_size=12)
SIZES = st.integers(1, 5)


def read_back(ending: str, data: bytes, rows: int) -> list[tuple[str | None, int]]:
    """All spans of a file, read one by one."""
    reader = ENDINGS[ending]
    with TemporaryDirectory() as folder:
        (Path(folder) / f"a.{ending}").write_bytes(data)
        place = Place.at(folder)
        layout = reader.layout(place, [f"a.{ending}"], Ask("text", rows))
        found, first = [], 0
        for span in layout.spans:
            assert span.rows <= rows
            assert span.first == first
            read = reader.read(place, span, "text", layout.schema)
            assert len(read.texts) == len(read.table) == span.rows
            numbers = read.table.column("n").to_pylist() if span.rows else []
            found += list(zip(read.texts, numbers, strict=True))
            first += span.rows
    return found


@given(ROWS, SIZES)
def test_csv(rows: list[tuple[str, int]], size: int) -> None:
    file = io.StringIO()
    writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerows([("text", "n"), *rows])
    assert read_back("csv", file.getvalue().encode(), size) == rows


@given(ROWS.filter(bool), SIZES, st.sampled_from(["\n", "\r\n", "\n\n"]), st.booleans())
def test_jsonl(rows: list[tuple[str, int]], size: int, end: str, ascii_: bool) -> None:
    lines = [json.dumps({"text": text, "n": n}, ensure_ascii=ascii_) for text, n in rows]
    assert read_back("jsonl", end.join(lines).encode(), size) == rows


@given(ROWS, SIZES, st.integers(1, 6))
def test_parquet(rows: list[tuple[str, int]], size: int, group: int) -> None:
    texts, numbers = [row[0] for row in rows], [row[1] for row in rows]
    table = pa.table({"text": pa.array(texts, pa.string()), "n": pa.array(numbers, pa.int8())})
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=group)
    assert read_back("parquet", sink.getvalue(), size) == rows


@given(st.binary(max_size=60), st.integers(1, 4), st.booleans(), st.integers(1, 7))
def test_spans_of_lines_are_all_bytes_in_order(
    data: bytes, rows: int, quoted: bool, at_once: int
) -> None:
    found = list(spans.line_spans(io.BytesIO(data), rows, quoted, at_once))
    assert b"".join(data[start : start + size] for start, size, _ in found) == data
    assert found == list(spans.line_spans(io.BytesIO(data), rows, quoted, 1000))
    for start, size, ends in found:
        own = data[start : start + size]
        assert ends <= rows
        if not quoted:
            assert len(own.split(b"\n")) - own.endswith(b"\n") == ends


def test_long_rows_make_small_parts() -> None:
    long = spans.SPAN_BYTES // 3
    data = b"".join(b"x" * long + b"\n" for _ in range(8))
    found = list(spans.line_spans(io.BytesIO(data), 1000, False))
    assert len(found) > 1
    assert all(size <= spans.SPAN_BYTES + long for _, size, _ in found)
    assert sum(size for _, size, _ in found) == len(data)
