"""A corpus that is stopped at any moment, and gone on with: every row once."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpora import contents, embed, expected, lines, output, refused, vectors
from edgembed import ArgumentError
from support import python

ROWS, PART = 60, 13


@pytest.fixture
def bundle(bundles: Path) -> Path:
    return bundles / "tiny-frida"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in"
    path.mkdir()
    texts: list[str | None] = [*lines(ROWS)]
    texts[5] = texts[40] = None
    table = pa.table({"id": range(ROWS), "text": texts})
    pq.write_table(table.slice(0, 35), path / "a.parquet")
    pq.write_table(table.slice(35), path / "b.parquet")
    return path


# A run without Daft that kills itself at its n-th file: before it, half-way through, or after it.
# SIGKILL leaves a process no time to tidy up.
KILLED = """
import os, signal, sys
from pathlib import Path
from corpora import embed
from edgembed.corpus import places

bundle, source, out, number, moment = sys.argv[1:]
left, write, replacing = [int(number)], places.Place.write, places.replacing

def kill():
    os.kill(os.getpid(), signal.SIGKILL)

def counted(self, name, data):
    left[0] -= 1
    if left[0] == 0 and moment == "before":
        kill()
    write(self, name, data)
    if left[0] == 0 and moment == "after":
        kill()

class Half:
    def __init__(self, path):
        self.inner = replacing(path)
    def __enter__(self):
        self.file = self.inner.__enter__()
        return self
    def write(self, data):
        if left[0] == 0 and moment == "half":
            self.file.write(bytes(data)[: len(bytes(data)) // 2])
            self.file.flush()
            kill()
        self.file.write(data)
    def __exit__(self, *error):
        return self.inner.__exit__(*error)

places.Place.write, places.replacing = counted, Half
embed(Path(bundle), Path(source), Path(out), part_rows=13, key="id")
print(-left[0])
"""


def killed(bundle: Path, source: Path, out: Path, number: int, moment: str) -> Any:
    tests = str(Path(__file__).parent)
    return python("-c", KILLED, bundle, source, out, str(number), moment, PYTHONPATH=tests)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
@pytest.mark.parametrize("moment", ["before", "half", "after"])
def test_killed_at_every_file(bundle: Path, source: Path, tmp_path: Path, moment: str) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    embed(bundle, source, whole, part_rows=PART, key="id")
    # Each process writes at least one file more than the one before it: at most this many.
    for number in (1, 2, 1, 3, 2, 5, 1, 4):
        done = killed(bundle, source, out, number, moment)
        assert done.returncode in (-signal.SIGKILL, 0), done.stderr
    embed(bundle, source, out, part_rows=PART, key="id")
    assert contents(out) == contents(whole)
    texts = [text for i, text in enumerate(lines(ROWS)) if i not in (5, 40)]
    assert output(out).column("text").to_pylist() == texts
    assert [row["key"] for row in refused(out)] == [5, 40]
    assert (vectors(output(out)) == expected(bundle, texts)).all()


def test_finished_parts_are_not_done_again(bundle: Path, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = killed(bundle, source, out, 8, "after")
    assert done.returncode == -signal.SIGKILL
    there = {path: path.stat().st_mtime_ns for path in (out / "_edgembed" / "done").iterdir()}
    assert there
    report = embed(bundle, source, out, part_rows=PART, key="id")
    assert report.before > 0
    assert {path: path.stat().st_mtime_ns for path in there} == there
    again = embed(bundle, source, out, part_rows=PART, key="id")
    assert again.before == again.totals.rows == ROWS


@pytest.mark.parametrize("damage", ["shorter", "gone", "marker"])
def test_a_part_that_is_not_whole_any_more_is_done_again(
    bundle: Path, source: Path, tmp_path: Path, damage: str
) -> None:
    out = tmp_path / "out"
    embed(bundle, source, out, part_rows=PART)
    before = contents(out)
    part = out / "part-000002.parquet"
    if damage == "shorter":
        part.write_bytes(part.read_bytes()[:-1])
    else:
        (part if damage == "gone" else out / "_edgembed" / "done" / "000002.json").unlink()
    report = embed(bundle, source, out, part_rows=PART)
    assert report.before == ROWS - 9  # the third part is what is left of the first file
    assert contents(out) == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"prompt": "other: "}, r"prompt was 'categorize: ', not 'other: '"),
        ({"precision": "int8"}, "precision was 'float32', not 'int8'"),
        ({"truncate_dim": 8}, "dimension was '48', not '8'"),
        ({"on_error": "null"}, "on_error was 'skip', not 'null'"),
        ({"text": "body"}, "text was 'text', not 'body'"),
        ({"format": "jsonl"}, "format was 'parquet', not 'jsonl'"),
        ({"part_rows": 7}, "part_rows was 13, not 7"),
    ],
)
def test_other_settings_are_refused_by_name(
    bundle: Path, source: Path, tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    out = tmp_path / "out"
    embed(bundle, source, out, part_rows=PART)
    before = contents(out)
    with pytest.raises(ArgumentError, match=said):
        embed(bundle, source, out, **{"part_rows": PART, **options})
    assert contents(out) == before


def test_another_bundle_is_refused(bundles: Path, source: Path, tmp_path: Path) -> None:
    embed(bundles / "tiny-frida", source, tmp_path / "out")
    with pytest.raises(
        ArgumentError, match=r"fingerprint was .*; model was 'tiny-frida', not 'tiny-cls'"
    ):
        embed(bundles / "tiny-cls", source, tmp_path / "out")


def test_another_input_is_refused(bundle: Path, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    embed(bundle, source, out)
    pq.write_table(pa.table({"text": ["other"]}), source / "b.parquet")
    pq.write_table(pa.table({"text": ["new"]}), source / "c.parquet")
    (source / "a.parquet").unlink()
    said = "a.parquet is gone; input file b.parquet has changed since; input file c.parquet is new"
    with pytest.raises(ArgumentError, match=said.replace(".", r"\.")):
        embed(bundle, source, out)


def test_a_folder_of_others_is_left_alone(bundle: Path, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(ArgumentError, match=r"holds mine\.txt"):
        embed(bundle, source, out)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_two_at_once_are_one_too_many(bundle: Path, source: Path, tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl", reason="this system has no flock")
    out = tmp_path / "out"
    (out / "_edgembed").mkdir(parents=True)
    with (out / "_edgembed" / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ArgumentError, match="another process"):
            embed(bundle, source, out)
    assert embed(bundle, source, out).totals.rows == ROWS


def test_what_the_manifest_says(bundle: Path, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    embed(bundle, source, out, part_rows=PART)
    manifest = json.loads((out / "_edgembed" / "manifest.json").read_text(encoding="utf-8"))
    assert [part["number"] for part in manifest["parts"]] == [0, 1, 2, 3, 4]
    assert sum(part["rows"] for part in manifest["parts"]) == ROWS
    assert sum(part["refused"] for part in manifest["parts"]) == 2
    for part in manifest["parts"]:
        assert (out / part["file"]).stat().st_size == part["bytes"]
        assert part["rows"] == part["embedded"] + part["refused"]
    assert [name for name, *_ in manifest["run"]["files"]] == ["a.parquet", "b.parquet"]
