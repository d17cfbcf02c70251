"""How often INT8 finds torch's nearest neighbour, over many draws of 500 sentences.

    python benchmarks/quality/agreement.py BUNDLE CHECKPOINT --data FOLDER --languages en,ru

One draw says little: of 500 neighbours 15 to 20 are near ties that any rounding turns over, and
their number scatters by 4 from draw to draw. So every source is drawn from as often as it has
sentences for, each sentence once, and the mean stands beside its standard error and the extremes.
No sentence is of the export's calibration or was used to choose the recipe
(`benchmarks/recipes` takes the treebanks' test halves; here are their dev halves).
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
from data import pairs, tatoeba, xquad

from common.tables import table
from edgembed import Embedder
from edgembed.agreement import cosines, neighbour_agreement
from edgembed.bench.machine import describe

TEXTS = 500
_DEV = {"en": "en_ewt-dev.txt", "ru": "ru_gsd-dev.txt"}


@dataclass(frozen=True)
class Found:
    """Of one source: agreement with torch by draw, and cosines to torch of all its sentences."""

    source: str
    draws: int
    top1: float
    error: float
    """Standard error of `top1`; 0 where there is one draw."""
    least: float
    most: float
    mean: float
    p1: float
    minimum: float


def main() -> None:
    options = _options()
    languages = options.languages.split(",")
    torch, own = _torch(options.checkpoint), Embedder(options.bundle, dtype="int8")
    found = []
    for source, texts in sources(options.data, languages):
        drawn = [[options.prompt + text for text in draw] for draw in draws(texts, options.draws)]
        if drawn:
            found.append(compare(source, drawn, torch, lambda some: own.encode(some, prompt="")))
            print(found[-1], file=sys.stderr)
    told = ["--languages", options.languages, "--prompt", options.prompt, "--draws", options.draws]
    command = ["python", "benchmarks/quality/agreement.py", "BUNDLE", options.checkpoint.name,
               "--data", "DATA", *map(str, told)]  # fmt: skip
    _write(options.checkpoint.name, shlex.join(command), found, options.out)


def sources(folder: Path, languages: list[str]) -> Iterator[tuple[str, list[list[str]]]]:
    """The name of each source, and its distinct sentences in each language."""
    tatoebas = {"en": "tatoeba.rus-eng.eng", "ru": "tatoeba.rus-eng.rus"}
    places = {language: folder / "tatoeba" / tatoebas[language] for language in languages}
    readers: dict[str, Callable[[str], list[str]]] = {
        "STS-B": lambda language: [
            text
            for part in ("train", "dev", "test")
            for text in _both(folder / "stsb" / f"stsb-{language}-{part}.csv")
        ],
        "Tatoeba": lambda language: tatoeba(places[language], places[language]).queries,
        "treebanks": lambda language: (
            (folder / "text" / _DEV[language]).read_text("utf-8").split("\n")
        ),
        "XQuAD, questions": lambda language: (
            xquad(*[folder / "xquad" / f"xquad.{language}.json"] * 2).queries
        ),
    }
    for source, read in readers.items():
        yield source, [list(dict.fromkeys(filter(None, read(own)))) for own in languages]


def _both(path: Path) -> list[str]:
    found = pairs(path)
    return [*found.first, *found.second]


def draws(texts: list[list[str]], most: int) -> Iterator[list[str]]:
    """Draws of `TEXTS` sentences, as many of each language, none of them twice."""
    share = TEXTS // len(texts)
    random = np.random.default_rng(0)
    orders = [random.permutation(len(own)) for own in texts]
    for start in range(0, min(most, *(len(own) // share for own in texts)) * share, share):
        yield [
            own[index]
            for own, order in zip(texts, orders, strict=True)
            for index in order[start : start + share]
        ]


def compare(source: str, drawn: list[list[str]], torch: Any, own: Any) -> Found:
    """Both systems' vectors of every draw, and what they have in common."""
    alike, agreed = [], []
    for texts in drawn:
        exact, ours = torch(texts), own(texts)
        alike.append(cosines(exact, ours))
        agreed.append(neighbour_agreement(exact, ours))
    every, count = np.concatenate(alike), len(agreed)
    error = float(np.std(agreed, ddof=1) / count**0.5) if count > 1 else 0.0
    return Found(
        source, count, float(np.mean(agreed)), error, min(agreed), max(agreed),
        float(every.mean()), float(np.quantile(every, 0.01)), float(every.min()),
    )  # fmt: skip


def _torch(checkpoint: Path) -> Callable[[list[str]], Any]:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(checkpoint), device="cpu", local_files_only=True)
    return lambda texts: model.encode(texts, prompt="", normalize_embeddings=True)


def _write(name: str, command: str, found: list[Found], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    machine = describe()
    document = {"command": command, "machine": machine, "sources": [asdict(one) for one in found]}
    (folder / f"agreement-{name}.json").write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    head = ["source", f"draws of {TEXTS}", "top-1", "standard error", "least", "most",
            "mean cosine", "p1", "min"]  # fmt: skip
    body = [
        [one.source, one.draws,
         *(f"{x:.3f}" for x in (one.top1, one.error, one.least, one.most)),
         *(f"{x:.5f}" for x in (one.mean, one.p1, one.minimum))]
        for one in found
    ]  # fmt: skip
    text = (
        f"# INT8's nearest neighbours and torch's, {name}\n\n{table(head, body)}\n\n"
        f"Machine: {machine['cpu']}, flags {' '.join(machine['flags'])}, {machine['date']}.\n\n"
        f"    {command}\n"
    )
    (folder / f"agreement-{name}.md").write_text(text, "utf-8")
    print(text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("checkpoint", type=Path, help="its sentence-transformers folder, for torch")
    parser.add_argument("--data", type=Path, required=True, help="what data.py names, and text/")
    parser.add_argument("--languages", default="en,ru", choices=["en", "ru", "en,ru"])
    parser.add_argument("--prompt", default="", help="put before every text")
    parser.add_argument("--draws", type=int, default=16, help="at most, of each source")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    for name in ("stsb", "tatoeba", "text", "xquad"):
        if not (options.data / name).is_dir():
            parser.error(
                f"--data: {options.data / name} is not there; data.py says where it is from"
            )
    return options


if __name__ == "__main__":
    main()
