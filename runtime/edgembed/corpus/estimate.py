"""What a run would take, from some of its parts: nothing is written."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgembed.corpus.plan import Part, Plan
from edgembed.corpus.worker import Job, columns
from edgembed.corpus.writers import serialize

SAMPLE = 512  # texts that are embedded
_PLACES = 8  # parts that they come from
_SECONDS = 10.0  # for embedding them, at most


@dataclass(frozen=True)
class Estimate:
    """rows: exact. sampled: texts that were embedded. The others are extrapolated."""

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
    """Read a few parts, embed some texts of each on one thread, and multiply."""
    begun, rows, texts, sampled, size = time.monotonic(), 0, 0, 0, 0
    tokens = spent = 0.0  # of all texts that were read
    random = np.random.default_rng(0)
    for part in _places(plan.parts):
        read = job.source.read(part.span, job.settings.text, job.schema)
        own = [text for text in read.texts if text is not None]
        count = min(SAMPLE // _PLACES, len(own))
        some = [own[i] for i in random.choice(len(own), count, replace=False)]
        start = time.monotonic()
        vectors = job.model().vectors(some, job.output)
        # A text that repeats in a part is embedded once.
        spent += (time.monotonic() - start) * len({*own}) / max(len({*some}), 1)
        tokens += int(vectors.tokens.sum()) * len(own) / max(len(some), 1)
        table, column = columns(job, read, _made_up(own, vectors.matrix, random))
        size += serialize(job.settings.format, table, column, job.about).size
        rows, texts, sampled = rows + len(read.texts), texts + len(own), sampled + len(some)
        if time.monotonic() - begun > _SECONDS:
            break
    scale = plan.rows / max(rows, 1)
    return Estimate(
        plan.rows,
        len(plan.parts),
        sampled,
        round((rows - texts) * scale),
        round(tokens * scale),
        spent * scale / workers,
        round(size * scale),
    )


def _made_up(
    texts: Sequence[str], matrix: npt.NDArray[Any], random: np.random.Generator
) -> npt.NDArray[Any]:
    """As many vectors as texts, (n, width), that take the room of their own.

    Each distinct text has one of its own, each number that of an embedded text at its place: that
    leaves to compression what it finds in real ones, and no more.
    """
    distinct = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    shape = len(distinct), matrix.shape[1]
    rows = random.integers(0, max(len(matrix), 1), shape)
    mixed = np.take_along_axis(matrix, rows, axis=0)
    return mixed[np.fromiter((distinct[text] for text in texts), np.int64, len(texts))]


def _places(parts: Sequence[Part]) -> list[Part]:
    """Some parts that have rows, evenly spread over the input."""
    parts = [part for part in parts if part.span.rows]
    count = min(_PLACES, len(parts))
    return [parts[(2 * i + 1) * len(parts) // (2 * count)] for i in range(count)]
