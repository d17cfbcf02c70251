"""Evaluation files that carry scores, and Spearman on them."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from edgembed.agreement import spearman
from edgembed.pairs import Pair
from edgembed_export.errors import ArgumentsError
from edgembed_export.labelled import Evaluation, read_evaluation, spearman_report

PAIRS = [
    Pair(f'Он сказал: "да", {i}', f"She said 'no', {i}\u2028 or not", i / 2) for i in range(12)
]


def _write(folder: Path, name: str, header: list[str] | None = None) -> Path:
    path = folder / name
    rows = [[pair.first, pair.second, pair.score] for pair in PAIRS]
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".jsonl":
            keys = header or ["sentence1", "sentence2", "score"]
            for row in rows:
                line = row if header is None else dict(zip(keys, row, strict=True))
                file.write(json.dumps(line, ensure_ascii=False) + "\n\n")
        elif path.suffix == ".tsv":
            for row in ([header] if header else []) + rows:
                file.write("\t".join(map(str, row)) + "\r\n")
        else:
            csv.writer(file).writerows(([header] if header else []) + rows)
    return path


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".jsonl", ".TSV"])
@pytest.mark.parametrize("header", [None, ["sentence1", "sentence2", "similarity_score"]])
def test_pairs_are_read(tmp_path: Path, suffix: str, header: list[str] | None) -> None:
    evaluation = read_evaluation(_write(tmp_path, f"pairs{suffix.lower()}", header))
    assert list(evaluation.pairs) == PAIRS
    assert evaluation.texts[:2] == [PAIRS[0].first, PAIRS[0].second]
    assert len(evaluation.texts) == 24


def test_named_columns_are_picked_out_of_more(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    lines = ["id,text_1,text_2,class,label"] + [f"{i},a{i},b{i},x,{i % 3}" for i in range(10)]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert read_evaluation(path).pairs[4] == Pair("a4", "b4", 1.0)


def test_equal_texts_are_embedded_once(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"same\tother {i % 2}\t{i}\n" for i in range(10)), encoding="utf-8")
    assert read_evaluation(path).texts == ["same", "other 0", "other 1"]


def test_plain_files_stay_plain(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_text("one, two, 3\n\nтри\tчетыре\t5\n", encoding="utf-8")
    assert read_evaluation(path) == Evaluation(["one, two, 3", "три\tчетыре\t5"])


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        ("a.tsv", "only\ttwo", "holds 2 field"),
        ("a.tsv", "a\tb\tc\t1", "holds 4 field"),
        ("a.csv", "a,b,high", "'high' for a score"),
        ("a.csv", "a,b,nan", "'nan' for a score"),
        ("a.csv", "a,,1", "'' for a text"),
        ("a.csv", 'a,"b"c,1', "cannot be read"),
        ("a.jsonl", '{"sentence1": "a", "score": 1}', "None for a text"),
        ("a.jsonl", '["a", "b", true]', "True for a score"),
        ("a.jsonl", '["a", 7, 1]', "7 for a text"),
        ("a.jsonl", "7", "holds 1 field"),
        ("a.jsonl", r'["a \ud800", "b", 1]', "for a text"),
        ("a.jsonl", "{", "not valid JSON"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, name: str, line: str, said: str) -> None:
    good = {"tsv": "a\tb\t1", "csv": "a,b,1", "jsonl": '["a", "b", 1]'}[name.partition(".")[2]]
    path = tmp_path / name
    path.write_text(f"{good}\n{good}\n{line}\n{good}\n", encoding="utf-8")
    with pytest.raises(ArgumentsError, match="line 3") as raised:
        read_evaluation(path)
    assert said in str(raised.value)


@pytest.mark.parametrize("content", ["", "a\tb\t1\n" * 5, "a\tb\t1\n" * 20])
def test_too_little_to_rank(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ArgumentsError, match="at least 10, with scores that differ"):
        read_evaluation(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ArgumentsError, match=r"none\.tsv"):
        read_evaluation(tmp_path / "none.tsv")


def test_spearman_is_scipys() -> None:
    generator = np.random.default_rng(0)
    scores = generator.integers(0, 6, 200).astype(float).tolist()
    similarities = generator.random(200).tolist()
    expected = spearmanr(scores, similarities).statistic
    assert spearman(scores, similarities) == pytest.approx(expected, abs=1e-12)
    assert spearman([1, 2, 3, 4], [10.0, 20.0, 30.0, 40.0]) == pytest.approx(1.0)
    assert math.isnan(spearman([1, 2, 3], [5.0, 5.0, 5.0]))


def test_report_by_hand() -> None:
    """Angles that fall as scores rise: torch ranks all pairs rightly, int8 swaps the last two."""
    texts = ["anchor", *(f"text {i}" for i in range(10))]
    pairs = tuple(Pair("anchor", f"text {i}", i) for i in range(10))
    angles = np.array([0, *np.linspace(1.5, 0.1, 10)])
    swapped = angles.copy()
    swapped[[9, 10]] = angles[[10, 9]]
    torch, int8 = (
        np.stack([np.cos(a), np.sin(a)], 1).astype(np.float32) for a in (angles, swapped)
    )
    report = spearman_report(Evaluation(texts, pairs), torch, {"int8": int8, "float32": torch})
    assert report["pairs"] == 10
    assert report["torch"] == pytest.approx(1.0)
    expected = 1 - 6 * 2 / (10 * 99)  # Spearman's formula: two ranks off by one
    assert report["dtypes"]["int8"]["spearman"] == pytest.approx(expected)
    assert report["dtypes"]["int8"]["loss_points"] == pytest.approx(100 * (1 - expected))
    assert report["dtypes"]["float32"]["loss_points"] == 0
    assert spearman_report(Evaluation(texts), torch, {"int8": int8}) == {}
