"""A search over paragraphs in Russian and English, by what they say and not by their words.

    python examples/search.py BUNDLE XQUAD [--ask QUESTION ...]

XQUAD: a folder with xquad.ru.json and xquad.en.json (github.com/deepmind/xquad, CC BY-SA 4.0).
Each paragraph is there in both languages, and each question. The paragraphs become a dataset, the
dataset an index in memory, and every question is asked in its language and in the other: how often
is the right paragraph first, or among the first five? Needs edgembed[corpus] and faiss-cpu.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import NamedTuple

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from edgembed import Embedder
from edgembed.corpus import Settings, embed_corpus
from edgembed.corpus.indexes import write_index

LANGUAGES = ("ru", "en")
QUESTIONS = (
    "Кто изобрёл паровой двигатель?",
    "Where do tropical rainforests grow?",
    "How is the immune system kept in check?",
)


class Paragraph(NamedTuple):
    """One paragraph of one language; number: the same for its translation."""

    number: int
    lang: str
    title: str
    text: str
    questions: list[str]


def main() -> None:
    """Build the index, print the recall, answer some questions."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle")
    parser.add_argument("xquad", type=Path)
    parser.add_argument("--ask", nargs="+", default=QUESTIONS, metavar="QUESTION")
    options = parser.parse_args()
    paragraphs = [one for lang in LANGUAGES for one in read(options.xquad, lang)]
    model = Embedder(options.bundle)
    with tempfile.TemporaryDirectory() as work:
        index, rows = build(options.bundle, model, paragraphs, Path(work))
    print(f"{len(rows)} paragraphs, {model.dimension} dimensions\n")
    print("questions -> paragraphs   recall@1   recall@5")
    for asked in LANGUAGES:
        for found in LANGUAGES:
            recall = measure(model, index, rows, paragraphs, asked, found)
            print(f"{asked} -> {found}                     {recall[0]:.3f}      {recall[1]:.3f}")
    for question in options.ask:
        print(f"\n{question}")
        for row in search(model, index, rows, question, 2):
            print(f"  [{row['lang']}] {row['title']}: {row['text'][:90]}...")


def read(folder: Path, lang: str) -> list[Paragraph]:
    """The paragraphs of one language, in an order that all languages share."""
    data = json.loads((folder / f"xquad.{lang}.json").read_text(encoding="utf-8"))["data"]
    found = [(article["title"], one) for article in data for one in article["paragraphs"]]
    return [
        Paragraph(i, lang, title, one["context"], [asked["question"] for asked in one["qas"]])
        for i, (title, one) in enumerate(found)
    ]


def build(
    bundle: str, model: Embedder, paragraphs: list[Paragraph], work: Path
) -> tuple[faiss.Index, list[dict[str, str]]]:
    """Dataset, embeddings, index: what `edgembed corpus BUNDLE IN OUT --to faiss` does."""
    table = pa.Table.from_pylist([one._asdict() for one in paragraphs]).drop_columns(["questions"])
    pq.write_table(table, work / "paragraphs.parquet")
    names = [name for name in ("passage", "search_document") if name in model.prompt_names]
    settings = Settings(prompt_name=names[0] if names else None)
    embed_corpus(bundle, work / "paragraphs.parquet", work / "out", settings)
    folder = write_index("faiss", str(work / "out"))
    rows = pq.read_table(folder / "rows.parquet").to_pylist()
    return faiss.read_index(str(folder / "index.faiss")), rows


def measure(
    model: Embedder,
    index: faiss.Index,
    rows: list[dict[str, str]],
    paragraphs: list[Paragraph],
    asked: str,
    found: str,
) -> tuple[float, float]:
    """Recall at 1 and at 5 of all questions in one language among the paragraphs of another."""
    pairs = [(q, one.number) for one in paragraphs if one.lang == asked for q in one.questions]
    own = np.array([i for i, row in enumerate(rows) if row["lang"] == found])
    only = faiss.SearchParameters(sel=faiss.IDSelectorBatch(own))
    _, near = index.search(model.encode_query([q for q, _ in pairs]), 5, params=only)
    right = np.array([[rows[i]["number"] for i in ids] for ids in near])
    hits = right == np.array([number for _, number in pairs])[:, None]
    return float(hits[:, 0].mean()), float(hits.any(axis=1).mean())


def search(
    model: Embedder, index: faiss.Index, rows: list[dict[str, str]], question: str, count: int
) -> list[dict[str, str]]:
    """The nearest paragraphs of either language."""
    _, near = index.search(model.encode_query([question]), count)
    return [rows[i] for i in near[0]]


if __name__ == "__main__":
    main()
