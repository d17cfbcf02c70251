"""The tables: Markdown for people, JSON for programs, and a plot."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import chance
import flips
import plots
import prompts
import published
import worst
from differences import (
    BARS,
    Cell,
    Row,
    Verdict,
    cells,
    counted,
    judged,
    mean_difference,
    verdicts,
)
from prompts import Cost
from scores import Outcome
from tasks import ENCODECHKA, Setting, Task
from vectors import Store

from common.tables import table
from edgembed.bench.machine import describe

_KIND = {
    "encodechka": "encodechka: STS and PI Spearman, NLI and SA accuracy, TI ROC AUC",
    "stsb": "STS-B, test",
    "tatoeba": "Tatoeba, translations among all sentences of the other language",
    "xquad": "XQuAD, the paragraph that answers a question",
}


def outcomes(
    store: Store, systems: Sequence[str], task: Task, setting: Setting
) -> dict[str, dict[str, Outcome]]:
    """By system and metric, for the systems whose vectors are there."""
    found = {}
    for system in systems:
        if (vectors := store.of(system, task, setting)) is not None:
            found[system] = task.outcomes(vectors)
    return found


def rows(
    store: Store, systems: Sequence[str], planned: Sequence[tuple[Task, Setting]]
) -> list[Row]:
    """A row a metric of every task under every prompt that torch's vectors are there for."""
    made, seen = [], set()
    for task, setting in planned:
        own = outcomes(store, systems, task, setting)
        if "torch" not in own:
            continue
        for place, metric in enumerate(own["torch"]):
            by_system = {system: found[metric] for system, found in own.items()}
            made.append(
                Row(
                    task.name, task.folder, setting.name, metric,
                    items=len(by_system["torch"].items),
                    own_prompt=task.name not in seen,
                    counts=place == 0,
                    cells=cells(by_system),
                )
            )  # fmt: skip
        seen.add(task.name)
    return made


@dataclass(frozen=True)
class Results:
    """One model's measurements, and what measured them."""

    store: Store
    systems: Sequence[str]
    rows: list[Row]
    costs: list[Cost]
    moved: worst.Moved | None
    flipped: Sequence[flips.Flips]
    luck: Sequence[chance.Chance]
    published: Path
    """What encodechka's own way gave (published.py), where it was measured."""

    def facts(self) -> dict[str, Any]:
        """For programs."""
        return {
            "systems": {system: self.store.key(system) for system in self.systems},
            "machine": describe(),
            "date": date.today().isoformat(),
            "rows": [asdict(row) for row in self.rows],
            "prompts": [asdict(cost) for cost in self.costs],
            "flips": [asdict(one) for one in self.flipped],
            "chance": [asdict(one) for one in self.luck],
            "bars": [{**asdict(one), "kept": one.kept} for one in verdicts(self.rows)],
        }


def write(name: str, results: Results, out: Path) -> None:
    """out/NAME.md, .json and .svg."""
    if not results.rows:
        raise SystemExit(f"{name}: no task has torch's vectors yet: run the stage embed")
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}.json"
    facts = json.dumps({"model": name, **results.facts()}, ensure_ascii=False, indent=1)
    path.write_text(facts + "\n", "utf-8")
    text = "\n".join(_page(name, results))
    path.with_suffix(".md").write_text(text + "\n", "utf-8")
    path.with_suffix(".svg").write_text(plots.differences(results.rows), "utf-8")
    print(text)


def _page(name: str, results: Results) -> Iterator[str]:
    made, systems = results.rows, results.systems
    yield f"# {name}: what each system costs in quality\n"
    yield (
        "Points of 100; in brackets the difference to torch and its 95 % bootstrap interval over "
        "the test items. A dash was not measured.\n"
    )
    machine = describe()
    yield f"{machine['cpu']}, {machine['logical_cpus']} CPUs, {date.today().isoformat()}.\n"
    yield f"![differences to torch]({name}.svg)\n"
    for folder in dict.fromkeys(row.folder for row in made):
        yield f"## {_KIND.get(folder, folder)}\n"
        own = [row for row in made if row.folder == folder]
        layout = _card if folder == "encodechka" else _plain
        yield layout(own, systems) + "\n"
    if any(row.folder == "encodechka" for row in made) and "e5-small" in name:
        yield from _published(made, results.published)
    yield "## Mean difference to torch\n"
    means = {s: (mean_difference(made, s), counted(made, s)) for s in systems if s != "torch"}
    yield "Over the tasks that a system was measured on, each under its own prompt.\n"
    yield table(["system", "points", "tasks"], [[s, _signed(v), n] for s, (v, n) in means.items()])
    yield ""
    yield from _bars(verdicts(made))
    yield from _others(made, systems)
    yield from _beside(results)


def _beside(results: Results) -> Iterator[str]:
    """What explains the scores, as far as it was measured."""
    if results.costs:
        yield "\n## What a wrong or a missing prompt costs\n"
        yield f"By {prompts.SYSTEM}; the difference is to the right prompt.\n"
        yield prompts.page(results.costs) + "\n"
    if results.flipped:
        yield "\n## Searches whose first answer INT8 changes\n"
        yield flips.page(results.flipped)
    if results.luck:
        yield "\n## What chance does to these scores\n"
        yield chance.page(results.luck)
    if results.moved is not None:
        yield "\n## Which texts INT8 moves\n"
        yield worst.page(results.moved)


def _card(own: list[Row], systems: Sequence[str]) -> str:
    """As the model card has it: a line a prompt, here for each system."""
    names = [task for task in ENCODECHKA if any(row.task == task for row in own)]
    lines = []
    for prompt in dict.fromkeys(row.prompt for row in own):
        by_task = {row.task: row.cells for row in own if row.prompt == prompt}
        for system in systems:
            line = [_cell(by_task.get(task, {}).get(system)) for task in names]
            if any(cell != "-" for cell in line):
                lines.append([prompt, system, *line])
    items = {row.task: row.items for row in own}
    return table(["prompt", "system", *(f"{n} ({items[n]})" for n in names)], lines)


def _plain(own: list[Row], systems: Sequence[str]) -> str:
    lines = [
        [f"{row.task}, {row.metric}", row.prompt, row.items,
         *(_cell(row.cells.get(system)) for system in systems)]
        for row in own
    ]  # fmt: skip
    return table(["", "prompt", "items", *systems], lines)


def _published(made: list[Row], path: Path) -> Iterator[str]:
    """torch here against encodechka's README, whose model this one was cut from."""
    lines = list(published.lines(path))
    for prompt in dict.fromkeys(row.prompt for row in made if row.folder == "encodechka"):
        points = {r.task: r.cells["torch"].points for r in made if r.prompt == prompt}
        lines.append(
            [
                f"torch, {prompt}",
                *(f"{points[t] / 100:.3f}" if t in points else "-" for t in ENCODECHKA),
            ]
        )
    yield "## Against the published figures of intfloat/multilingual-e5-small\n"
    yield (
        "encodechka publishes the best of six readings of each text (the first token, the mean, "
        "the pooler; each as it is or of norm 1), without a prompt, cut at 128 tokens. "
        "The model here was cut from that one to fewer tokens, and may be a rounded copy of it.\n"
    )
    yield table(["", *ENCODECHKA], lines) + "\n"
    if path.is_file():
        yield published.page(path) + "\n"


def _bars(found: list[Verdict]) -> Iterator[str]:
    missed = [one for one in found if not one.kept]
    counting = [one for one in found if one.counts]
    kept = sum(one.kept for one in counting)
    yield f"## Bars: {kept} of {len(counting)} kept, {len(found) - len(missed)} of {len(found)}\n"
    yield (
        "float32 within 0.01 points of torch; INT8 within 0.2 on every task and 0.05 on the mean: "
        "first by each task's own score (its first metric, under the checkpoint's prompt for it), "
        "then by every metric under every prompt.\n"
    )
    if missed:
        lines = [[f"{o.system}: {o.name}", _signed(o.value), f"{o.bar:g}"] for o in missed]
        yield table(["missed", "difference", "bar"], lines)


def _others(made: list[Row], systems: Sequence[str]) -> Iterator[str]:
    """How many of INT8's bars each system keeps: torch's own bfloat16 says what they mean."""
    lines = []
    for system in systems:
        found = judged(made, system, BARS["int8"]) if system != "torch" else []
        parts = [one for one in found if one.counts], found
        kept = [f"{sum(one.kept for one in part)} of {len(part)}" for part in parts]
        if found:
            lines.append([system, *kept])
    yield "\nINT8's bars, asked of each system:\n"
    yield table(["system", "tasks and their mean", "every metric and prompt"], lines)


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return "-"
    if cell.difference is None:
        return f"{cell.points:.2f}"
    return f"{cell.points:.2f} ({cell.difference:+.2f}: {cell.low:+.2f} to {cell.high:+.2f})"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3f}"
