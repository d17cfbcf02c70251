"""What noise does to a task's score by chance, when it moves each vector as far as INT8 moves it.

Torch's vectors, each turned in a random direction by the angle between INT8's and its own, again
and again: a difference within the spread of these is no more than what any system so near to torch
may show, to either side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from differences import BARS, keeps
from scores import Float32
from tasks import Setting, Task
from vectors import Store

from common.tables import table

SYSTEM = "int8"
DRAWS = 20


@dataclass(frozen=True)
class Chance:
    """Of a metric of one task under its own prompt. Points of 100, as differences to torch."""

    task: str
    metric: str
    own: float
    """INT8's."""
    usual: float
    """Mean of the draws': noise is not fair where torch's own answer is often by a hair."""
    spread: float
    """Standard deviation of the draws'."""
    farthest: float
    """The largest absolute difference of a draw."""
    within: int
    """Draws that keep INT8's bar."""


def find(store: Store, planned: Sequence[tuple[Task, Setting]]) -> Iterator[Chance]:
    """Every task under its own prompt that both torch's and INT8's vectors are there for."""
    own_prompt: dict[str, tuple[Task, Setting]] = {}
    for task, setting in planned:
        own_prompt.setdefault(task.name, (task, setting))
    for task, setting in own_prompt.values():
        torch, own = (store.of(system, task, setting) for system in ("torch", SYSTEM))
        if torch and own:
            yield from _of(task, torch, own)


def _of(task: Task, torch: dict[str, Float32], own: dict[str, Float32]) -> Iterator[Chance]:
    random = np.random.default_rng(0)
    exact = {name: found.points() for name, found in task.outcomes(torch).items()}
    found = {name: found.points() for name, found in task.outcomes(own).items()}
    drawn: dict[str, list[float]] = {name: [] for name in exact}
    for _ in range(DRAWS):
        moved = {role: turned(torch[role], own[role], random) for role in torch}
        for name, outcome in task.outcomes(moved).items():
            drawn[name].append(outcome.points() - exact[name])
    for name, differences in drawn.items():
        spread = np.array(differences)
        yield Chance(
            task.name, name, found[name] - exact[name], float(spread.mean()), float(spread.std()),
            farthest=float(np.abs(spread).max()),
            within=sum(keeps(one, BARS[SYSTEM][0]) for one in differences),
        )  # fmt: skip


def turned(exact: Float32, other: Float32, random: np.random.Generator) -> Float32:
    """`exact` (n, dim), of norm 1, each row turned as far as `other`'s is from it, anywhere."""
    cosine = np.clip((exact.astype(np.float64) * other).sum(axis=1, keepdims=True), -1, 1)
    away: npt.NDArray[np.float64] = random.standard_normal(exact.shape)
    away -= (away * exact).sum(axis=1, keepdims=True) * exact
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    rows: Float32 = (cosine * exact + np.sqrt(1 - cosine**2) * away).astype(np.float32)
    return rows


def page(found: Sequence[Chance]) -> str:
    """What the table is of, and the table, in Markdown."""
    said = (
        f"Torch's vectors, {DRAWS} times over turned in random directions as far as INT8 turns "
        "each: differences to torch, in points. A draw is nobody's error but noise.\n\n"
    )
    head = ["task", "INT8", "a draw, mean", "and spread", "farthest", f"within {BARS[SYSTEM][0]}"]
    return said + table(
        head,
        [
            [f"{one.task}, {one.metric}", f"{one.own:+.2f}", f"{one.usual:+.2f}",
             f"{one.spread:.2f}", f"{one.farthest:.2f}", f"{one.within} of {DRAWS}"]
            for one in found
        ],
    )  # fmt: skip
