"""What a wrong or a missing prompt costs: searches and STS-B under every prompt there is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import tasks
from differences import interval
from scores import Outcome
from tasks import Setting, Task
from vectors import Store

from common.tables import table
from edgembed.prompts import Prompts

SYSTEM = "int8"  # what is shipped; the differences between prompts are far above INT8's own


@dataclass(frozen=True)
class Cost:
    """A task under a prompt (or a pair of them), and what that is away from the right one."""

    task: str
    metric: str
    prompt: str
    right: bool
    points: float
    difference: float
    low: float
    high: float


def settings(task: Task, prompts: Prompts) -> list[Setting]:
    """The right prompts of a search or of STS-B first, then all others."""
    own = tasks.settings(task, prompts, every=False)[0]
    if task.is_search:
        others = tasks.searches(task, [*prompts.texts.values(), ""])
    else:
        others = tasks.settings(task, prompts, every=True)
    return [own, *(one for one in others if one.name != own.name)]


def chosen(found: Sequence[Task]) -> list[Task]:
    """The tasks of the table."""
    return [task for task in found if task.is_search or task.folder == "stsb"]


def embed(store: Store, found: Sequence[Task], prompts: Prompts) -> None:
    """Every vector of the table."""
    for task in chosen(found):
        for setting in settings(task, prompts):
            for role, texts in task.texts.items():
                store.get(SYSTEM, setting.prompts[role], texts)


def costs(store: Store, found: Sequence[Task], prompts: Prompts) -> Iterator[Cost]:
    """What is measured so far; a search by NDCG@10, STS by Spearman."""
    for task in chosen(found):
        right: Outcome | None = None
        for setting in settings(task, prompts):
            vectors = store.of(SYSTEM, task, setting)
            if vectors is None:
                continue
            metric, own = next(iter(task.outcomes(vectors).items()))
            is_right, right = right is None, right or own
            points, away = own.points(), own.points() - right.points()
            low, high = interval(right, own)
            yield Cost(task.name, metric, setting.name, is_right, points, away, low, high)


def page(found: Sequence[Cost]) -> str:
    """The table, in Markdown."""
    lines = [
        [
            f"{one.task}, {one.metric}", one.prompt, f"{one.points:.2f}",
            "the right one" if one.right
            else f"{one.difference:+.2f} ({one.low:+.2f} to {one.high:+.2f})",
        ]
        for one in found
    ]  # fmt: skip
    return table(["", "prompt", "points", "difference"], lines)
