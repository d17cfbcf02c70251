"""What a bundle costs in quality: model cards' tasks by torch, edgembed and two INT8 peers.

    python benchmarks/quality/run.py --work DIR --data DIR --model NAME=CHECKPOINT:LANGUAGES ...

See README.md. Needs the export extra and ctranslate2. Vectors are kept in --work, so that a second
run computes what has changed only: a bundle that was exported anew, a new task, a new prompt.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# benchmarks/ is no installed package.
sys.path.append(str(Path(__file__).resolve().parents[1]))
sys.path.append(str(Path(__file__).resolve().parents[1] / "peers"))
import chance
import flips
import prepare
import prompts
import published
import report
import tasks
import worst
from tasks import Setting, Task
from vectors import SYSTEMS, Store, peer

from edgembed.prompts import Prompts

STAGES = ("prepare", "embed", "prompts", "published", "report")


@dataclass(frozen=True)
class Model:
    """A checkpoint, and the languages that it knows: a task in another one is left out."""

    name: str
    checkpoint: Path
    languages: frozenset[str]

    @classmethod
    def parse(cls, text: str) -> Model:
        name, _, rest = text.partition("=")
        folder, _, languages = rest.rpartition(":")
        if not name or not (Path(folder) / "config.json").is_file():
            raise argparse.ArgumentTypeError(
                f"{text!r} is not NAME=FOLDER:LANGUAGES, such as mini=checkpoint/:ru,en"
            )
        return cls(name, Path(folder), frozenset(languages.split(",")))

    def tasks(self, found: list[Task]) -> list[Task]:
        return [task for task in found if task.languages <= self.languages]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="bundles and vectors; kept")
    parser.add_argument("--data", type=Path, required=True, help="data sets, see data.py")
    parser.add_argument("--model", type=Model.parse, nargs="+", required=True, dest="models",
                        metavar="NAME=CHECKPOINT:LANGUAGES")  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results"))
    parser.add_argument("--systems", default=",".join(SYSTEMS), help="default: %(default)s")
    parser.add_argument(
        "--sample",
        type=_sample,
        default={},
        metavar="TASK=N,...",
        help="at most N test items (and N to learn from) of a task or folder",
    )
    parser.add_argument("--tasks", help="some of the tasks, by name or folder (default: all)")
    parser.add_argument(
        "--own-prompt", action="store_true", help="only the prompt that belongs to each task"
    )
    parser.add_argument("--refresh", action="store_true", help="export the bundles again")
    parser.add_argument("--stages", default=",".join(STAGES))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    if unknown := set(options.systems.split(",")) - set(SYSTEMS):
        parser.error(f"unknown systems {', '.join(sorted(unknown))}; known: {', '.join(SYSTEMS)}")
    return options


def _sample(text: str) -> dict[str, int]:
    pairs = (part.rpartition("=") for part in text.split(","))
    return {name: int(most) for name, _, most in pairs}


def log(message: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {message}", file=sys.stderr, flush=True)


def main() -> None:
    options = parse()
    found = chosen_tasks(options)
    for model in options.models:
        run(model, options, model.tasks(found))


def run(model: Model, options: argparse.Namespace, found: list[Task]) -> None:
    """All stages that were asked for, of one model."""
    systems, stages = options.systems.split(","), options.stages.split(",")
    folder, vectors = options.work / "models" / model.name, options.work / "vectors" / model.name
    if "prepare" in stages:
        make_models(model, folder, systems, options.refresh)
    store = Store(folder, vectors, options.threads, log)
    planned = list(plan(model, found, options.own_prompt))
    own_figures = published.place(vectors, store.key("torch"), found)
    if "embed" in stages:
        embed(store, systems, planned)
    if "prompts" in stages:
        prompts.embed(store, found, checkpoint_prompts(model.checkpoint))
    if "published" in stages and "e5-small" in model.name:
        published.measure(model.checkpoint, found, own_figures, log)
    if "report" in stages:
        made = report.rows(store, systems, planned)
        known = checkpoint_prompts(model.checkpoint)
        costs = list(prompts.costs(store, found, known)) if known.texts else []
        moved = worst.find(store, planned, model.checkpoint / "tokenizer.json")
        flipped = list(flips.find(store, planned))
        luck = list(chance.find(store, planned))
        results = report.Results(store, systems, made, costs, moved, flipped, luck, own_figures)
        report.write(model.name, results, options.out)
        if moved is not None:
            print(f"\nThe texts that INT8 moves most:\n{worst.shown(moved)}")


def make_models(model: Model, folder: Path, systems: list[str], refresh: bool) -> None:
    """The bundle and the peers' forms of a checkpoint, where they are not there yet."""
    log(f"{model.name}: preparing models")
    peers = [peer(system) for system in systems]
    failed = prepare.prepare(model.checkpoint, folder, peers, Path(sys.prefix), refresh)
    if failed:
        raise SystemExit("\n".join(f"{name}: {said}" for name, said in failed.items()))


def chosen_tasks(options: argparse.Namespace) -> list[Task]:
    found = tasks.load(options.data, options.sample)
    if options.tasks:
        wanted = set(options.tasks.split(","))
        found = [task for task in found if {task.name, task.folder} & wanted]
    if not found:
        known = "\n".join(f"  {name}: {source}" for name, source in tasks.data.SOURCES.items())
        raise SystemExit(f"no task's data is in {options.data}; it should hold\n{known}")
    return found


def plan(model: Model, found: list[Task], own: bool) -> Iterator[tuple[Task, Setting]]:
    """Every task under the prompts that it is to run under, its own first."""
    known = checkpoint_prompts(model.checkpoint)
    for task in found:
        every = task.folder == "encodechka" and not own
        for setting in tasks.settings(task, known, every):
            yield task, setting


def checkpoint_prompts(checkpoint: Path) -> Prompts:
    path = checkpoint / "config_sentence_transformers.json"
    config = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return Prompts(config.get("prompts") or {}, config.get("default_prompt_name"))


def embed(store: Store, systems: list[str], planned: list[tuple[Task, Setting]]) -> None:
    """Every vector that is not there yet; each task under its own prompt comes first."""
    seen: set[str] = set()
    own, others = [], []
    for task, setting in planned:
        (others if task.name in seen else own).append((task, setting))
        seen.add(task.name)
    for task, setting in [*own, *others]:
        for system in systems:
            for role, texts in task.texts.items():
                store.get(system, setting.prompts[role], texts)


if __name__ == "__main__":
    main()
