"""What a run would take, from a sample: nothing is written."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edgembed.corpus.plan import Part, Plan
from edgembed.corpus.worker import Job
from edgembed.corpus.writers import embedding_column, serialize

SAMPLE = 512  # rows
_PLACES = 8  # in the input that they come from
_SECONDS = 10.0  # for embedding them, at most


@dataclass(frozen=True)
class Estimate:
    """rows: exact. sampled: rows that were embedded. The others are extrapolated from those."""

    rows: int
    parts: int
    sampled: int
    refused: int
    tokens: int
    seconds: float
    bytes: int

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def estimate(job: Job, plan: Plan, workers: int) -> Estimate:
    """Read a few rows in several places, embed them on one thread, and multiply."""
    begun, rows, tokens, refused, spent = time.monotonic(), 0, 0, 0, 0.0
    empty, added = 0, 0  # bytes: of a file without rows, and of all rows
    for part in _places(plan.parts):
        read = job.source.read(_head(part, job), job.settings.text, job.schema)
        table = read.table.slice(0, SAMPLE // _PLACES)
        own = [text for text in read.texts[: len(table)] if text is not None]
        start = time.monotonic()
        vectors = job.model().vectors(own, job.output)
        spent += time.monotonic() - start
        empty = _size(job, table[:0], vectors.matrix[:0])
        added += _size(job, table[: len(own)], vectors.matrix) - empty
        rows += len(table)
        tokens, refused = tokens + int(vectors.tokens.sum()), refused + len(table) - len(own)
        if time.monotonic() - begun > _SECONDS:
            break
    scale = plan.rows / max(rows, 1)
    return Estimate(
        plan.rows,
        len(plan.parts),
        rows,
        round(refused * scale),
        round(tokens * scale),
        spent * scale / workers,
        round(added * scale + empty * len(plan.parts)),
    )


def _size(job: Job, table: Any, matrix: Any) -> int:
    """Bytes of a file of these rows."""
    return int(serialize(job.settings.format, table, embedding_column(matrix), job.about).size)


def _places(parts: Sequence[Part]) -> list[Part]:
    """Some parts, evenly spread over the input."""
    step = max(1, len(parts) // _PLACES)
    return [part for part in parts[::step] if part.span.rows][:_PLACES]


def _head(part: Part, job: Job) -> Any:
    """The beginning of a part, where it can be read without the rest: files of lines cannot."""
    if job.schema is not None:
        return part.span
    return part.span._replace(rows=min(part.span.rows, SAMPLE // _PLACES))
