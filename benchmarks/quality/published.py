"""encodechka's own figures again: what its README publishes for a model, by its own way.

It runs a model without a prompt, cuts texts at 128 tokens, reads every text six ways, and publishes
the best of a task's figures (encodechka_eval: tasks.py, max_score; bert_embedders.py,
embed_bert_both). One reading is not what a user of the model gets; our own tables are about that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scores import Float32
from tasks import ENCODECHKA, PUBLISHED, Task

from common.tables import table

_MAX_TOKENS = 128
_BATCH = 32

Points = Mapping[str, Mapping[str, float]]
"""By task and reading, points of 100."""


def place(folder: Path, checkpoint: str, found: Sequence[Task]) -> Path:
    """Where the figures of a checkpoint (what identifies it) on these very texts are kept."""
    texts = [list(own) for task in _own(found) for own in task.texts.values()]
    digest = hashlib.sha256(json.dumps(texts).encode()).hexdigest()
    return folder / checkpoint / f"published-{digest[:20]}.json"


def _own(found: Sequence[Task]) -> list[Task]:
    return [task for task in found if task.folder == "encodechka"]


def measure(
    checkpoint: Path, found: Sequence[Task], path: Path, log: Callable[[str], None]
) -> None:
    """Write `path`: every task of encodechka by torch, under each reading."""
    if path.is_file():
        return
    read = _reader(checkpoint)
    points: dict[str, dict[str, float]] = {}
    for task in _own(found):
        log(f"published figures: {task.name}")
        by_role = {role: read(texts) for role, texts in task.texts.items()}
        points[task.name] = {
            reading: next(iter(task.outcomes(_of(by_role, reading)).values())).points()
            for reading in next(iter(by_role.values()))
        }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(points, indent=1) + "\n", "utf-8")


def _of(by_role: Mapping[str, Mapping[str, Float32]], reading: str) -> dict[str, Float32]:
    return {role: readings[reading] for role, readings in by_role.items()}


def _reader(checkpoint: Path) -> Callable[[Sequence[str]], dict[str, Float32]]:
    """texts -> by reading (n, dim) float32, in the texts' order."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    load: Any = AutoTokenizer.from_pretrained
    tokenizer = load(checkpoint, local_files_only=True)
    model: Any = AutoModel.from_pretrained(checkpoint, local_files_only=True).eval()

    def batch(texts: Sequence[str]) -> dict[str, Any]:
        ids = tokenizer(
            list(texts), padding=True, truncation=True, max_length=_MAX_TOKENS, return_tensors="pt"
        )
        with torch.no_grad():
            output = model(**ids)
        mask = ids["attention_mask"][..., None]
        states = output.last_hidden_state
        plain = {"cls": states[:, 0], "mean": (states * mask).sum(1) / mask.sum(1)}
        if output.get("pooler_output") is not None and output.pooler_output.any():
            plain["pooler"] = output.pooler_output  # all 0: a checkpoint without a pooler
        normal = {f"{name}_norm": torch.nn.functional.normalize(v) for name, v in plain.items()}
        return {name: vectors.numpy() for name, vectors in (plain | normal).items()}

    def read(texts: Sequence[str]) -> dict[str, Float32]:
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        parts = [
            batch([texts[index] for index in order[start : start + _BATCH]])
            for start in range(0, len(order), _BATCH)
        ]
        back = np.argsort(order)
        return {name: np.concatenate([p[name] for p in parts])[back] for name in parts[0]}

    return read


def lines(path: Path) -> Iterator[list[str]]:
    """Table lines: what is published, what is found, and by which reading."""
    yield ["encodechka's README", *(f"{PUBLISHED[task]:.2f}" for task in ENCODECHKA)]
    if not path.is_file():
        return
    points: Points = json.loads(path.read_text("utf-8"))
    best = {task: max(points.get(task, {}).items(), key=lambda one: one[1], default=None)
            for task in ENCODECHKA}  # fmt: skip
    yield ["torch, its way", *(f"{b[1] / 100:.3f}" if b else "-" for b in best.values())]
    yield ["by the reading", *(b[0] if b else "-" for b in best.values())]


def page(path: Path) -> str:
    """Every reading, for who wants to see."""
    points: Points = json.loads(path.read_text("utf-8"))
    readings = dict.fromkeys(name for own in points.values() for name in own)
    rows = [
        [name, *(f"{points[task][name] / 100:.3f}" if task in points else "-"
                 for task in ENCODECHKA)]
        for name in readings
    ]  # fmt: skip
    return table(["torch, no prompt, 128 tokens", *ENCODECHKA], rows)
