"""Answers that models are known to give: their cards' cosines, held against torch and a bundle.

    python -m edgembed_export.known_answers FOLDER [MODEL ...]

exports each model of ANSWERS from the hub to FOLDER and exits with 1 where an answer is wrong, or
where a model could not be had and so was not checked.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from edgembed import EdgembedError, Embedder
from edgembed.agreement import cosines
from edgembed.pooling import Float32
from edgembed_export.checkpoint import read_checkpoint
from edgembed_export.hub import locate
from edgembed_export.reference import sentence_transformers_vectors

CARD_TOLERANCE = 1e-4
"""Between a card's cosine and ours in float32. Other kernels and another order of summation move a
cosine by 1e-6 or less, over 24 layers and on a GPU perhaps by ten times that; another pooling,
prompt or tokenizer moves it by 1e-3 and more."""


@dataclass(frozen=True)
class Pair:
    """Two texts, and what is put before each."""

    a: str
    b: str
    prompt_a: str = ""
    prompt_b: str = ""


# The three pairs that both cards below have.
PAIRS = (
    Pair(
        "В Ярославской области разрешили работу бань, но без посетителей",
        "Ярославским баням разрешили работать без посетителей",
        "paraphrase: ",
        "paraphrase: ",
    ),
    Pair(
        "Женщину доставили в больницу, за ее жизнь сейчас борются врачи.",
        "Женщину спасают врачи.",
        "categorize_entailment: ",
        "categorize_entailment: ",
    ),
    Pair(
        "Сколько программистов нужно, чтобы вкрутить лампочку?",
        "Чтобы вкрутить лампочку, требуется три программиста: один напишет программу извлечения "
        "лампочки, другой — вкручивания лампочки, а третий проведет тестирование.",
        "search_query: ",
        "search_document: ",
    ),
)
ANSWERS: Mapping[str, tuple[float, ...]] = {
    "sergeyzh/rubert-mini-frida": (0.9423348903656006, 0.8306248188018799, 0.7095720767974854),
    "ai-forever/FRIDA": (0.9360030293464661, 0.8591322302818298, 0.728583037853241),
}
"""Hub id -> the cosine that its card gives for each of PAIRS."""

Cosines = Mapping[str, Sequence[float]]
"""By "torch" and by dtype: one cosine a pair."""


def check_model(
    model: str, expected: Sequence[float], out: Path, pairs: Sequence[Pair] = PAIRS
) -> tuple[Cosines, list[str]]:
    """Export `model` (a hub id or a folder) to `out`, and compare; see `measure` and `wrong`."""
    from edgembed_export.pipeline import Request, export

    export(Request(model, out, overwrite=True))
    measured = measure(locate(model).folder, out, pairs)
    return measured, wrong(expected, measured, bounds(out), pairs)


def measure(checkpoint: Path, bundle: Path, pairs: Sequence[Pair]) -> Cosines:
    """The pairs' cosines by sentence-transformers on the checkpoint and by each of the dtypes."""
    torch = partial(sentence_transformers_vectors, read_checkpoint(checkpoint, checkpoint.name))
    result = {"torch": _cosines(torch, pairs)}
    for dtype in _parity(bundle):
        model = Embedder(bundle, dtype=dtype)
        result[dtype] = _cosines(partial(_encode, model), pairs)
    return result


def bounds(bundle: Path) -> dict[str, float]:
    """How far each may be from the card's cosine.

    INT8: as far as the most that parity saw any similarity move by, over thousands of pairs of
    other texts; a pair of a card has no reason to be further off than all of them.
    """
    moved = {d: own["similarity_error_max"] for d, own in _parity(bundle).items() if d == "int8"}
    loose = {dtype: CARD_TOLERANCE + most for dtype, most in moved.items()}
    return {"torch": CARD_TOLERANCE, "float32": CARD_TOLERANCE, **loose}


def wrong(
    expected: Sequence[float],
    measured: Cosines,
    bounds: Mapping[str, float],
    pairs: Sequence[Pair] = PAIRS,
) -> list[str]:
    """What is further from the expected cosines than its bound, in words; [] where all is well."""
    return [
        f"{name} gives {own:.6f} and not {answer:.6f} (within {bounds[name]:.4f}) for {pair.a!r}"
        for name, column in measured.items()
        for pair, answer, own in zip(pairs, expected, column, strict=True)
        if not abs(own - answer) <= bounds[name]  # so that a NaN is wrong too
    ]


def _parity(bundle: Path) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = json.loads((bundle / "parity.json").read_text("utf-8"))[
        "dtypes"
    ]
    return found


def _encode(model: Embedder, texts: Sequence[str], prompt: str) -> Float32:
    return model.encode(list(texts), prompt=prompt)


def _cosines(encode: Callable[[Sequence[str], str], Float32], pairs: Sequence[Pair]) -> list[float]:
    """encode(texts, prompt) is called once for each prompt: it may load a model."""
    sides = [(p.prompt_a, p.a) for p in pairs], [(p.prompt_b, p.b) for p in pairs]
    vectors: dict[tuple[str, str], Float32] = {}
    for prompt in dict.fromkeys(prompt for side in sides for prompt, _ in side):
        texts = [text for side in sides for own, text in side if own == prompt]
        found = encode(texts, prompt)
        vectors |= {(prompt, text): vector for text, vector in zip(texts, found, strict=True)}
    a, b = (np.stack([vectors[key] for key in side]) for side in sides)
    return [float(value) for value in cosines(a, b)]


def main(argv: Sequence[str] | None = None) -> int:
    """Check the named models, or all; returns the exit code."""
    parser = argparse.ArgumentParser(prog="edgembed_export.known_answers")
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="where bundles are written")
    parser.add_argument("models", metavar="MODEL", nargs="*", help=f"of {', '.join(ANSWERS)}")
    args = parser.parse_args(argv)
    if unknown := [name for name in args.models if name not in ANSWERS]:
        parser.error(f"no answers of {unknown[0]!r} are known, only of {', '.join(ANSWERS)}")
    right = [_check_and_tell(name, args.folder) for name in args.models or ANSWERS]
    return 0 if all(right) else 1


def _check_and_tell(name: str, folder: Path) -> bool:
    try:
        measured, found = check_model(name, ANSWERS[name], folder / name.replace("/", "--"))
    except (EdgembedError, OSError) as error:
        print(f"{name}: not checked: {error}", file=sys.stderr)
        return False
    print(f"{name}: the card's cosines, and how far off each is")
    for index, answer in enumerate(ANSWERS[name]):
        off = (f"{key} {own[index] - answer:+.6f}" for key, own in measured.items())
        print(f"  {answer:.6f}  {'  '.join(off)}")
    for line in found:
        print(f"{name}: {line}", file=sys.stderr)
    return not found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
