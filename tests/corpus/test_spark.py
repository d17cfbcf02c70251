"""The same bundle in Spark, by a pandas_udf."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpora import embed, expected, lines
from snippets import snippets

(SCRIPT,) = [code for name, code in snippets("docs/scale.md") if name == "spark"]


@pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java 17 or newer")
def test_spark_in_ten_lines(bundle: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": lines(100)}), tmp_path / "in.parquet", row_group_size=40)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(bundle), str(tmp_path / "in.parquet"),
         str(tmp_path / "out")],
        capture_output=True, text=True, check=False,
        env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable,
             "PYSPARK_SUBMIT_ARGS": "--master local[2] pyspark-shell"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    table = pq.read_table(tmp_path / "out")
    order = {text: i for i, text in enumerate(table.column("text").to_pylist())}
    got = np.array([table.column("embedding")[order[t]].as_py() for t in lines(100)], np.float32)
    np.testing.assert_array_equal(got, expected(bundle, lines(100)))


@pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java 17 or newer")
def test_spark_reads_what_corpus_wrote(bundle: Path, source: Path, tmp_path: Path) -> None:
    embed(bundle, source, tmp_path / "out", part_rows=50)
    script = """
import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[1]").getOrCreate()
frame = spark.read.parquet(sys.argv[1])
print(frame.count(), frame.schema["embedding"].dataType.simpleString(),
      len(frame.first()["embedding"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "out")],
        capture_output=True, text=True, check=False,
        env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == "400 array<float> 48"
