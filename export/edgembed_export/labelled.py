"""Evaluation files with labels: pairs of texts that people have scored, and Spearman on them.

A cosine to torch says how far a vector moved; a rank correlation with people's scores says whether
that matters. Files are told apart by their ending: .tsv, .csv and .jsonl hold two texts and a
number a line, anything else holds one text a line.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgembed.pooling import Float32
from edgembed.similarity import similarity_pairwise
from edgembed_export.corpus import read_texts
from edgembed_export.errors import ArgumentsError

_LABELLED = (".tsv", ".csv", ".jsonl")
# The names that data sets give the three columns, in a header line or as a JSON line's keys.
_TEXT_NAMES = (("sentence1", "text1", "text_1"), ("sentence2", "text2", "text_2"))
_SCORE_NAMES = ("score", "similarity_score", "label", "class")
_SURROGATE = re.compile("[\ud800-\udfff]")
# Below this a rank correlation says nothing.
_FEWEST_PAIRS = 10


@dataclass(frozen=True)
class LabelledPair:
    """Two texts and how alike people found them, on any scale."""

    first: str
    second: str
    score: float


@dataclass(frozen=True)
class Evaluation:
    """What to measure parity on: texts and, where they came in scored pairs, the pairs."""

    texts: Sequence[str]
    pairs: tuple[LabelledPair, ...] = ()


def read_evaluation(path: Path | None) -> Evaluation:
    """Read --evaluation: scored pairs (.tsv, .csv, .jsonl), texts, or the built-in texts.

    ArgumentsError names the file and the line that cannot be read.
    """
    if path is None or path.suffix.lower() not in _LABELLED:
        return Evaluation(read_texts(path, "evaluation"))
    pairs = tuple(_pairs(path))
    if len(pairs) < _FEWEST_PAIRS or len({pair.score for pair in pairs}) < 2:
        raise ArgumentsError(
            f"--evaluation {path} holds {len(pairs)} scored pair(s): give at least "
            f"{_FEWEST_PAIRS}, with scores that differ"
        )
    texts = dict.fromkeys(text for pair in pairs for text in (pair.first, pair.second))
    return Evaluation(list(texts), pairs)


def spearman(scores: Sequence[float], similarities: Sequence[float]) -> float:
    """Spearman's rank correlation, -1 to 1; NaN where all similarities are the same."""
    from scipy.stats import spearmanr

    if len(set(scores)) < 2 or len(set(similarities)) < 2:
        return math.nan  # scipy says the same, with a warning
    return float(spearmanr(scores, similarities).statistic)


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
    scores = [pair.score for pair in evaluation.pairs]

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


def _pairs(path: Path) -> Iterator[LabelledPair]:
    try:
        content = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ArgumentsError(f"--evaluation {path}: {error}") from error
    rows = _json_rows if path.suffix.lower() == ".jsonl" else _delimited_rows
    for line, fields in rows(path, content):
        yield _pair(path, line, fields)


def _json_rows(path: Path, content: str) -> Iterator[tuple[int, Sequence[Any]]]:
    # Not splitlines(): it also splits at separators that JSON allows inside a string.
    for line, raw in enumerate(content.split("\n"), 1):
        if not raw.strip():
            continue
        try:
            value = json.loads(raw)
        except ValueError as error:
            raise _bad(path, line, f"is not valid JSON ({error})") from error
        if isinstance(value, dict):
            names = [*_TEXT_NAMES, _SCORE_NAMES]
            value = [next((value[k] for k in keys if k in value), None) for keys in names]
        yield line, value if isinstance(value, list) else [value]


def _delimited_rows(path: Path, content: str) -> Iterator[tuple[int, Sequence[str]]]:
    tabs = path.suffix.lower() == ".tsv"
    lines = content.replace("\r\n", "\n").split("\n")
    reader = csv.reader(
        (line + "\n" for line in lines),
        delimiter="\t" if tabs else ",",
        # A tab-separated file has no quoting: its texts hold quotation marks that are their own.
        quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL,
        strict=True,
    )
    columns: tuple[int, ...] | None = None
    try:
        for number, fields in enumerate(reader):
            if not any(field.strip() for field in fields):
                continue
            if number == 0 and (columns := _header(fields)):
                continue
            # With a header the named columns count; without one the line must have just three.
            kept = [fields[c] for c in columns if c < len(fields)] if columns else fields
            yield reader.line_num, kept
    except csv.Error as error:
        raise _bad(path, reader.line_num, f"cannot be read ({error})") from error


def _header(fields: Sequence[str]) -> tuple[int, ...] | None:
    """Columns of the two texts and the score, where this line names them."""
    names = [field.strip().lower() for field in fields]
    wanted = (*_TEXT_NAMES, _SCORE_NAMES)
    found = [next((names.index(k) for k in keys if k in names), None) for keys in wanted]
    first, second, score = found
    if first is None or second is None or score is None:
        return None
    return first, second, score


def _pair(path: Path, line: int, fields: Sequence[Any]) -> LabelledPair:
    if len(fields) != 3:
        raise _bad(path, line, f"holds {len(fields)} field(s)")
    first, second, score = fields
    for text in (first, second):
        # JSON can spell half a character ("\\ud800"), which no tokenizer takes.
        if not isinstance(text, str) or not text.strip() or _SURROGATE.search(text):
            raise _bad(path, line, f"has {text!r} for a text")
    try:
        number = math.nan if isinstance(score, bool) else float(score)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise _bad(path, line, f"has {score!r} for a score")
    return LabelledPair(first, second, number)


def _bad(path: Path, line: int, what: str) -> ArgumentsError:
    return ArgumentsError(
        f"--evaluation {path}, line {line} {what}: each line is two texts and a number. For one "
        "text a line, name the file .txt"
    )
