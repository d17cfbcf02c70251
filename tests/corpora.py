"""What the tests of corpora share: small data sets, and a run without Daft."""

from __future__ import annotations

import json
import warnings
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from edgembed import Embedder, TruncationWarning
from edgembed.corpus import Settings, embed_corpus
from edgembed.corpus.plan import Part
from edgembed.corpus.run import Report
from edgembed.corpus.worker import Counts, Job, embed_part


def serial(
    job: Job, parts: Sequence[Part], threads: int, ray: str | None
) -> Generator[Counts, None, None]:
    """Parts one after another in this process, in Daft's place."""
    for part in parts:
        yield embed_part(job, part)


def embed(bundle: Path, source: Path, out: Path, **options: Any) -> Report:
    """embed_corpus without Daft."""
    key = options.pop("public_key", None)
    settings = Settings(**options)
    return embed_corpus(bundle, source, out, settings, public_key=key, threads=1, spread=serial)


def output(out: Path) -> pa.Table:
    """All rows of a Parquet output, in the order of its parts."""
    files = sorted(out.rglob("part-*.parquet"), key=lambda path: path.name)
    return pa.concat_tables([pq.read_table(file, partitioning=None) for file in files])


def vectors(table: pa.Table) -> np.ndarray:
    """The embedding column, (n, width); rows without one are left out."""
    column = table.column("embedding").combine_chunks()
    return np.asarray(column.flatten()).reshape(len(column) - column.null_count, -1)


def expected(bundle: Path, texts: Sequence[str], **options: Any) -> np.ndarray:
    """What encode gives for the same texts, all at once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)
        return Embedder(bundle).encode(list(texts), **options)  # type: ignore[no-any-return]


def refused(out: Path) -> list[dict[str, Any]]:
    """The side file."""
    text = (out / "_edgembed" / "refused.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def contents(out: Path) -> dict[str, bytes]:
    """Every file of an output that is data or book-keeping, by name."""
    files = (path for path in out.rglob("*") if path.is_file() and path.name != "lock")
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def lines(count: int) -> list[str]:
    """Distinct short texts."""
    return [f"text number {i} {'and more ' * (i % 4)}" for i in range(count)]
