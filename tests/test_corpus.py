"""Corpora without Daft: rows, columns and vectors of an output, and what is refused."""

from __future__ import annotations

import datetime
import decimal
import json
import shutil
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from corpora import embed, expected, lines, output, refused, vectors
from edgembed import ArgumentError, Embedder, PromptWarning, TextError
from edgembed.corpus import model as corpus_model
from edgembed.corpus import writers
from edgembed.errors import IntegrityError
from support import ROOT, change_json, python, strict_json

MAIN = "import sys; from edgembed.cli import main; sys.exit(main())"


@pytest.fixture
def bundle(bundles: Path) -> Path:
    return bundles / "tiny-frida"


def many_types(texts: list[str | None]) -> pa.Table:
    count = len(texts)
    when = datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc)
    return pa.table(
        {
            "id": pa.array(range(count), pa.int16()),
            "text": pa.array(texts, pa.large_string()),
            "price": pa.array([decimal.Decimal("1.50")] * count, pa.decimal128(9, 2)),
            "when": pa.array([when] * count, pa.timestamp("us", tz="Europe/Moscow")),
            "tags": pa.array([["a", None]] * count, pa.list_(pa.string())),
            "inner": pa.array([{"x": 1, "y": None}] * count),
            "kind": pa.array(["one", "two"] * (count // 2)).dictionary_encode(),
            "raw": pa.array([b"\xff\x00"] * count, pa.binary()),
            "nothing": pa.nulls(count),
        },
    )


@pytest.mark.parametrize("part_rows", [1, 7, 10, 64, 1000])
def test_every_column_keeps_its_type_and_every_row_its_place(
    bundle: Path, tmp_path: Path, part_rows: int
) -> None:
    table = many_types(lines(40)).replace_schema_metadata({"mine": "kept"})
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=11)
    report = embed(bundle, tmp_path / "in.parquet", tmp_path / "out", part_rows=part_rows)
    assert report.totals[:3] == (40, 40, 0)
    got = output(tmp_path / "out")
    assert got.drop_columns(["embedding"]).equals(table)
    assert got.schema.remove(got.schema.get_field_index("embedding")).equals(table.schema)
    assert got.schema.field("embedding").type == pa.list_(pa.float32(), 48)
    np.testing.assert_array_equal(vectors(got), expected(bundle, lines(40)))
    assert report.parts == -(-40 // part_rows)


def test_the_files_say_what_their_vectors_are(bundle: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": lines(3)}), tmp_path / "in.parquet")
    embed(bundle, tmp_path / "in.parquet", tmp_path / "out", prompt_name="search_query")
    model = Embedder(bundle)
    said = pq.read_schema(tmp_path / "out" / "part-000000.parquet").metadata
    assert said[b"edgembed.fingerprint"].decode() == model.fingerprint
    assert said[b"edgembed.prompt"] == b"search_query: "
    assert said[b"edgembed.dimension"] == b"48"
    assert said[b"edgembed.precision"] == b"float32"
    assert said[b"edgembed.model"]
    np.testing.assert_array_equal(
        vectors(output(tmp_path / "out")),
        expected(bundle, lines(3), prompt_name="search_query"),
    )


def test_what_an_earlier_run_said_of_its_vectors_is_not_said_again(
    bundle: Path, tmp_path: Path
) -> None:
    table = pa.table({"text": lines(3)}).replace_schema_metadata(
        {"edgembed.fingerprint": "another", "edgembed.older": "key", "mine": "kept"}
    )
    pq.write_table(table, tmp_path / "in.parquet")
    embed(bundle, tmp_path / "in.parquet", tmp_path / "out")
    said = list(pq.ParquetFile(tmp_path / "out" / "part-000000.parquet").metadata.metadata.items())
    fingerprints = [value.decode() for key, value in said if key == b"edgembed.fingerprint"]
    assert fingerprints == [Embedder(bundle).fingerprint]
    assert b"edgembed.older" not in dict(said)
    assert (b"mine", b"kept") in said


@pytest.mark.parametrize("on_error", ["skip", "null"])
def test_columns_of_views(bundle: Path, tmp_path: Path, on_error: str) -> None:
    """pyarrow can read and write them, and cannot filter them."""
    texts = [None, *lines(3), None, None, *lines(2), None]
    table = pa.table({"text": pa.array(texts, pa.string_view()), "n": range(len(texts))})
    pq.write_table(table, tmp_path / "in.parquet")
    embed(bundle, tmp_path / "in.parquet", tmp_path / "out", on_error=on_error)
    got = output(tmp_path / "out")
    kept = [i for i, text in enumerate(texts) if text is not None or on_error == "null"]
    assert got.column("n").to_pylist() == kept
    assert got.column("text").to_pylist() == [texts[i] for i in kept]
    assert got.schema.field("text").type == table.schema.field("text").type
    np.testing.assert_array_equal(vectors(got), expected(bundle, [t for t in texts if t]))


@pytest.mark.parametrize("precision", ["int8", "uint8", "binary", "ubinary"])
def test_smaller_precisions(bundle: Path, tmp_path: Path, precision: str) -> None:
    pq.write_table(pa.table({"text": lines(30)}), tmp_path / "in.parquet")
    options = {"precision": precision, "truncate_dim": 32}
    embed(bundle, tmp_path / "in.parquet", tmp_path / "out", part_rows=7, **options)
    got = vectors(output(tmp_path / "out"))
    want = expected(bundle, lines(30), **options)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("kind", [np.int8, np.uint8])
def test_a_small_number_takes_a_byte(kind: type) -> None:
    matrix = np.random.default_rng(1).integers(0, 256, (4000, 96)).astype(kind)
    table = pa.table({"id": range(4000)})
    column = writers.embedding_column(matrix)
    size = writers.serialize("parquet", table, column, {}).size
    assert size < 1.05 * (matrix.nbytes + table.nbytes)
    read = pq.read_table(pa.BufferReader(writers.serialize("parquet", table, column, {})))
    np.testing.assert_array_equal(vectors(read), matrix)


def test_directories_of_partitions_stay(bundle: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    table = pa.table({"text": lines(12), "lang": ["ru", "en", "de"] * 4})
    pa.dataset.write_dataset(table, source, format="parquet", partitioning_flavor="hive",
                             partitioning=["lang"])  # fmt: skip
    (source / "_SUCCESS").write_text("")
    (source / ".hidden.parquet").write_bytes(b"no data")
    embed(bundle, source, tmp_path / "out", part_rows=3)
    got = pa.dataset.dataset(tmp_path / "out", partitioning="hive").to_table()
    assert sorted(got.select(["text", "lang"]).to_pylist(), key=str) == sorted(
        table.to_pylist(), key=str
    )
    np.testing.assert_array_equal(vectors(got), expected(bundle, got.column("text").to_pylist()))


def write_jsonl(path: Path) -> list[object]:
    rows: list[object] = [
        {"n": 1, "text": "one"},
        {"n": 2.5, "text": None, "late": {"deep": [1]}},
        {"n": None, "text": "\ud800"},
        {"n": 4, "text": 17},
        {"n": 5},
        {"n": 6, "text": "шесть\n", "title": "x\udc00"},
        {"n": 7, "text": "seven", "title": "fine"},
    ]
    path.write_text("\ufeff" + "\n\n".join(map(json.dumps, rows)), encoding="utf-8")
    return rows


@pytest.mark.parametrize("part_rows", [1, 3, 100])
def test_rows_that_cannot_be_embedded_are_left_out(
    bundle: Path, tmp_path: Path, part_rows: int
) -> None:
    write_jsonl(tmp_path / "in.jsonl")
    out = tmp_path / "out"
    report = embed(bundle, tmp_path / "in.jsonl", out, part_rows=part_rows, key="n")
    assert report.totals[:3] == (7, 2, 5)
    got = output(out)
    assert got.select(["n", "text"]).to_pylist() == [
        {"n": 1.0, "text": "one"},
        {"n": 7.0, "text": "seven"},
    ]
    assert {"late", "title"} < set(got.schema.names)
    np.testing.assert_array_equal(vectors(got), expected(bundle, ["one", "seven"]))
    assert refused(out) == [
        {"file": "in.jsonl", "row": 1, "reason": "null", "key": 2.5},
        {"file": "in.jsonl", "row": 2, "reason": "lone surrogate", "key": None},
        {"file": "in.jsonl", "row": 3, "reason": "not text but int", "key": 4.0},
        {"file": "in.jsonl", "row": 4, "reason": "null", "key": 5.0},
        {"file": "in.jsonl", "row": 5, "reason": "lone surrogate in another field", "key": 6.0},
    ]


def test_or_are_kept_with_a_null(bundle: Path, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "in.jsonl")
    report = embed(bundle, tmp_path / "in.jsonl", tmp_path / "out", on_error="null")
    assert report.totals[:3] == (7, 2, 5)
    got = output(tmp_path / "out")
    assert got.column("n").to_pylist() == [1.0, 2.5, None, 4.0, 5.0, 6.0, 7.0]
    assert got.schema.field("embedding").type == pa.list_(pa.float32())
    embeddings = got.column("embedding").to_pylist()
    assert [vector is None for vector in embeddings] == [False, *[True] * 5, False]
    np.testing.assert_array_equal(vectors(got), expected(bundle, ["one", "seven"]))
    assert len(refused(tmp_path / "out")) == 5


def test_or_end_the_run(bundle: Path, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "in.jsonl")
    with pytest.raises(TextError, match=r"in.jsonl, row 1 \(key 2.5\) .* null.*--on-error skip"):
        embed(bundle, tmp_path / "in.jsonl", tmp_path / "out", on_error="fail", key="n")


def test_bytes_that_are_no_text(bundle: Path, tmp_path: Path) -> None:
    text = no_utf8(b"good", b"\xff\xfe", "\ud800".encode("utf-8", "surrogatepass"), b"fine")
    pq.write_table(pa.table({"text": text}), tmp_path / "in.parquet")
    report = embed(bundle, tmp_path / "in.parquet", tmp_path / "out")
    assert report.totals[:3] == (4, 2, 2)
    assert [row["reason"] for row in refused(tmp_path / "out")] == ["not UTF-8", "lone surrogate"]
    np.testing.assert_array_equal(
        vectors(output(tmp_path / "out")), expected(bundle, ["good", "fine"])
    )


def no_utf8(*texts: bytes) -> pa.Array:
    """A column of strings as other writers may leave it: pyarrow looks at no byte of it."""
    return pa.Array.from_buffers(pa.string(), len(texts), pa.array(texts).buffers())


@pytest.mark.parametrize("format_", ["parquet", "jsonl", "csv"])
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_what_is_no_text_is_kept_as_null(
    bundle: Path, tmp_path: Path, format_: str, kind: str
) -> None:
    texts, source = (b"good", b"\xff\xfe", b"fine"), tmp_path / "in.parquet"
    pq.write_table(pa.table({"text": no_utf8(*texts)}), source)
    if kind == "csv":
        source = tmp_path / "in.csv"
        source.write_bytes(b"\n".join((b"text", *texts)))
    embed(bundle, source, tmp_path / "out", on_error="null", format=format_)
    assert [row["reason"] for row in refused(tmp_path / "out")] == ["not UTF-8"]
    written = tmp_path / "out" / f"part-000000.{format_}"
    if format_ == "jsonl":
        got = [json.loads(line)["text"] for line in written.read_text("utf-8").splitlines()]
    elif format_ == "csv":
        got = [row["text"] or None for row in pa.csv.read_csv(written).to_pylist()]
    else:
        got = pq.read_table(written).column("text").to_pylist()
    assert got == ["good", None, "fine"]


def test_what_is_no_number_is_null_in_jsonl(bundle: Path, tmp_path: Path) -> None:
    numbers = [float("nan"), float("inf"), 0.5]
    nested = [{"x": [value]} for value in numbers]
    table = pa.table({"text": [None, "a", "b"], "x": numbers, "nested": nested})
    pq.write_table(table, tmp_path / "in.parquet")
    embed(bundle, tmp_path / "in.parquet", tmp_path / "out", format="jsonl", key="x")
    lines = (tmp_path / "out" / "part-000000.jsonl").read_bytes().splitlines()
    rows = [strict_json(line) for line in lines]
    assert [(row["x"], row["nested"]) for row in rows] == [
        (None, {"x": [None]}), (0.5, {"x": [0.5]})
    ]  # fmt: skip
    told = (tmp_path / "out" / "_edgembed" / "refused.jsonl").read_bytes()
    assert strict_json(told)["key"] is None


def test_other_columns_that_are_not_utf8(bundle: Path, tmp_path: Path) -> None:
    table = pa.table({"text": [None, "a"], "id": no_utf8(b"\xffx", b"\xff")})
    pq.write_table(table, tmp_path / "in.parquet")
    embed(bundle, tmp_path / "in.parquet", tmp_path / "out", key="id")
    assert [row["key"] for row in refused(tmp_path / "out")] == ["\ufffdx"]
    raw = output(tmp_path / "out").column("id").cast(pa.binary()).to_pylist()
    assert raw == [b"\xff"]  # as it was
    with pytest.raises(ArgumentError, match="no place in jsonl"):
        embed(bundle, tmp_path / "in.parquet", tmp_path / "jsonl", format="jsonl")


@pytest.mark.parametrize("rows", [0, 3])
def test_nothing_to_embed(bundle: Path, tmp_path: Path, rows: int) -> None:
    pq.write_table(pa.table({"text": pa.nulls(rows, pa.string())}), tmp_path / "in.parquet")
    report = embed(bundle, tmp_path / "in.parquet", tmp_path / "out")
    assert report.totals[:3] == (rows, 0, rows)
    got = output(tmp_path / "out")
    assert len(got) == 0
    assert got.schema.field("embedding").type == pa.list_(pa.float32(), 48)


def test_csv(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text(
        'id,text,n\r\n1,"two\r\nlines",1\r\n2,"a ""quoted"", word",2\r\n', encoding="utf-8-sig"
    )
    (tmp_path / "in" / "b.csv").write_text("text,id,n,more\n,3,x,1.5\nпоследний,4,,2", "utf-8")
    embed(bundle, tmp_path / "in", tmp_path / "out", part_rows=1)
    got = output(tmp_path / "out").drop_columns(["embedding"])
    assert got.to_pydict() == {
        "id": [1, 2, 3, 4],
        "text": ["two\r\nlines", 'a "quoted", word', "", "последний"],
        "n": ["1", "2", "x", ""],
        "more": [None, None, 1.5, 2.0],
    }
    np.testing.assert_array_equal(
        vectors(output(tmp_path / "out")), expected(bundle, got.column("text").to_pylist())
    )


@pytest.mark.parametrize(
    ("data", "texts"),
    [
        ("n,text\r1,one\r2,two\r", ["one", "two"]),
        ('\ufeff"te\nxt",text\n1,one', ["one"]),
        ("\n\r\nn,text\n\n1,one\n\n\n", ["one"]),
        ("n,text", []),
    ],
    ids=["carriage returns", "a quoted name", "empty lines", "a header alone"],
)
@pytest.mark.parametrize("part_rows", [1, 100])
def test_odd_csv(bundle: Path, tmp_path: Path, data: str, texts: list[str], part_rows: int) -> None:
    (tmp_path / "a.csv").write_bytes(data.encode())
    embed(bundle, tmp_path / "a.csv", tmp_path / "out", part_rows=part_rows)
    assert output(tmp_path / "out").column("text").to_pylist() == texts


@pytest.mark.parametrize("format_", ["jsonl", "csv"])
def test_other_output_formats_read_back_bit_for_bit(
    bundle: Path, tmp_path: Path, format_: str
) -> None:
    texts = [*lines(5), None, 'a "b", c']
    table = pa.table({"text": texts, "day": [datetime.date(2026, 1, 2)] * 7})
    pq.write_table(table, tmp_path / "in.parquet")
    options = {"format": format_, "on_error": "null", "part_rows": 3}
    embed(bundle, tmp_path / "in.parquet", tmp_path / "out", **options)
    files = sorted((tmp_path / "out").glob(f"part-*.{format_}"))
    if format_ == "jsonl":
        rows = [json.loads(line) for f in files for line in f.read_text("utf-8").splitlines()]
        got = [row["embedding"] for row in rows]
        assert [row["day"] for row in rows] == ["2026-01-02"] * 7
    else:
        rows = [row for f in files for row in pa.csv.read_csv(f).to_pylist()]
        got = [json.loads(row["embedding"]) if row["embedding"] else None for row in rows]
    assert [row["text"] or None for row in rows] == texts
    assert got[5] is None
    kept = np.array([vector for vector in got if vector is not None], np.float32)
    np.testing.assert_array_equal(kept, expected(bundle, [t for t in texts if t is not None]))


@pytest.mark.parametrize("cache", [0, 4, 1000])
def test_a_repeated_text_is_embedded_once(
    bundle: Path, tmp_path: Path, cache: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from corpora import serial
    from edgembed.corpus import Settings, embed_corpus

    texts = ["a", "b", "a", "c"] * 10
    pq.write_table(pa.table({"text": texts}), tmp_path / "in.parquet")
    corpus_model._load.cache_clear()
    model = corpus_model.shared_model(corpus_model.Loading(str(bundle), cache=cache))
    ran: list[str] = []
    embed_many = model._engine.embed_many

    def watched(texts: list[str], *rest: object) -> object:
        ran.extend(texts)
        return embed_many(texts, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(model._engine, "embed_many", watched)
    settings = Settings(part_rows=8)
    embed_corpus(bundle, tmp_path / "in.parquet", tmp_path / "out", settings, threads=1,
                 cache=cache, spread=serial)  # fmt: skip
    assert len(ran) == (15 if cache == 0 else 3)  # in each of five parts, or in the first
    np.testing.assert_array_equal(vectors(output(tmp_path / "out")), expected(bundle, texts))


def test_the_cache_forgets_what_was_not_used_longest(bundle: Path) -> None:
    model = corpus_model.CorpusModel(corpus_model.Loading(str(bundle), cache=2))
    out = corpus_model.Output("", "float32", None)
    for texts in (["a", "b"], ["a"], ["c"]):
        model.vectors(texts, out)
    assert list(model._cache) == ["a", "c"]


def test_texts_that_are_cut_are_counted(bundle: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["short", "word " * 1000]}), tmp_path / "in.parquet")
    report = embed(bundle, tmp_path / "in.parquet", tmp_path / "out")
    assert report.totals.cut == 1
    manifest = json.loads((tmp_path / "out" / "_edgembed" / "manifest.json").read_text())
    assert manifest["parts"][0]["cut"] == 1


def refusals() -> list[object]:
    def file(name: str, data: bytes) -> tuple[str, bytes]:
        return name, data

    return [
        pytest.param([], {}, "no files", id="empty folder"),
        pytest.param([file("a.csv", b"text\na\n"), file("b.jsonl", b"{}")], {},
                     "jsonl and csv", id="two formats"),
        pytest.param([file("a.jsonl.gz", b"")], {}, "uncompressed", id="compressed"),
        pytest.param([file("a.csv", b"body\na\n")], {}, "no column 'text', only body", id="csv"),
        pytest.param([file("a.csv", b"")], {}, "a header is needed", id="empty csv"),
        pytest.param([file("a.csv", b"text,text\na,b\n")], {}, "one name", id="twice"),
        pytest.param([file("a.csv", b"text,n\na\n")], {}, "a.csv", id="short record"),
        pytest.param([file("a.csv", b"text,n\na,\xff\n")], {}, "not UTF-8", id="latin-1"),
        pytest.param([file("a.csv", "text\na\n".encode("utf-16"))], {}, "as UTF-8", id="utf-16"),
        pytest.param([file("a.csv", b"text,\xff\na,b\n")], {}, "as UTF-8", id="latin-1 header"),
        pytest.param([file("a.csv", b"text\na\n"), file("b.csv.gz", b"")], {}, "has b.csv.gz",
                     id="one compressed"),
        pytest.param([file("a.jsonl", b'{"text": "a", "d": {}}\n')], {}, "--format jsonl",
                     id="nothing in an object"),
        pytest.param([file("a.jsonl", b'{"text":"a","d":9007199254740993}\n{"text":"b","d":0.5}')],
                     {"part_rows": 1}, "a.jsonl, rows from 0", id="no float"),
        pytest.param([file("a.jsonl", b'{"t": "a"}\n')], {}, "only t", id="no field"),
        pytest.param([file("a.jsonl", b'{"text": "a"}\n\n{"text"\n')], {}, "line 3", id="no json"),
        pytest.param([file("a.jsonl", b'{"text": "a"}\n[1]\n')], {}, "line 2", id="no object"),
        pytest.param([file("a.jsonl", b'{"text":"a","n":1}\n{"text":"b","n":"x"}\n')], {},
                     "one type", id="two types"),
        pytest.param([file("a.jsonl", b'{"text": "a", "embedding": 1}\n')], {}, "rename",
                     id="embedding"),
        pytest.param([file("a.csv", b"text\na\n")], {"key": "id"}, "--key", id="no key"),
        pytest.param([file("a.parquet", b"nonsense")], {}, "no Parquet", id="no parquet"),
    ]  # fmt: skip


@pytest.mark.parametrize(("files", "options", "said"), refusals())
def test_bad_input_is_named(
    bundle: Path, tmp_path: Path, files: list[tuple[str, bytes]], options: dict, said: str
) -> None:
    (tmp_path / "in").mkdir()
    for name, data in files:
        (tmp_path / "in" / name).write_bytes(data)
    with pytest.raises(ArgumentError, match=said):
        embed(bundle, tmp_path / "in", tmp_path / "out", **options)
    assert not list((tmp_path / "out").rglob("part-*"))


@pytest.mark.parametrize(
    ("table", "options", "said"),
    [
        (
            pa.table([["a"], [1], [2]], ["text", "n", "n"]),
            {},
            "two columns of one name: text, n, n",
        ),
        (pa.table([["a"], ["b"]], ["text", "text"]), {}, "two columns of one name"),
        (pa.table({"text": ["a"], "l": [[1]]}), {"format": "csv"}, "no place in csv .*parquet"),
        (
            pa.table({"text": ["a"], "b": [b"x"]}),
            {"format": "jsonl"},
            "bytes has no place in jsonl",
        ),
    ],
    ids=["twice", "text twice", "lists in csv", "bytes in jsonl"],
)
def test_bad_parquet_is_named(
    bundle: Path, tmp_path: Path, table: pa.Table, options: dict, said: str
) -> None:
    pq.write_table(table, tmp_path / "in.parquet")
    with pytest.raises(ArgumentError, match=said):
        embed(bundle, tmp_path / "in.parquet", tmp_path / "out", **options)
    assert not list((tmp_path / "out").rglob("part-*"))


def test_a_damaged_page_is_named(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"text": lines(2000)}), path, compression="none", use_dictionary=False)
    data = bytearray(path.read_bytes())
    data[200:20_000] = b"\xff" * 19_800
    path.write_bytes(data)
    with pytest.raises((ArgumentError, OSError), match=r"in\.parquet, rows from 0: "):
        embed(bundle, path, tmp_path / "out")


def test_a_column_that_is_no_text_is_named(bundle: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": [1, 2]}), tmp_path / "in.parquet")
    with pytest.raises(ArgumentError, match=r"'text' of in\.parquet is int64, not text"):
        embed(bundle, tmp_path / "in.parquet", tmp_path / "out")


def test_an_output_inside_the_input_is_refused(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\na\n")
    source, other = tmp_path / "in", tmp_path / "other"
    source.mkdir()
    (tmp_path / "a.csv").rename(source / "a.csv")
    other.symlink_to(source, target_is_directory=True)
    for out in (source, source / "out", other / "out", tmp_path / "x" / ".." / "in" / "out"):
        with pytest.raises(ArgumentError, match="inside the input"):
            embed(bundle, source, out)
    assert [path.name for path in source.iterdir()] == ["a.csv"]
    with pytest.raises(ArgumentError, match="in the bundle"):
        embed(bundle, source, bundle / "vectors")
    assert not (bundle / "vectors").exists()
    another = Path(shutil.copytree(bundle, tmp_path / "another"))
    with pytest.raises(ArgumentError, match="in the bundle"):
        embed(bundle, source, another / "vectors")
    assert not (another / "vectors").exists()


def test_unknown_options_and_places() -> None:
    from edgembed.corpus import Settings
    from edgembed.corpus.places import Place

    for options in ({"on_error": "x"}, {"format": "x"}, {"precision": "x"}, {"part_rows": 0}):
        with pytest.raises(ArgumentError):
            Settings(**options)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="gopher"):
        Place.at("gopher://host/path")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"format": "jsonl"},
        {"precision": "int8", "on_error": "null"},
        {"precision": "ubinary", "part_rows": 5000},
    ],
    ids=["", "jsonl", "int8", "ubinary"],
)
def test_dry_run_says_what_it_will_take_and_writes_nothing(
    bundle: Path, tmp_path: Path, options: dict[str, str | int]
) -> None:
    words, random = (ROOT / "README.md").read_text(encoding="utf-8").split(), Random(0)
    texts: list[str | None] = [" ".join(random.choices(words, k=3 + i % 20)) for i in range(2500)]
    texts[::9] = [None] * len(texts[::9])
    texts += texts[:500]  # those that repeat take less room, and no time
    source = tmp_path / "in"
    source.mkdir()
    for name in ("id", "other"):  # files need not have the same columns
        rows = texts if name == "id" else sorted(filter(None, texts), key=len)
        pq.write_table(pa.table({"text": rows, name: range(len(rows))}), source / f"{name}.parquet")
    asked = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    done = python("-c", MAIN, "corpus", bundle, source, tmp_path / "out", "--dry-run", "--json",
                  "--threads=1", *asked)  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert not (tmp_path / "out").exists()
    report = embed(bundle, source, tmp_path / "out", **options)
    assert said["rows"] == report.totals.rows
    assert said["parts"] == report.parts
    assert said["refused"] == pytest.approx(report.totals.refused, rel=0.1)
    assert said["tokens"] == pytest.approx(report.totals.tokens, rel=0.05)
    size = sum(path.stat().st_size for path in (tmp_path / "out").glob("part-*"))
    assert said["bytes"] == pytest.approx(size, rel=0.05)
    assert said["seconds"] > 0


def test_without_daft_the_extra_is_named(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\na\n")
    script = f"import sys; sys.modules['daft'] = None; {MAIN}"
    done = python("-c", script, "corpus", bundle, tmp_path / "a.csv", tmp_path / "out")
    assert done.returncode == 1
    assert b"edgembed[corpus]" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_bundle_that_is_not_signed_is_refused(
    bundle_copy: Path, signing_keys: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("text\na\n")
    private, public = signing_keys
    command = ("-c", MAIN, "corpus", bundle_copy, tmp_path / "a.csv", tmp_path / "out",
               "--public-key", public)  # fmt: skip
    for more in ([], ["--dry-run"]):
        done = python(*command, *more)
        assert done.returncode == 1
        assert b"manifest.json.sig" in done.stderr
        assert not (tmp_path / "out").exists()
    with pytest.raises(IntegrityError, match="sig"):
        embed(bundle_copy, tmp_path / "a.csv", tmp_path / "out", public_key=public)
    assert python("-c", MAIN, "sign", bundle_copy, "--key", private).returncode == 0
    assert embed(bundle_copy, tmp_path / "a.csv", tmp_path / "out", public_key=public).parts == 1


def test_a_prompt_that_was_forgotten_is_said_once(bundle_copy: Path, tmp_path: Path) -> None:
    change_json(bundle_copy / "manifest.json", default_prompt_name=None)
    pq.write_table(pa.table({"text": lines(9)}), tmp_path / "in.parquet")
    with pytest.warns(PromptWarning, match="trained with prompts") as said:
        embed(bundle_copy, tmp_path / "in.parquet", tmp_path / "out", part_rows=3)
    assert len(said) == 1
    corpus_model._load.cache_clear()
    embed(bundle_copy, tmp_path / "in.parquet", tmp_path / "named", prompt_name="search_query")
    pq.write_table(pa.table({"text": ["search_query: a"]}), tmp_path / "in.parquet")
    with pytest.warns(PromptWarning, match="is put before a text that begins with"):
        embed(bundle_copy, tmp_path / "in.parquet", tmp_path / "twice", prompt_name="search_query")


@pytest.mark.parametrize("option", [("--threads", "-1"), ("--threads", "0"), ("--cache", "-1")])
def test_a_dry_run_refuses_what_a_run_refuses(
    bundle: Path, tmp_path: Path, option: tuple[str, str]
) -> None:
    (tmp_path / "a.csv").write_text("text\na\n")
    done = python("-c", MAIN, "corpus", bundle, tmp_path / "a.csv", tmp_path / "out",
                  "--dry-run", *option)  # fmt: skip
    assert done.returncode == 2
    assert f"{option[0][2:]} must be a whole number from 1".encode() in done.stderr
