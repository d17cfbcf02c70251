"""What a system's score differs from torch's by, and how much of that is luck of the test items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import mean

import numpy as np
from scores import Outcome

RESAMPLES = 500
# How far a dtype of ours may be from torch, in points: on each task, and on the mean of all.
BARS = {"float32": (0.01, 0.01), "int8": (0.2, 0.05)}


@dataclass(frozen=True)
class Cell:
    """One system on one task under one prompt, in points of 100.

    difference: to torch; low and high: its 95 % bootstrap interval. None for torch itself.
    """

    points: float
    difference: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Row:
    """A metric of a task under a prompt; cells by system, where it was measured."""

    task: str
    folder: str
    prompt: str
    metric: str
    items: int
    own_prompt: bool  # the one that the checkpoint has for this kind of task
    counts: bool  # the task's first metric, which counts in a mean
    cells: Mapping[str, Cell]


def cells(outcomes: Mapping[str, Outcome]) -> dict[str, Cell]:
    """By system; `outcomes` has torch's among them."""
    torch = outcomes["torch"]
    found = {"torch": Cell(torch.points())}
    for system, own in outcomes.items():
        if system != "torch":
            low, high = interval(torch, own)
            points = own.points()
            found[system] = Cell(points, points - found["torch"].points, low, high)
    return found


def interval(a: Outcome, b: Outcome) -> tuple[float, float]:
    """The 95 % interval of b's score - a's, over resamples of the items that both were given."""
    random = np.random.default_rng(0)
    count = len(a.items)
    drawn = (random.integers(0, count, count) for _ in range(RESAMPLES))
    spread = [b.score(b.items[rows]) - a.score(a.items[rows]) for rows in drawn]
    low, high = np.percentile(spread, [2.5, 97.5])
    return float(low), float(high)


def mean_difference(rows: Iterable[Row], system: str) -> float | None:
    """Over the tasks' first metrics under their own prompts; None where nothing was measured."""
    found = _counting(rows, system)
    return mean(found) if found else None


def counted(rows: Iterable[Row], system: str) -> int:
    """How many tasks mean_difference is over."""
    return len(_counting(rows, system))


def _counting(rows: Iterable[Row], system: str) -> list[float]:
    own = [row.cells.get(system) for row in rows if row.counts and row.own_prompt]
    return [cell.difference for cell in own if cell is not None and cell.difference is not None]


def keeps(value: float, bar: float) -> bool:
    """Whether a difference in points is within a bar.

    Two texts of a thousand are 0.2 points, and by floats 0.20000000000000284.
    """
    return abs(value) <= bar + 1e-9


@dataclass(frozen=True)
class Verdict:
    """Whether a system keeps its bar: on `name`, by `value` points against `bar`."""

    system: str
    name: str
    value: float
    bar: float
    counts: bool = True
    """A task's first metric under its own prompt, or the mean of these."""

    @property
    def kept(self) -> bool:
        return keeps(self.value, self.bar)


def verdicts(rows: list[Row]) -> list[Verdict]:
    """Every bar of ours, on every metric under every prompt, and on the mean."""
    return [one for system, bars in BARS.items() for one in judged(rows, system, bars)]


def judged(rows: list[Row], system: str, bars: tuple[float, float]) -> list[Verdict]:
    """A system by bars in points: on each metric, and on the mean of the tasks."""
    found = []
    for row in rows:
        own = row.cells.get(system)
        if own is not None and own.difference is not None:
            name = f"{row.task}, {row.metric}, prompt {row.prompt}"
            counts = row.counts and row.own_prompt
            found.append(Verdict(system, name, own.difference, bars[0], counts))
    average = mean_difference(rows, system)
    if average is not None:
        found.append(Verdict(system, "mean of the tasks", average, bars[1]))
    return found
