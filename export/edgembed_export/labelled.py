"""Evaluation files with labels: pairs of texts that people have scored, and Spearman on them.

A cosine to torch says how far a vector moved; a rank correlation with people's scores says whether
that matters. Files are told apart by their ending: .tsv, .csv and .jsonl hold two texts and a
number a line, anything else holds one text a line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgembed import ArgumentError
from edgembed.agreement import spearman
from edgembed.pairs import Pair, is_pairs, read_pairs
from edgembed.pooling import Float32
from edgembed.similarity import similarity_pairwise
from edgembed_export.corpus import read_texts
from edgembed_export.errors import ArgumentsError

# Below this a rank correlation says nothing.
_FEWEST_PAIRS = 10


@dataclass(frozen=True)
class Evaluation:
    """What to measure parity on: texts and, where they came in scored pairs, the pairs."""

    texts: Sequence[str]
    pairs: tuple[Pair, ...] = ()


def read_evaluation(path: Path | None) -> Evaluation:
    """Read --evaluation: scored pairs (.tsv, .csv, .jsonl), texts, or the built-in texts.

    ArgumentsError names the file and the line that cannot be read.
    """
    if path is None or not is_pairs(path):
        lines = read_texts(path, "evaluation")
        if len(lines) < 2:
            raise ArgumentsError(
                f"--evaluation {path} holds one text: give two or more, which are compared with "
                "each other too"
            )
        return Evaluation(lines)
    try:
        pairs = read_pairs(path, "--evaluation", scored=True)
    except ArgumentError as error:
        raise ArgumentsError(str(error)) from error
    if len(pairs) < _FEWEST_PAIRS or len({pair.score for pair in pairs}) < 2:
        raise ArgumentsError(
            f"--evaluation {path} holds {len(pairs)} scored pair(s): give at least "
            f"{_FEWEST_PAIRS}, with scores that differ"
        )
    texts = dict.fromkeys(text for pair in pairs for text in (pair.first, pair.second))
    return Evaluation(list(texts), pairs)


def spearman_report(
    evaluation: Evaluation,
    torch: Float32,
    vectors: Mapping[str, Float32],
    similarity_fn_name: str = "cosine",
) -> dict[str, Any]:
    """parity.json's "labelled": Spearman of torch and of each dtype, and the loss in points.

    torch and vectors[dtype]: (n, dim) float32, a row for each of evaluation.texts. A point is a
    hundredth; a negative loss is a gain. Empty where there are no pairs.
    """
    if not evaluation.pairs:
        return {}
    row = {text: index for index, text in enumerate(evaluation.texts)}
    first = [row[pair.first] for pair in evaluation.pairs]
    second = [row[pair.second] for pair in evaluation.pairs]
    scores = [pair.score for pair in evaluation.pairs if pair.score is not None]

    def measure(own: Float32) -> float:
        alike = similarity_pairwise(similarity_fn_name, own[first], own[second])
        return spearman(scores, alike.tolist())

    reference = measure(torch)
    measured = {dtype: measure(own) for dtype, own in vectors.items()}
    return {
        "pairs": len(evaluation.pairs),
        "torch": reference,
        "dtypes": {
            dtype: {"spearman": value, "loss_points": 100 * (reference - value)}
            for dtype, value in measured.items()
        },
    }
