"""What of an input is read, in which parts, and what a name or a line of it is called."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpora import embed, expected, lines, output, refused, vectors
from edgembed import ArgumentError, TextError
from edgembed.corpus.places import Place
from edgembed.corpus.readers import parquet
from edgembed.corpus.readers.spans import Ask


@pytest.fixture
def bundle(bundles: Path) -> Path:
    return bundles / "tiny-frida"


@pytest.mark.parametrize("same", ["size", "time"])
def test_one_file_that_has_changed_is_another_input(
    bundle: Path, tmp_path: Path, same: str
) -> None:
    """Its finished parts would stay beside parts of the new one."""
    source, out = tmp_path / "in.jsonl", tmp_path / "out"
    source.write_text('{"text": "old"}\n')
    os.utime(source, ns=(10**18, 10**18))
    embed(bundle, source, out)
    source.write_text('{"text": "new"}\n' if same == "size" else '{"text": "newer"}\n')
    os.utime(source, ns=(10**18, 10**18 + (same == "size") * 1000))
    with pytest.raises(ArgumentError, match=r"input file in\.jsonl has changed since"):
        embed(bundle, source, out)


@pytest.mark.parametrize(("asked", "parts"), [(None, 3), (600, 1), (1000, 1), (200, 3), (599, 2)])
def test_as_many_rows_to_a_part_as_were_asked_for(
    bundle: Path, tmp_path: Path, asked: int | None, parts: int
) -> None:
    """Left to itself a run makes smaller ones of few rows, so that every worker has some."""
    pq.write_table(pa.table({"text": ["a"] * 600}), tmp_path / "in.parquet")
    report = embed(bundle, tmp_path / "in.parquet", tmp_path / "out", part_rows=asked)
    assert (report.parts, report.totals.rows) == (parts, 600)


@pytest.mark.parametrize("name", ["b.CSV.GZ", "b.csv.zst", "below/b.jsonl.bz2"])
def test_a_compressed_file_among_others_is_named(bundle: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "in" / "below").mkdir(parents=True)
    (tmp_path / "in" / "a.csv").write_text("text\na\n")
    (tmp_path / "in" / name).write_bytes(b"")
    with pytest.raises(ArgumentError, match=f"has {name}"):
        embed(bundle, tmp_path / "in", tmp_path / "out")


def test_what_is_no_data_is_passed_over(bundle: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    for name in ("_temporary/0/b.csv", ".git/c.csv", "below/_d.csv", "e.csv.crc", "code.tar.gz"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("text\nno\n")
    (source / "below" / "a.csv").write_text("text\nyes\n")
    assert embed(bundle, source, tmp_path / "out").totals.rows == 1
    assert output(tmp_path / "out").column("text").to_pylist() == ["yes"]


@pytest.mark.parametrize("name", ["in.tsv", "IN.TSV"])
def test_tabs_part_the_fields_of_a_tsv(bundle: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('n\ttext\n1\tone, two\n2\t"a\ttab"\n')
    embed(bundle, tmp_path / name, tmp_path / "out", part_rows=1)
    got = output(tmp_path / "out")
    assert got.column("n").to_pylist() == [1, 2]
    assert got.column("text").to_pylist() == ["one, two", "a\ttab"]
    np.testing.assert_array_equal(vectors(got), expected(bundle, ["one, two", "a\ttab"]))


@pytest.mark.parametrize("part_rows", [1, 2, 100])
def test_a_line_is_counted_with_the_empty_ones_before_it(
    bundle: Path, tmp_path: Path, part_rows: int
) -> None:
    good = '{"text": "a"}'
    (tmp_path / "in.jsonl").write_text(f"{good}\n\n\n{good}\n\n{good}\n{good}\nspoilt\n")
    with pytest.raises(TextError, match=r"in\.jsonl, line 8 is not valid JSON"):
        embed(bundle, tmp_path / "in.jsonl", tmp_path / "out", part_rows=part_rows)


@pytest.mark.parametrize("escape", [r"\ud800", r"\uD800", r"\uDC00\uD83D"])
def test_half_a_character_in_another_field(bundle: Path, tmp_path: Path, escape: str) -> None:
    """JSON writes it in either case of its letters."""
    spoilt, whole = (f'{{"text": "a", "title": "x{end}"}}' for end in (escape, r"\uD83D\uDE00"))
    (tmp_path / "in.jsonl").write_text(f"{spoilt}\n{whole}\n")
    embed(bundle, tmp_path / "in.jsonl", tmp_path / "out")
    assert [(row["row"], row["reason"]) for row in refused(tmp_path / "out")] == [
        (0, "lone surrogate in another field")
    ]
    assert output(tmp_path / "out").to_pylist()[0]["title"] == "x😀"


def test_long_rows_of_parquet_make_small_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a part fits in memory, however many rows are asked for."""
    monkeypatch.setattr(parquet, "SPAN_BYTES", 10_000)
    texts = [f"{line} {'long ' * 200}" for line in lines(100)]
    pq.write_table(
        pa.table({"text": texts}), tmp_path / "in.parquet", row_group_size=30,
        compression="none", use_dictionary=False,
    )  # fmt: skip
    place = Place.at(str(tmp_path))
    found = parquet.layout(place, ["in.parquet"], Ask("text", 1000)).spans
    assert 8 <= max(span.rows for span in found) <= 10  # of about a thousand bytes each
    assert [t for span in found for t in parquet.read(place, span, "text", None).texts] == texts
