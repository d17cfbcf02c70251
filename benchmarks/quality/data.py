"""The data sets, read from a folder that the user downloaded; nothing of them is kept here.

FOLDER/encodechka   avidale/encodechka, encodechka_eval/data
FOLDER/stsb         PhilipMay/stsb-multi-mt, data
FOLDER/tatoeba      facebookresearch/LASER, data/tatoeba/v1: tatoeba.rus-eng.*
FOLDER/xquad        google-deepmind/xquad: xquad.en.json, xquad.ru.json
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SOURCES = {
    "encodechka": "https://github.com/avidale/encodechka (encodechka_eval/data)",
    "stsb": "https://github.com/PhilipMay/stsb-multi-mt (data)",
    "tatoeba": "https://github.com/facebookresearch/LASER (data/tatoeba/v1)",
    "xquad": "https://github.com/google-deepmind/xquad",
}


@dataclass(frozen=True)
class Pairs:
    """Pairs of texts with what people said of each: a number, or a class."""

    first: list[str]
    second: list[str]
    labels: list[str]

    def scores(self) -> list[float]:
        return [float(label) for label in self.labels]

    def sample(self, most: int) -> Pairs:
        """At most `most` pairs, the same each time."""
        kept = chosen(len(self.labels), most)
        return Pairs(take(self.first, kept), take(self.second, kept), take(self.labels, kept))


@dataclass(frozen=True)
class Labelled:
    """Texts with a class each; the first `train` are to learn from, the others to be tested."""

    texts: list[str]
    labels: list[str]
    train: int

    def sample(self, most: int) -> Labelled:
        """At most `most` texts to learn from, and as many to test."""
        train = chosen(self.train, most)
        test = [self.train + index for index in chosen(len(self.texts) - self.train, most)]
        kept = [*train, *test]
        return Labelled(take(self.texts, kept), take(self.labels, kept), len(train))


@dataclass(frozen=True)
class Search:
    """Queries, documents, and for each query the place of the one document that answers it."""

    queries: list[str]
    documents: list[str]
    answers: list[int]

    def sample(self, most: int) -> Search:
        """The first documents with their queries, at most `most` of these."""
        answers = self.answers[:most]
        return Search(self.queries[:most], self.documents[: max(answers) + 1], answers)


def pairs(path: Path, columns: tuple[str, str, str] | None = None) -> Pairs:
    """A CSV of pairs; columns: the header's names of the two texts and the label (None: none)."""
    rows = _rows(path) if columns is None else [[row[c] for c in columns] for row in _named(path)]
    first, second, labels = (list(column) for column in zip(*rows, strict=True))
    return Pairs(first, second, labels)


def labelled(train: Path, test: Path, label: str) -> Labelled:
    """Two CSVs with the columns `text` and `label`."""
    rows = [_named(train), _named(test)]
    both = [*rows[0], *rows[1]]
    return Labelled([row["text"] for row in both], [row[label] for row in both], len(rows[0]))


def tatoeba(queries: Path, documents: Path) -> Search:
    """Two files of sentences, line by line each other's translation."""
    texts = [path.read_text("utf-8").splitlines() for path in (queries, documents)]
    return Search(texts[0], texts[1], list(range(len(texts[0]))))


def xquad(questions: Path, paragraphs: Path) -> Search:
    """Every question against all paragraphs; two files where the languages differ."""
    asked = [
        (question["question"], place)
        for place, paragraph in enumerate(_paragraphs(questions))
        for question in paragraph["qas"]
    ]
    documents = [paragraph["context"] for paragraph in _paragraphs(paragraphs)]
    return Search([text for text, _ in asked], documents, [place for _, place in asked])


def chosen(count: int, most: int) -> list[int]:
    """At most `most` of `count` indices, in order, the same each time."""
    return sorted(random.Random(0).sample(range(count), min(count, most)))


def take(values: Sequence[str], kept: Sequence[int]) -> list[str]:
    return [values[index] for index in kept]


def _paragraphs(path: Path) -> list[dict[str, object]]:
    articles = json.loads(path.read_text("utf-8"))["data"]
    return [paragraph for article in articles for paragraph in article["paragraphs"]]


def _named(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))
