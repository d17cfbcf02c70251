"""mteb's own evaluation of a bundle on the local data: no hub is needed.

    python benchmarks/quality/local_mteb.py BUNDLE DATA [--dtype int8] [--sample N]

Needs the mteb extra. DATA: as data.py says. The tasks are of mteb's own classes; only the reading
is ours. Prints each task's main score.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import data
import mteb
from datasets import Dataset, DatasetDict
from mteb.abstasks import AbsTaskClassification, AbsTaskRetrieval, AbsTaskSTS
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.abstasks.text.bitext_mining import AbsTaskBitextMining

from edgembed.integrations.mteb import EdgembedEncoder


def _metadata(kind: str, name: str, score: str, *languages: str) -> TaskMetadata:
    return TaskMetadata(
        type=kind,
        name=name,
        main_score=score,
        description="A data set on this disk.",
        dataset={"path": "local", "revision": "1"},
        category="t2t",
        eval_splits=["test"],
        eval_langs=[f"{own}" for own in languages],
        date=("2020-01-01", "2020-12-31"),
        domains=[],
        task_subtypes=[],
        license="not specified",
        annotations_creators="derived",
        dialect=[],
        modalities=["text"],
        sample_creation="found",
        bibtex_citation="",
    )


def _loader(make: Callable[[], Any]) -> Callable[..., None]:
    def load_data(self: Any, **_: Any) -> None:
        self.dataset, self.data_loaded = make(), True

    return load_data


def _task(base: type, metadata: TaskMetadata, make: Callable[[], Any], **more: Any) -> Any:
    attributes = {"metadata": metadata, "load_data": _loader(make), **more}
    return type(metadata.name, (base,), attributes)()


def sts(path: Path, language: str, most: int = sys.maxsize) -> Any:
    """STS-B: Spearman."""

    def make() -> DatasetDict:
        own = data.pairs(path).sample(most)
        columns = {"sentence1": own.first, "sentence2": own.second, "score": own.scores()}
        return DatasetDict({"test": Dataset.from_dict(columns)})

    metadata = _metadata("STS", f"LocalSTS-{language[:2]}", "cosine_spearman", language)
    return _task(AbsTaskSTS, metadata, make)


def classification(train: Path, test: Path, label: str, most: int = sys.maxsize) -> Any:
    """Labelled texts: accuracy of logistic regressions on a few examples."""

    def make() -> DatasetDict:
        own = data.labelled(train, test, label).sample(most)
        place = {label: index for index, label in enumerate(sorted(set(own.labels)))}
        labels = [place[label] for label in own.labels]
        parts = {"train": slice(None, own.train), "test": slice(own.train, None)}
        return DatasetDict(
            {
                name: Dataset.from_dict({"text": own.texts[part], "label": labels[part]})
                for name, part in parts.items()
            }
        )

    metadata = _metadata("Classification", "LocalClassification", "accuracy", "rus-Cyrl")
    return _task(AbsTaskClassification, metadata, make)


def bitext(first: Path, second: Path, most: int = sys.maxsize) -> Any:
    """Tatoeba: F1 of the right translation among all."""

    def make() -> DatasetDict:
        own = data.tatoeba(first, second).sample(most)
        columns = {"sentence1": own.queries, "sentence2": own.documents}
        return DatasetDict({"test": Dataset.from_dict(columns)})

    metadata = _metadata("BitextMining", "LocalBitext", "f1", "rus-Cyrl", "eng-Latn")
    return _task(AbsTaskBitextMining, metadata, make)


def retrieval(path: Path, language: str, most: int = sys.maxsize) -> Any:
    """XQuAD: NDCG@10 of the paragraph that answers a question."""

    def make() -> dict[str, Any]:
        own = data.xquad(path, path).sample(most)
        asked = {f"q{i}": text for i, text in enumerate(own.queries)}
        documents = {f"d{i}": text for i, text in enumerate(own.documents)}
        split = {
            "queries": Dataset.from_dict({"id": list(asked), "text": list(asked.values())}),
            "corpus": Dataset.from_dict(
                {
                    "id": list(documents),
                    "text": list(documents.values()),
                    "title": [""] * len(documents),
                }
            ),
            "relevant_docs": {f"q{i}": {f"d{own}": 1} for i, own in enumerate(own.answers)},
            "top_ranked": None,
        }
        return {"default": {"test": split}}

    metadata = _metadata("Retrieval", f"LocalRetrieval-{language[:2]}", "ndcg_at_10", language)
    return _task(AbsTaskRetrieval, metadata, make)


def tasks(folder: Path, languages: set[str], most: int = sys.maxsize) -> Iterator[Any]:
    """All tasks whose data is in the folder and in the languages ("ru", "en")."""
    codes = {"en": "eng-Latn", "ru": "rus-Cyrl"}
    for short in sorted(languages):
        if (path := folder / "stsb" / f"stsb-{short}-test.csv").is_file():
            yield sts(path, codes[short], most)
        if (path := folder / "xquad" / f"xquad.{short}.json").is_file():
            yield retrieval(path, codes[short], most)
    stem = folder / "encodechka" / "SentiRuEval2016_small"
    if "ru" in languages and stem.with_name(f"{stem.name}_train.csv").is_file():
        files = (stem.with_name(f"{stem.name}_{part}.csv") for part in ("train", "test"))
        yield classification(*files, "answer", most)
    both = [folder / "tatoeba" / f"tatoeba.rus-eng.{end}" for end in ("rus", "eng")]
    if len(languages) == 2 and both[0].is_file():
        yield bitext(*both, most)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--dtype")
    parser.add_argument("--languages", default="ru,en")
    parser.add_argument("--sample", type=int, default=sys.maxsize, help="test items at most")
    options = parser.parse_args()
    model = EdgembedEncoder(options.bundle, dtype=options.dtype)
    for task in tasks(options.data, set(options.languages.split(",")), options.sample):
        result = mteb.evaluate(model, task, cache=None, show_progress_bar=False)
        (own,) = result.task_results
        print(f"{own.task_name:22}{task.metadata.main_score:18}{100 * own.get_score():.2f}")


if __name__ == "__main__":
    main()
