"""How each kind of task is scored: what a system got for each test item, and what items add up to.

Items are kept apart so that two systems can be compared on the same resampled items (compare.py).
Scores are in points of 100.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from edgembed.agreement import spearman
from edgembed.similarity import similarity

Float32 = npt.NDArray[np.float32]
Items = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Outcome:
    """items: (n, k), a row a test item. score: rows (any of them) -> points of 100."""

    items: Items
    score: Callable[[Items], float]

    def points(self) -> float:
        return self.score(self.items)


def rank_correlation(labels: Sequence[float], a: Float32, b: Float32) -> dict[str, Outcome]:
    """Spearman of the dot products of vectors of norm 1 with people's scores."""
    return {"Spearman": Outcome(np.column_stack([_alike(a, b), labels]), _spearman)}


def entailment(labels: Sequence[str], a: Float32, b: Float32) -> dict[str, Outcome]:
    """Accuracy of a logistic regression on the similarity alone, in three folds (encodechka)."""
    truth = np.array(labels)
    folds = KFold(n_splits=3, shuffle=True, random_state=1)
    classifier = LogisticRegression(max_iter=10_000)
    said = cross_val_predict(classifier, _alike(a, b)[:, None], truth, cv=folds)
    return {"accuracy": Outcome((said == truth)[:, None].astype(float), _best_mean)}


def classification(labels: Sequence[str], train: int, vectors: Float32) -> dict[str, Outcome]:
    """Accuracy of the better of logistic regression and three nearest neighbours (encodechka)."""
    truth = np.array(labels)
    classifiers = (
        LogisticRegression(max_iter=10_000),
        KNeighborsClassifier(n_neighbors=3, weights="distance"),
    )
    exact = _exact(vectors)
    said = [c.fit(exact[:train], truth[:train]).predict(exact[train:]) for c in classifiers]
    right = np.column_stack([one == truth[train:] for one in said])
    return {"accuracy": Outcome(right.astype(float), _best_mean)}


def detection(labels: Sequence[str], train: int, vectors: Float32) -> dict[str, Outcome]:
    """Area under the ROC curve of a logistic regression (encodechka)."""
    truth = np.array(labels, float)
    exact = _exact(vectors)
    classifier = LogisticRegression(max_iter=10_000).fit(exact[:train], truth[:train])
    likely = classifier.predict_proba(exact[train:])[:, 1]
    return {"ROC AUC": Outcome(np.column_stack([likely, truth[train:]]), _area)}


def retrieval(answers: Sequence[int], queries: Float32, documents: Float32) -> dict[str, Outcome]:
    """NDCG@10, MRR@10, recall@1 where each query has one right document."""
    alike = similarity("cosine", queries, documents)
    own = alike[np.arange(len(answers)), list(answers)]
    # A document that ties with the right one counts as before it: no luck of the order.
    rank = (alike >= own[:, None]).sum(axis=1)
    found = rank <= 10
    gains = {
        "NDCG@10": found / np.log2(rank + 1),
        "MRR@10": found / rank,
        "recall@1": (rank == 1).astype(float),
    }
    return {name: Outcome(gain[:, None], _best_mean) for name, gain in gains.items()}


def _exact(vectors: Float32) -> npt.NDArray[np.float64]:
    """The numbers that a fit needs not to depend on the order of its sums.

    In float32 it ends where rounding stops it: with two threads elsewhere than with one, and by up
    to 0.2 points of SA.
    """
    return vectors.astype(np.float64)


def _alike(a: Float32, b: Float32) -> npt.NDArray[np.float64]:
    products: npt.NDArray[np.float64] = (a.astype(np.float64) * b).sum(axis=1)
    return products


def _spearman(items: Items) -> float:
    return 100 * spearman(items[:, 0], items[:, 1])


def _best_mean(items: Items) -> float:
    return 100 * float(items.mean(axis=0).max())


def _area(items: Items) -> float:
    with warnings.catch_warnings():  # of a resample with one class only
        warnings.simplefilter("ignore")
        return 100 * float(roc_auc_score(items[:, 1], items[:, 0]))


Score = Callable[..., dict[str, Outcome]]
Arguments = dict[str, Any]
