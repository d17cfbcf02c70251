"""Export the bundles that the runtime's tests embed with, and torch's own answers beside them.

    python tests/make_bundles.py FOLDER

Needs the export extra. For each model it writes FOLDER/NAME/ (the bundle) and FOLDER/NAME.json:
texts, their ids by transformers, and their vectors by torch under each prompt, which is what the
runtime is held against where torch is not installed.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import checkpoints
from edgembed_export.checkpoint import read_checkpoint
from edgembed_export.parity import Tolerance
from edgembed_export.pipeline import Request, export
from edgembed_export.reference import TorchReference

TEXTS = (
    "Кошка сидит на окне.",
    "The cat sits at the window.",
    "В Ярославской области разрешили работу бань, но без посетителей",
    "Mixed текст на two языках, 42 + 3.14 = 45.14!",
    "a",
    "",
    "   ",
    "emoji 😀👍🏽 и знаки — «кавычки», тире…",
    "слово " * 30,
    "one two three four five six seven eight nine ten " * 30,
    "search_query: уже с префиксом",
    "typed [SEP] and </s> by a user",
)
# Random weights quantise worse than trained ones, and a tiny model worse than a large one.
TINY_TOLERANCE = Tolerance(int8_min=0.9, int8_mean=0.98)


def main(target: Path) -> None:
    """Make every bundle that is not there yet."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folders = {r.name: checkpoints.make(r, Path(scratch) / r.name) for r in checkpoints.TINY}
        few = Path(scratch) / "few.txt"  # the built-in texts are many for models that know nothing
        few.write_text("\n".join(TEXTS), encoding="utf-8")
        minilm = Path(scratch) / "all-MiniLM-L6-v2"  # a folder's name is the bundle's model id
        minilm.symlink_to(checkpoints.minilm())
        for name, folder in {**folders, "minilm": minilm}.items():
            tiny = name in folders
            request = Request(
                str(folder),
                target / name,
                evaluation=few if tiny else None,
                tolerance=TINY_TOLERANCE if tiny else Tolerance(),
                overwrite=True,
            )
            print(export(request).text())
            answers = _answers(folder, name)
            (target / f"{name}.json").write_text(json.dumps(answers, ensure_ascii=False))


def _answers(folder: Path, name: str) -> dict[str, Any]:
    checkpoint = read_checkpoint(folder, name)
    reference = TorchReference(checkpoint)
    prompts = ["", *checkpoint.prompts.texts.values()]
    return {
        "texts": TEXTS,
        "ids": [reference.token_ids(text) for text in TEXTS],
        "vectors": {prompt: reference.encode(TEXTS, prompt).tolist() for prompt in prompts},
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
