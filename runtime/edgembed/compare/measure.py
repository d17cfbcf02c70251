"""What is compared: vectors, neighbours, similarities, and the order of the user's own pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgembed.agreement import (
    Float64,
    Places,
    Similarities,
    cosines,
    neighbour_agreement,
    pair_similarities,
    ranks,
    sample_similarities,
    shared_neighbours,
    similarity_error,
    spearman,
)
from edgembed.errors import ArgumentError, InferenceError
from edgembed.pairs import Pair, is_pairs, read_pairs, read_text
from edgembed.pooling import Float32

NEIGHBOURS = 10
WORST = 20
_RESAMPLES = 1000
# Two models that have nothing to do with each other may have as many dimensions by chance: their
# vectors then point anywhere, and a cosine between them says nothing.
_ONE_SPACE = 0.5
# All pairs of so many texts are what the scatter is drawn from.
_SAMPLED = 1500


@dataclass(frozen=True)
class Corpus:
    """The user's texts, each once, and the pairs among them where the file holds pairs."""

    texts: list[str]
    pairs: tuple[Pair, ...] = ()

    @property
    def labels(self) -> list[float]:
        """People's scores, where there are."""
        return [pair.score for pair in self.pairs if pair.score is not None]


def read_corpus(path: Path) -> Corpus:
    """Read --pairs FILE; ArgumentError where it cannot be read or holds too little."""
    if is_pairs(path):
        pairs = read_pairs(path, "--pairs", scored=False)
        corpus = Corpus(list(dict.fromkeys(t for p in pairs for t in (p.first, p.second))), pairs)
    else:
        lines = read_text(path, f"--pairs {path}").split("\n")
        texts = (line.removesuffix("\r") for line in lines)
        corpus = Corpus(list(dict.fromkeys(text for text in texts if text.strip())))
    if len(corpus.texts) <= NEIGHBOURS:
        raise ArgumentError(
            f"--pairs {path} holds {len(corpus.texts)} different text(s): give more than "
            f"{NEIGHBOURS}, so that there are neighbours to compare"
        )
    if len(set(corpus.labels)) == 1:
        raise ArgumentError(
            f"--pairs {path} gives every pair the same score: leave the scores out, or give some "
            "that differ"
        )
    return corpus


@dataclass(frozen=True)
class Ranking:
    """The user's pairs: (pairs,) similarities and ranks (1: the most alike) by a and by b."""

    a: Float64
    b: Float64
    ranks_a: Float64
    ranks_b: Float64


@dataclass(frozen=True)
class Comparison:
    """Everything that the page and the JSON say.

    close: (n,) cosine of each text's two vectors, None where the two are no one vector space.
    shared: (n,) share of each text's nearest others that both have.
    """

    names: tuple[str, str]
    corpus: Corpus
    figures: dict[str, Any]
    close: Float64 | None
    shared: Float64
    similarities: Similarities
    ranking: Ranking | None

    def worst(self) -> Places:
        """The texts that the two agree least on, the worst first."""
        order: Places = np.argsort(self.shared if self.close is None else self.close, kind="stable")
        return order[:WORST]

    def moved(self) -> Places:
        """The pairs whose rank changes most, the most first."""
        if self.ranking is None:
            return np.zeros(0, np.intp)
        change = np.abs(self.ranking.ranks_a - self.ranking.ranks_b)
        return np.argsort(-change, kind="stable")[:WORST]


def compare(names: tuple[str, str], corpus: Corpus, a: Float32, b: Float32) -> Comparison:
    """a, b: (n, dim) and (n, other dim) float32, a row for each of corpus.texts.

    InferenceError names a text whose vector has no direction: every figure would come to nothing.
    """
    for name, vectors in zip(names, (a, b), strict=True):
        _check_directions(name, vectors, corpus.texts)
    close = cosines(a, b) if a.shape[1] == b.shape[1] else None
    if close is not None and not close.mean() >= _ONE_SPACE:
        close = None
    shared = shared_neighbours(a, b, NEIGHBOURS)
    mean_error, max_error = similarity_error(a, b)
    sampled = sample_similarities(a[:_SAMPLED], {names[1]: b[:_SAMPLED]})
    figures: dict[str, Any] = {
        "texts": len(corpus.texts),
        "dimensions": [a.shape[1], b.shape[1]],
        "cosine": None if close is None else _spread(close),
        "same_nearest": neighbour_agreement(a, b),
        "shared_of_10_nearest": float(shared.mean()),
        "similarity_error_mean": mean_error,
        "similarity_error_max": max_error,
    }
    ranking = _ranking(corpus, a, b)
    if ranking is not None:
        figures["pairs"] = _pairs(corpus, ranking)
    return Comparison(names, corpus, figures, close, shared, sampled, ranking)


def _check_directions(name: str, vectors: Float32, texts: Sequence[str]) -> None:
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    bad = np.flatnonzero(~(np.isfinite(norms) & (norms > 0)))
    if len(bad):
        raise InferenceError(
            f"{name} gives {len(bad)} of {len(texts)} texts a vector that is zero or no numbers, "
            f"{texts[bad[0]][:100]!r} among them: leave these texts out, or compare another model"
        )


def _spread(values: Float64) -> dict[str, float]:
    p1 = float(np.percentile(values, 1))
    return {"mean": float(values.mean()), "p1": p1, "min": float(values.min())}


def _ranking(corpus: Corpus, a: Float32, b: Float32) -> Ranking | None:
    if not corpus.pairs:
        return None
    row = {text: index for index, text in enumerate(corpus.texts)}
    first = np.array([row[pair.first] for pair in corpus.pairs])
    second = np.array([row[pair.second] for pair in corpus.pairs])
    x, y = (pair_similarities(vectors, first, second) for vectors in (a, b))
    return Ranking(x, y, ranks(-x), ranks(-y))


def _pairs(corpus: Corpus, ranking: Ranking) -> dict[str, Any]:
    change = np.abs(ranking.ranks_a - ranking.ranks_b)
    found: dict[str, Any] = {
        "count": len(corpus.pairs),
        "spearman_between": spearman(ranking.a, ranking.b),
        "rank_change_mean": float(change.mean()),
        "rank_change_max": float(change.max()),
    }
    if labels := corpus.labels:
        found["labelled"] = _labelled(labels, ranking)
    return found


def _labelled(labels: Sequence[float], ranking: Ranking) -> dict[str, Any]:
    """Spearman with people's scores, x 100, by each, and the 95 % bootstrap interval of b - a."""
    truth = np.array(labels)
    a, b = (100 * spearman(truth, own) for own in (ranking.a, ranking.b))
    random = np.random.default_rng(0)
    spread = []
    for _ in range(_RESAMPLES):
        rows = random.integers(0, len(truth), len(truth))
        x, y = (spearman(truth[rows], own[rows]) for own in (ranking.a, ranking.b))
        spread.append(100 * (y - x))
    low, high = np.nanpercentile(spread, [2.5, 97.5])
    return {"a": a, "b": b, "difference": b - a, "interval": [float(low), float(high)]}
