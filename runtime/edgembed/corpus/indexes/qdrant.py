"""Qdrant in its local mode: a collection "corpus", each point's payload the row's columns.

The local mode searches vectors one by one, in memory: for a server, upload the same points.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from qdrant_client import QdrantClient
from qdrant_client.models import Distance, PointStruct, VectorParams

from edgembed.corpus.indexes.rows import OutputRows

NAME = "corpus"


def write(folder: Path, rows: OutputRows) -> None:
    """The collection, compared by cosine."""
    client = QdrantClient(path=str(folder))
    try:
        size = VectorParams(size=rows.dimension, distance=Distance.COSINE)
        client.create_collection(NAME, vectors_config=size)
        for batch in rows.batches():
            payloads = map(_plain, batch.columns.to_pylist())
            points = [
                PointStruct(id=i, vector=vector.tolist(), payload=payload)
                for i, vector, payload in zip(batch.ids, batch.vectors, payloads, strict=True)
            ]
            client.upsert(NAME, points)
    finally:
        client.close()


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON has it: a date becomes its text."""
    plain: dict[str, Any] = json.loads(json.dumps(row, default=str))
    return plain
