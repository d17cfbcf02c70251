"""Tests of corpora with what they run on: Daft, Ray, an object store, Spark, indexes.

    pytest tests/corpus --environment NAME

`make corpus` makes the environments. Without --environment nothing here is collected.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpora import lines

# By environment: the test files that run in it.
FILES = {
    "daft": ("test_daft.py", "test_kills.py", "test_objects.py", "test_ray.py"),
    "spark": ("test_spark.py",),
    "indexes": ("test_indexes.py",),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--environment", choices=list(FILES), help="see environments of run.py")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    wanted = FILES.get(config.getoption("environment", default=None) or "", ())
    return True if collection_path.is_file() and collection_path.name not in wanted else None


@pytest.fixture
def bundle(bundles: Path) -> Path:
    return bundles / "tiny-frida"


@pytest.fixture
def texts() -> list[str]:
    return lines(400)


@pytest.fixture
def source(tmp_path: Path, texts: list[str]) -> Path:
    """Two files, and in each a row that cannot be embedded."""
    folder = tmp_path / "in"
    folder.mkdir()
    table = pa.table({"id": range(400), "text": texts})
    nothing = pa.table({"id": [400], "text": pa.nulls(1, pa.string())})
    for name, part in (("a", table.slice(0, 150)), ("b", table.slice(150))):
        whole = pa.concat_tables([part, nothing])
        pq.write_table(whole, folder / f"{name}.parquet", row_group_size=64)
    return folder


@pytest.fixture
def page(bundles: Path, tmp_path: Path) -> Callable[[str, str], str]:
    """page(LANGUAGE, CODE): what a snippet of docs/corpus.md says, run as it stands."""
    (tmp_path / "bundle").symlink_to(bundles / "tiny-frida", target_is_directory=True)
    (tmp_path / "articles").mkdir()
    articles = pa.table({"id": range(40), "body": lines(40)})
    pq.write_table(articles, tmp_path / "articles" / "a.parquet")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def run(language: str, code: str) -> str:
        command = [sys.executable, "-c"] if language.endswith("python") else ["sh", "-ec"]
        done = subprocess.run([*command, code], cwd=tmp_path, env={**os.environ, "PATH": path},
                              capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
