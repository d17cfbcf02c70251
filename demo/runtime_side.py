"""The demo's second half, where torch is not: embed with the bundle and compare.

python demo/runtime_side.py FOLDER
"""

from __future__ import annotations

import importlib.util
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from edgembed import Embedder
from edgembed.bundle import Bundle
from edgembed.similarity import similarity

ROUNDS = 15
WIDTH = 58


def main(folder: Path) -> None:
    """Print the pairs, the parity, the sizes, the times, and what to type next."""
    if importlib.util.find_spec("torch"):
        sys.exit("demo: torch is installed here, so this would prove nothing")
    torch = json.loads((folder / "torch.json").read_text(encoding="utf-8"))
    bundle = folder / "bundle"
    models = {d: Embedder(bundle, dtype=d, threads=1) for d in ("float32", "int8")}
    name, python = Bundle.open(bundle).manifest.model.id, sys.version.split()[0]
    print(f"\n{name}, embedded by Python {python} without torch\n")
    _print_pairs(models, torch["pairs"])
    _print_table(models, bundle, torch)
    print("\nGo on with\n")
    print("    from edgembed import Embedder")
    print(f'    vectors = Embedder("{bundle}").encode(["Привет, мир", "Hello, world"])\n')


def _print_pairs(models: dict[str, Embedder], pairs: list[dict[str, Any]]) -> None:
    card = any(pair["card"] is not None for pair in pairs)
    print(f"{'cosine of two texts':{WIDTH}} {'card   ' if card else ''}torch  float32    int8")
    for pair in pairs:
        print(f"{_short(pair['prompt_a'] + pair['a'])}")
        own = "  ".join(f"{_cosine(model, pair):7.4f}" for model in models.values())
        said = f"{pair['card']:.4f} " if card else ""
        print(
            f"{_short('  ' + pair['prompt_b'] + pair['b']):{WIDTH}} {said}{pair['torch']:.4f} {own}"
        )


def _cosine(model: Embedder, pair: dict[str, Any]) -> float:
    a = model.encode(pair["a"], prompt=pair["prompt_a"])
    b = model.encode(pair["b"], prompt=pair["prompt_b"])
    return float(similarity("cosine", a, b)[0, 0])


def _print_table(models: dict[str, Embedder], bundle: Path, torch: dict[str, Any]) -> None:
    manifest = Bundle.open(bundle).manifest
    texts = [pair["a"] for pair in torch["pairs"]]
    print(f"\n{'':14}{'MB':>8} {'ms a text':>10}   cosine to torch: mean, p1, min")
    print(f"{'torch':14}{torch['bytes'] / 1e6:8.1f} {torch['milliseconds']:10.2f}")
    for name, model in models.items():
        weights, parity = manifest.dtypes[name], manifest.parity[name]
        size = sum(manifest.artifacts[f].bytes for f in (weights.graph, weights.data))
        figures = f"{parity['mean']:.6f}  {parity['p1']:.6f}  {parity['min']:.6f}"
        own = f"{size / 1e6:8.1f} {_milliseconds(model, texts):10.2f}"
        print(f"{name:14}{own}   {figures}")
    count = manifest.parity["int8"]["count"]
    print(f"(one thread, median over these pairs; parity over {count} Russian and English texts)")


def _milliseconds(model: Embedder, texts: list[str]) -> float:
    times = []
    for _ in range(ROUNDS):
        for text in texts:
            start = time.perf_counter()
            model.encode(text, prompt="")
            times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def _short(text: str) -> str:
    return text if len(text) < WIDTH else text[: WIDTH - 2] + "…"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
