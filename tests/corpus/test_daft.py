"""The command, with Daft's native runner: rows, vectors, what is said, and what is sent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpora import contents, embed, expected, output, refused, vectors
from edgembed.corpus import Settings, embed_corpus
from snippets import snippets
from support import python

EDGEMBED = ("-W", "ignore", "-m", "edgembed")


def corpus(*arguments: str | Path, **environment: str | None) -> subprocess.CompletedProcess[bytes]:
    return python(*EDGEMBED, "corpus", *arguments, **environment)


def test_the_command(bundle: Path, source: Path, texts: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = corpus(bundle, source, out, "--part-rows", "40", "--key", "id")
    assert done.returncode == 0, done.stderr.decode()
    assert b"402 rows = 400 embedded + 2 refused, in 11 parts" in done.stdout
    assert str(out / "_edgembed" / "refused.jsonl").encode() in done.stdout
    assert output(out).column("text").to_pylist() == texts
    np.testing.assert_array_equal(vectors(output(out)), expected(bundle, texts))
    assert [(row["file"], row["row"], row["key"]) for row in refused(out)] == [
        ("a.parquet", 150, 400),
        ("b.parquet", 250, 400),
    ]


PAGE = [one for one in snippets("docs/corpus.md") if one[0].startswith("corpus_")]
SAID = ("40 rows = 40 embedded + 0 refused", "40 rows in", "Counts(rows=40, embedded=40")


@pytest.mark.parametrize(
    ("snippet", "said"), list(zip(PAGE, SAID, strict=True)), ids=["command", "dry run", "Python"]
)
def test_the_page(page: Callable[[str, str], str], snippet: tuple[str, str], said: str) -> None:
    assert said in page(*snippet)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_change_nothing(bundle: Path, source: Path, tmp_path: Path, threads: int) -> None:
    alone = tmp_path / "alone"
    embed(bundle, source, alone, part_rows=40)
    done = corpus(bundle, source, tmp_path / "out", "--part-rows", "40", "--threads", str(threads))
    assert done.returncode == 0, done.stderr.decode()
    assert contents(tmp_path / "out") == contents(alone)


def test_in_a_program_that_uses_daft_itself(bundle: Path, source: Path, tmp_path: Path) -> None:
    import daft

    assert daft.from_pydict({"n": [1, 2]}).count_rows() == 2
    for name in ("one", "two"):
        report = embed_corpus(bundle, source, tmp_path / name, Settings(part_rows=100))
        assert report.totals[:3] == (402, 400, 2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_daft_reads_what_was_written(bundle: Path, source: Path, tmp_path: Path) -> None:
    import daft

    embed(bundle, source, tmp_path / "out", part_rows=50)
    frame = daft.read_parquet(f"{tmp_path / 'out'}/**/*.parquet").sort("id")
    assert frame.count_rows() == 400
    kind = daft.DataType.fixed_size_list(daft.DataType.float32(), 48)
    assert frame.schema()["embedding"].dtype == kind
    read = np.array(frame.to_pydict()["embedding"], np.float32)
    np.testing.assert_array_equal(read, vectors(output(tmp_path / "out")))


def test_an_error_of_a_worker_is_said_as_it_is(bundle: Path, source: Path, tmp_path: Path) -> None:
    done = corpus(bundle, source, tmp_path / "out", "--on-error", "fail", "--key", "id")
    assert done.returncode == 2
    said = done.stderr.decode().splitlines()[-1]
    assert said.startswith("edgembed: a.parquet, row 150 (key 400) cannot be embedded, null")
    assert "Traceback" not in done.stderr.decode()


def test_json_and_dry_run(bundle: Path, source: Path, tmp_path: Path) -> None:
    done = corpus(bundle, source, tmp_path / "out", "--dry-run")
    assert done.returncode == 0, done.stderr.decode()
    assert b"402 rows" in done.stdout
    assert not (tmp_path / "out").exists()
    done = corpus(bundle, source, tmp_path / "out", "--json")
    assert json.loads(done.stdout)["totals"]["embedded"] == 400


def test_the_bar(bundle: Path, source: Path, tmp_path: Path) -> None:
    # A terminal, as far as the command can see.
    script = f"""
import pty, sys
sys.exit(pty.spawn([{sys.executable!r}, *{EDGEMBED!r}, "corpus", *sys.argv[1:]]) >> 8)
"""
    done = python("-c", script, bundle, source, tmp_path / "out", "--part-rows", "40")
    said = done.stdout.decode()
    assert done.returncode == 0, said
    assert "402/402" in said
    assert "row/s" in said
    assert "tokens/s" in said


# Every socket that is asked to go elsewhere, in this process (Daft's own requests are Python's).
WATCHED = """
import runpy, sys
def hook(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "urllib.Request"):
        print("WENT", event, args[1:], file=sys.stderr)
sys.addaudithook(hook)
sys.argv = ["edgembed", *sys.argv[1:]]
runpy.run_module("edgembed", run_name="__main__")
"""


def test_nothing_is_sent(bundle: Path, source: Path, tmp_path: Path) -> None:
    quiet: dict[str, Any] = dict.fromkeys(
        ("DAFT_ANALYTICS_ENABLED", "DO_NOT_TRACK", "SCARF_NO_ANALYTICS", "CI", "GITHUB_ACTIONS")
    )
    arguments = ["corpus", bundle, source, tmp_path / "out"]
    done = python("-W", "ignore", "-c", WATCHED, *arguments, **quiet)
    assert done.returncode == 0, done.stderr.decode()
    assert b"WENT" not in done.stderr
    # The hook would have seen it: the same with Daft as it comes.
    script = (
        WATCHED.partition("sys.argv")[0]
        + """
import daft, time
daft.from_pydict({"n": [1]}).collect()
time.sleep(1)
"""
    )
    assert b"WENT" in python("-W", "ignore", "-c", script, **quiet).stderr


def test_interrupted_by_the_keyboard(bundle: Path, tmp_path: Path) -> None:
    import signal
    import time

    pq.write_table(pa.table({"text": ["word " * 60 + str(i) for i in range(20_000)]}),
                   tmp_path / "in.parquet")  # fmt: skip
    out = tmp_path / "out"
    command = [sys.executable, *EDGEMBED, "corpus", bundle, tmp_path / "in.parquet", out]
    process = subprocess.Popen(
        [*map(str, command), "--part-rows", "100"], stderr=subprocess.PIPE, env=dict(os.environ)
    )
    while not list(out.glob("part-*.parquet")) and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said.decode()
    assert len(list(out.glob("part-*.parquet"))) < 200
