"""STS-B Spearman of torch, of the float32 and of the INT8 bundle, side by side.

    python benchmarks/quality/sts.py CHECKPOINT BUNDLE FILE.csv [FILE.csv ...] [--prompt "query: "]

Needs the export extra. FILE.csv: sentence1, sentence2, score from 0 to 5, no header, as in
stsb-multi-mt. Prints one Markdown row a file: Spearman x 100 by torch (sentence-transformers), by
each dtype, and the difference to torch in points.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr
from sentence_transformers import SentenceTransformer

from edgembed import Embedder

Encode = Callable[[list[str]], npt.NDArray[np.float32]]


def main() -> None:
    """Read, embed, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--prompt", default="")
    args = parser.parse_args()
    if missing := [str(path) for path in args.files if not path.is_file()]:
        parser.error(f"no such file: {', '.join(missing)}")
    systems = _systems(args.checkpoint, args.bundle, args.prompt)
    print(f"| file | {' | '.join(systems)} | differences |\n|---{'|---' * (len(systems) + 1)}|")
    for path in args.files:
        scores = {name: 100 * _spearman(path, encode) for name, encode in systems.items()}
        torch = scores["torch"]
        cells = " | ".join(f"{score:.2f}" for score in scores.values())
        differences = ", ".join(f"{score - torch:+.3f}" for score in list(scores.values())[1:])
        print(f"| {path.name} | {cells} | {differences} |", flush=True)


def _systems(checkpoint: Path, bundle: Path, prompt: str) -> dict[str, Encode]:
    torch = SentenceTransformer(str(checkpoint), device="cpu", local_files_only=True)
    systems: dict[str, Encode] = {"torch": lambda texts: torch.encode(texts, prompt=prompt)}
    for dtype in ("float32", "int8"):
        model = Embedder(bundle, dtype=dtype)
        systems[dtype] = lambda texts, own=model: own.encode(texts, prompt=prompt)  # type: ignore[misc]
    return systems


def _spearman(path: Path, encode: Encode) -> float:
    with path.open(newline="", encoding="utf-8") as file:
        rows = [(a, b, float(score)) for a, b, score in csv.reader(file)]
    texts = list(dict.fromkeys(text for a, b, _ in rows for text in (a, b)))
    vectors = dict(zip(texts, encode(texts), strict=True))
    similarities = [_cosine(vectors[a], vectors[b]) for a, b, _ in rows]
    return float(spearmanr(similarities, [score for *_, score in rows]).statistic)


def _cosine(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


if __name__ == "__main__":
    main()
