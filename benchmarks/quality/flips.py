"""Which first answers of a search INT8 changes, and how near torch itself was to the other answer.

A query's margin is the similarity of its right document less that of the best wrong one: above 0
the first answer is right. INT8 moves margins a little, to either side, so queries near 0 may
change; what they add up to in points is the luck of so many coins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scores import Float32
from tasks import Setting, Task
from vectors import Store

from common.tables import table
from edgembed.similarity import similarity

SYSTEM = "int8"


@dataclass(frozen=True)
class Flips:
    """Of one task. Margins are differences of cosines."""

    task: str
    queries: int
    usual: float
    """Median absolute margin by torch."""
    moved: float
    """Standard deviation of what INT8 moves a margin by."""
    near: int
    """Queries whose margin by torch is within two of these standard deviations of 0."""
    lost: int
    won: int
    farthest: float
    """The largest absolute margin by torch of a query whose first answer changed."""


def find(store: Store, planned: Sequence[tuple[Task, Setting]]) -> Iterator[Flips]:
    """Every search that both torch's and INT8's vectors are there for."""
    for task, setting in planned:
        if task.answers is None:
            continue
        torch, own = (store.of(system, task, setting) for system in ("torch", SYSTEM))
        if torch and own:
            margins = (_margins(*found.values(), task.answers) for found in (torch, own))
            yield _flips(task.name, *margins)


def _margins(
    queries: Float32, documents: Float32, answers: Sequence[int]
) -> npt.NDArray[np.float64]:
    alike = similarity("cosine", queries, documents).astype(np.float64)
    every = np.arange(len(answers))
    right = alike[every, list(answers)].copy()
    alike[every, list(answers)] = -np.inf
    margins: npt.NDArray[np.float64] = right - alike.max(axis=1)
    return margins


def _flips(name: str, torch: npt.NDArray[np.float64], own: npt.NDArray[np.float64]) -> Flips:
    moved = float((own - torch).std())
    changed = np.abs(torch[(torch > 0) != (own > 0)])
    return Flips(
        name, len(torch), float(np.median(np.abs(torch))), moved,
        near=int((np.abs(torch) < 2 * moved).sum()),
        lost=int(((torch > 0) & (own <= 0)).sum()),
        won=int(((torch <= 0) & (own > 0)).sum()),
        farthest=float(changed.max(initial=0.0)),
    )  # fmt: skip


def page(found: Sequence[Flips]) -> str:
    """What the table is of, and the table, in Markdown."""
    said = (
        "A margin is the cosine of the right answer less that of the best wrong one, by torch; a "
        "near tie is within two standard deviations of what INT8 moves it by.\n\n"
    )
    head = [
        "search", "queries", "usual margin", "INT8 moves it by", "near ties", "first answers lost",
        "won", "largest margin of a changed one",
    ]  # fmt: skip
    return said + table(
        head,
        [
            [one.task, one.queries, f"{one.usual:.4f}", f"{one.moved:.4f}", one.near, one.lost,
             one.won, f"{one.farthest:.4f}"]
            for one in found
        ],
    )  # fmt: skip
