"""The same parts of a file embedded by Daft in one of three ways; run.py times the process.

python benchmarks/corpus/ways.py WAY BUNDLE DTYPE THREADS SOURCE OUT
"""

from __future__ import annotations

import sys

import daft
import pyarrow.parquet as pq

from edgembed import Embedder


def main(way: str, bundle: str, dtype: str, threads: int, source: str) -> None:
    daft.set_runner_native(num_threads=threads)
    own = threads if way == "one worker" else 1
    kind = {"threads": {}, "processes": {"use_process": True, "max_concurrency": threads},
            "one worker": {"max_concurrency": 1}}[way]  # fmt: skip

    @daft.cls(**kind)
    class Worker:
        def __init__(self) -> None:
            self.model = Embedder(bundle, dtype, own)

        @daft.method.batch(return_dtype=daft.DataType.int64(), batch_size=1)
        def embed(self, first: daft.Series) -> list[int]:
            return [self.count(one) for one in first.to_pylist()]

        def count(self, first: int) -> int:
            table = pq.read_table(source, columns=["text"]).slice(first, size)
            return len(self.model.encode(table.column("text").to_pylist(), prompt=""))

    rows = pq.read_metadata(source).num_rows
    size = -(-rows // (8 * threads))
    frame = daft.from_pydict({"first": list(range(0, rows, size))})
    counts = frame.select(Worker().embed(frame["first"])).to_pydict()
    assert sum(next(iter(counts.values()))) == rows


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
