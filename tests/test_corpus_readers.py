"""Files cut into spans of rows: however they are cut, the spans together are the file."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from hypothesis import example, given, reject
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


# All that decides where a record ends, and a letter.
HARD = st.text(st.sampled_from('",\n\ra'), max_size=30)


@given(HARD, SIZES)
@example('5" pipe\n"two\nlines"\n6" pipe\n', 1)
@example('"a""\n"\r"b"c"\n', 1)
def test_csv_that_is_cut_is_what_pyarrow_reads_whole(body: str, size: int) -> None:
    data = f"text,n\n{body}".encode()
    options = pa.csv.ParseOptions(newlines_in_values=True)
    convert = pa.csv.ConvertOptions(column_types={"text": pa.string(), "n": pa.string()})
    try:
        whole = pa.csv.read_csv(io.BytesIO(data), parse_options=options, convert_options=convert)
    except pa.ArrowInvalid:  # not two fields in each record
        reject()
    rows = [(row["text"], row["n"]) for row in whole.to_pylist()]
    got = read_back("csv", data, size)
    assert [text for text, _ in got] == [text for text, _ in rows]


@given(
    st.one_of(st.binary(max_size=60), HARD.map(str.encode)),
    st.integers(1, 4),
    st.sampled_from([None, ",", "\t"]),
    st.integers(1, 7),
)
def test_spans_of_lines_are_all_bytes_in_order(
    data: bytes, rows: int, delimiter: str | None, at_once: int
) -> None:
    found = list(spans.line_spans(io.BytesIO(data), rows, delimiter, at_once))
    assert b"".join(data[start : start + size] for start, size, _ in found) == data
    assert found == list(spans.line_spans(io.BytesIO(data), rows, delimiter, 1000))
    for start, size, ends in found:
        own = data[start : start + size]
        assert ends <= rows
        if delimiter is None:
            assert len(own.split(b"\n")) - own.endswith(b"\n") == ends


def test_long_rows_make_small_parts() -> None:
    long = spans.SPAN_BYTES // 3
    data = b"".join(b"x" * long + b"\n" for _ in range(8))
    found = list(spans.line_spans(io.BytesIO(data), 1000))
    assert len(found) > 1
    assert all(size <= spans.SPAN_BYTES + long for _, size, _ in found)
    assert sum(size for _, size, _ in found) == len(data)
