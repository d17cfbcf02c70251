"""`--to`: indexes by the real libraries, opened again by them alone, and searched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpora import embed, expected, lines
from edgembed import ArgumentError
from edgembed.corpus.indexes import INDEXES, write_index
from snippets import snippets
from support import python

COUNT, NEAR = 400, 10


@pytest.fixture
def bundle(bundles: Path) -> Path:
    """Real weights: those of the others know few words, and many texts have one vector."""
    return bundles / "minilm"


Search = Callable[[Path, np.ndarray], list[str]]


def lancedb(folder: Path, query: np.ndarray) -> list[str]:
    import lancedb

    table = lancedb.connect(folder).open_table("corpus")
    found = table.search(query).distance_type("cosine").limit(NEAR).to_list()
    assert all(row["text"] == lines(COUNT)[row["id"]] for row in found)
    return [row["text"] for row in found]


def qdrant(folder: Path, query: np.ndarray) -> list[str]:
    from qdrant_client import QdrantClient

    client = QdrantClient(path=str(folder))
    try:
        points = client.query_points("corpus", query=query.tolist(), limit=NEAR).points
    finally:
        client.close()
    assert all(point.payload["text"] == lines(COUNT)[point.payload["id"]] for point in points)
    return [point.payload["text"] for point in points]


def usearch(folder: Path, query: np.ndarray) -> list[str]:
    from usearch.index import Index

    index = Index.restore(str(folder / "index.usearch"), view=True)
    assert len(index) == COUNT
    return rows(folder, index.search(query, NEAR).keys)


def faiss(folder: Path, query: np.ndarray) -> list[str]:
    import faiss

    index = faiss.read_index(str(folder / "index.faiss"))
    assert index.ntotal == COUNT
    _, found = index.search((query / np.linalg.norm(query))[None, :], NEAR)
    return rows(folder, found[0])


def rows(folder: Path, ids: np.ndarray) -> list[str]:
    texts = pq.read_table(folder / "rows.parquet").column("text")
    return [texts[int(i)].as_py() for i in ids]


SEARCH: dict[str, Search] = {
    "lancedb": lancedb, "qdrant": qdrant, "usearch": usearch, "faiss": faiss,
}  # fmt: skip


def test_every_kind_is_here() -> None:
    assert set(SEARCH) == set(INDEXES)


@pytest.mark.parametrize("on_error", ["skip", "null"])
@pytest.mark.parametrize("kind", SEARCH)
def test_what_is_written_is_found(
    bundle: Path, source: Path, tmp_path: Path, kind: str, on_error: str
) -> None:
    out, texts = tmp_path / "out", lines(COUNT)
    embed(bundle, source, out, part_rows=70, on_error=on_error)
    folder = write_index(kind, str(out))
    assert folder == out / "_index" / kind
    every = expected(bundle, texts)
    for number in (0, 150, 399):
        found = SEARCH[kind](folder, every[number])
        near = np.argsort(-(every @ every[number]), kind="stable")[:NEAR]
        assert found[0] == texts[number]
        # An HNSW graph may miss one; those that search every vector may not.
        missed = {texts[i] for i in near[:-1]} - set(found)  # the last may be one of two as near
        assert len(missed) <= (2 if kind == "usearch" else 0), missed


def test_the_command(bundle: Path, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for _ in range(2):  # the second time it is written anew
        done = python("-W", "ignore", "-m", "edgembed", "corpus", bundle, source, out,
                      "--to", "faiss")  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        assert str(out / "_index" / "faiss").encode() in done.stderr
    assert faiss(out / "_index" / "faiss", expected(bundle, lines(3))[2])[0] == lines(3)[2]
    # Nothing of it is taken for data.
    assert len(pq.read_table(out)) == COUNT


def test_the_page(page: Callable[[str, str], str]) -> None:
    write, ask = [one for one in snippets("docs/corpus.md") if one[0].startswith("index_")]
    assert "40 rows = 40 embedded" in page(*write)
    assert len(set(page(*ask).splitlines()) & set(lines(40))) == 3


def test_what_is_refused(bundle: Path, source: Path, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="no finished"):
        write_index("faiss", str(tmp_path))
    embed(bundle, source, tmp_path / "out", precision="binary")
    with pytest.raises(ArgumentError, match="float32"):
        write_index("faiss", str(tmp_path / "out"))
    with pytest.raises(ArgumentError, match="none of"):
        write_index("paper", str(tmp_path / "out"))


def test_what_is_refused_before_the_work(bundle: Path, source: Path, tmp_path: Path) -> None:
    for option in (("--precision", "int8"), ("--format", "jsonl")):
        done = python("-W", "ignore", "-m", "edgembed", "corpus", bundle, source, tmp_path / "out",
                      "--to", "faiss", *option)  # fmt: skip
        assert done.returncode == 2
        assert b"float32 vectors in Parquet" in done.stderr
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", SEARCH)
def test_files_that_have_not_the_same_columns(bundle: Path, tmp_path: Path, kind: str) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    texts = lines(COUNT)
    first = {"text": texts[:150], "id": pa.array(range(150), pa.int16()), "only": ["a"] * 150}
    second = {"id": range(150, COUNT), "tags": [["x"]] * (COUNT - 150), "text": texts[150:]}
    pq.write_table(pa.table(first), source / "a.parquet")
    pq.write_table(pa.table(second), source / "b.parquet")
    embed(bundle, source, out)
    folder = write_index(kind, str(out))
    for number in (0, 399):
        assert SEARCH[kind](folder, expected(bundle, texts)[number])[0] == texts[number]
    if kind in ("faiss", "usearch"):
        kept = pq.read_table(folder / "rows.parquet").to_pylist()
        assert kept[0] == {"text": texts[0], "id": 0, "only": "a", "tags": None}
        assert kept[-1] == {"text": texts[-1], "id": COUNT - 1, "only": None, "tags": ["x"]}


def test_columns_of_two_kinds_are_named(bundle: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    pq.write_table(pa.table({"text": ["a"], "n": [1]}), source / "a.parquet")
    pq.write_table(pa.table({"text": ["b"], "n": ["x"]}), source / "b.parquet")
    embed(bundle, source, tmp_path / "out")
    with pytest.raises(ArgumentError, match=r"part-000001\.parquet .* n .*of one type"):
        write_index("usearch", str(tmp_path / "out"))
