"""benchmarks/quality: its scores by hand, or the long way; its samples and its bars."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from support import ROOT

# In the order of run.py: quality has modules that peers has too.
sys.path += [str(ROOT / "benchmarks" / own) for own in ("quality", "", "peers")]
import agreement
import chance
import data
import flips
import scores
import tasks
from differences import Cell, Row, cells, mean_difference, verdicts
from vectors import Store

RANDOM = np.random.default_rng(0)


def unit(*angles: float) -> np.ndarray:
    return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)


def test_retrieval_by_hand() -> None:
    documents = unit(0.0, 0.5, 1.0, 1.5)
    queries = unit(0.1, 0.6, 0.4)  # nearest: 0; 1; 1, then 0
    found = scores.retrieval([0, 1, 0], queries, documents)
    assert found["recall@1"].points() == pytest.approx(100 * 2 / 3)
    assert found["MRR@10"].points() == pytest.approx(100 * (1 + 1 + 1 / 2) / 3)
    assert found["NDCG@10"].points() == pytest.approx(100 * (1 + 1 + 1 / math.log2(3)) / 3)


def test_what_is_not_among_ten_counts_nothing_and_a_tie_is_no_luck() -> None:
    documents = unit(*np.linspace(0, 1, 12))
    assert scores.retrieval([11], unit(0.0), documents)["MRR@10"].points() == 0
    same = np.ones((3, 2), np.float32)
    assert scores.retrieval([0], same[:1], same)["recall@1"].points() == 0


def test_first_answers_that_change_and_how_near_they_were() -> None:
    documents, answers = unit(0.0, 1.0), [0, 0, 1]
    torch = flips._margins(unit(0.1, 0.49, 0.49), documents, answers)
    own = flips._margins(unit(0.1, 0.51, 0.51), documents, answers)
    assert torch == pytest.approx(
        [math.cos(a) - math.cos(1 - a) for a in (0.1, 0.49)] + [math.cos(0.51) - math.cos(0.49)],
        abs=1e-6,
    )
    found = flips._flips("x", torch, own)
    assert (found.queries, found.lost, found.won) == (3, 1, 1)
    assert found.farthest == pytest.approx(math.cos(0.49) - math.cos(0.51), abs=1e-6)


def test_chance_turns_each_vector_as_far_as_the_other_system_did() -> None:
    numbers = RANDOM.standard_normal((2, 50, 8))
    exact, other = (numbers / np.linalg.norm(numbers, axis=2, keepdims=True)).astype(np.float32)
    first, second = (chance.turned(exact, other, np.random.default_rng(seed)) for seed in (1, 2))
    for moved in (first, second):
        assert np.linalg.norm(moved, axis=1) == pytest.approx(1, abs=1e-6)
        np.testing.assert_allclose((moved * exact).sum(1), (other * exact).sum(1), atol=1e-6)
    assert np.abs((first * second).sum(1)).max() < 0.999  # and each time elsewhere


def test_chance_of_a_task_that_noise_cannot_reach_and_of_one_that_it_decides() -> None:
    def of(task_scores: list[float], a: np.ndarray, b: np.ndarray) -> list[chance.Chance]:
        score = lambda one, other: scores.rank_correlation(task_scores, one, other)  # noqa: E731
        task = tasks.Task("x", "y", frozenset(), {"first": [], "second": []}, score)
        return list(chance._of(task, {"first": a, "second": b}, {"first": noisy(a), "second": b}))

    def noisy(rows: np.ndarray) -> np.ndarray:
        return chance.turned(rows, rows * np.float32(0.9999), RANDOM)

    zero = unit(*np.zeros(5))
    (clear,) = of([5, 4, 3, 2, 1], zero, unit(0.1, 0.5, 0.9, 1.3, 1.7))
    assert (clear.own, clear.spread, clear.within) == (0, 0, chance.DRAWS)
    (tied,) = of([5, 4, 3, 2, 1], zero, unit(0.5, 0.5001, 0.5002, 0.5003, 0.5004))
    assert tied.spread > 1
    assert tied.within < chance.DRAWS


def test_vectors_of_a_task_are_there_whole_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "checkpoint" / "model.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(b"weights")
    texts = {"queries": ["a", "b", "a"], "documents": ["c"]}
    task = tasks.Task("own", "own", frozenset(), texts, score=dict)
    setting = tasks.Setting("own", {"queries": "query: ", "documents": ""})
    store = Store(tmp_path, tmp_path / "vectors", 1, lambda _: None)
    monkeypatch.setattr(store, "_encode", lambda _, own: unit(*map(len, own)))
    assert store.of("torch", task, setting) is None
    store.get("torch", "query: ", texts["queries"])
    assert store.of("torch", task, setting) is None  # half of it
    store.get("torch", "", texts["documents"])
    found = store.of("torch", task, setting)
    assert found is not None
    assert {role: own.shape for role, own in found.items()} == {
        "queries": (3, 2),
        "documents": (1, 2),
    }
    assert store.of("int8", task, setting) is None  # a system that was not prepared


def test_rank_correlation_sees_the_order_only() -> None:
    angles = np.linspace(0, 1.5, 20)
    a, b = unit(*np.zeros(20)), unit(*angles)
    falling = [float(-value) for value in angles]
    assert scores.rank_correlation(falling, a, b)["Spearman"].points() == pytest.approx(100)


def test_detection_is_the_share_of_pairs_in_the_right_order() -> None:
    vectors = RANDOM.normal(size=(60, 4)).astype(np.float32)
    labels = [str(int(value > 0.3)) for value in vectors[:, 0] + RANDOM.normal(size=60)]
    found = scores.detection(labels, 30, vectors)["ROC AUC"]
    likely, truth = found.items[:, 0], found.items[:, 1]
    pairs = [(x > y) + (x == y) / 2 for x in likely[truth == 1] for y in likely[truth == 0]]
    assert found.points() == pytest.approx(100 * np.mean(pairs))


def test_a_fit_does_not_hang_on_the_order_of_its_sums() -> None:
    # What another number of threads does to a sum, another order of the columns does too.
    vectors = RANDOM.normal(1, 0.05, (600, 64)).astype(np.float32)
    labels = [str(label) for label in RANDOM.integers(0, 2, 600)]
    turned = vectors[:, RANDOM.permutation(64)]
    one, other = (scores.detection(labels, 400, own)["ROC AUC"].items for own in (vectors, turned))
    np.testing.assert_allclose(one, other, atol=1e-12)


def test_classification_takes_the_better_of_two() -> None:
    vectors = unit(*np.linspace(0, 3, 40))
    labels = ["a" if index % 20 < 10 else "b" for index in range(40)]
    found = scores.classification(labels, 20, vectors)["accuracy"]
    assert found.items.shape == (20, 2)
    assert found.points() == 100 * max(found.items.mean(axis=0))


def test_a_system_that_is_torch_differs_by_nothing_and_a_worse_one_by_what_it_is_worse() -> None:
    documents = unit(*np.linspace(0, 1, 30))
    answers = list(range(30))
    right = scores.retrieval(answers, documents, documents)["recall@1"]
    wrong = scores.retrieval(answers, documents[[*range(1, 4), *range(3, 30)]], documents)
    found = cells({"torch": right, "int8": right, "other": wrong["recall@1"]})
    assert found["int8"] == Cell(100, 0, 0, 0)
    own = found["other"]
    assert own.difference == pytest.approx(-10)
    assert own.low is not None
    assert own.high is not None
    assert own.low < -10 < own.high < 0.1


def row(own: float, **more: object) -> Row:
    by_system = {"torch": Cell(80), "int8": Cell(80 + own, own, own, own)}
    given = {"own_prompt": True, "counts": True, **more}
    return Row("T", "f", "none", "m", 10, cells=by_system, **given)  # type: ignore[arg-type]


def test_bars() -> None:
    made = [row(-0.1), row(0.3), row(-9, own_prompt=False, counts=True)]
    assert mean_difference(made, "int8") == pytest.approx(0.1)
    kept = {one.name + str(place): one.kept for place, one in enumerate(verdicts(made))}
    assert list(kept.values()) == [True, False, False, False]


def test_two_texts_of_a_thousand_are_a_fifth_of_a_point() -> None:
    def kept(texts: int) -> bool:
        return verdicts([row(100 * (923 - texts) / 1000 - 92.3)])[0].kept

    assert 92.1 - 92.3 < -0.2  # what floats make of it
    assert kept(2)
    assert not kept(3)


def test_samples_are_parts_and_whole_where_there_is_less(tmp_path: Path) -> None:
    lines = [f"a{i},b{i},{i}" for i in range(20)]
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    whole = data.pairs(path)
    assert whole.sample(99) == whole
    few = whole.sample(5)
    assert few == whole.sample(5)
    assert [f"{a},{b},{s}" for a, b, s in zip(few.first, few.second, few.labels, strict=True)] == [
        line for line in lines if line.split(",")[2] in few.labels
    ]


def test_a_search_keeps_each_querys_document(tmp_path: Path) -> None:
    paragraphs = [
        {"context": f"c{i}", "qas": [{"question": f"q{i}{j}"} for j in range(3)]} for i in range(4)
    ]
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}), encoding="utf-8")
    own = data.xquad(path, path).sample(7)
    assert own.documents == ["c0", "c1", "c2"]
    assert own.answers == [0, 0, 0, 1, 1, 1, 2]


def test_draws_are_of_all_languages_alike_and_no_sentence_comes_twice() -> None:
    texts = [
        [f"{language}{i}" for i in range(count)] for language, count in (("e", 800), ("r", 560))
    ]
    drawn = list(agreement.draws(texts, most=16))
    assert [len(draw) for draw in drawn] == [500, 500]
    assert all(sum(text.startswith("e") for text in draw) == 250 for draw in drawn)
    assert len({text for draw in drawn for text in draw}) == 1000
    assert list(agreement.draws(texts, most=1)) == drawn[:1]
    assert not list(agreement.draws([texts[0][:249], texts[1]], most=16))


def test_agreement_by_hand() -> None:
    torch = unit(0.0, 0.4, 1.0, 1.5)  # neighbours: 1, 0, 3, 2
    moved = unit(0.0, 0.6, 1.0, 1.5)  # neighbours: 1, 2, 1, 2
    answers = iter([torch, moved])
    found = agreement.compare("x", [["t"] * 4] * 2, lambda _: torch, lambda _: next(answers))
    assert (found.least, found.top1, found.most) == (0.5, 0.75, 1.0)
    assert found.error == pytest.approx(0.25)
    assert found.minimum == pytest.approx(math.cos(0.2))
    assert found.mean == pytest.approx((7 + math.cos(0.2)) / 8)
