"""Reading: how a file of each format is cut into spans of rows, and how a span is read.

Each module has `layout(place, files, ask)`, which goes through the whole input once, and
`read(place, span, text, schema)`.
"""

from __future__ import annotations

from types import ModuleType

from edgembed.corpus.readers import delimited, jsonl, parquet

ENDINGS: dict[str, ModuleType] = {
    "parquet": parquet,
    "pq": parquet,
    "jsonl": jsonl,
    "ndjson": jsonl,
    "csv": delimited,
    "tsv": delimited,
}
