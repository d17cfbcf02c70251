"""The tasks: which texts each needs, under which prompts, and how it is scored."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import data
import scores
from scores import Float32, Outcome

from edgembed.prompts import DOCUMENT_NAMES, QUERY_NAMES, Prompts

ENCODECHKA = ("STS", "PI", "NLI", "SA", "TI")
# The table of encodechka's README for intfloat/multilingual-e5-small, in its two decimals.
PUBLISHED = {"STS": 0.82, "PI": 0.71, "NLI": 0.46, "SA": 0.76, "TI": 0.96}


@dataclass(frozen=True)
class Task:
    """texts: by role. score: the vectors of each role, in that order -> outcome by metric.

    The first metric is the one that counts in a mean.
    """

    name: str
    folder: str
    languages: frozenset[str]
    texts: Mapping[str, Sequence[str]]
    score: Callable[..., dict[str, Outcome]]
    answers: Sequence[int] | None = None
    """Of a search: the right document of each query."""

    @property
    def is_search(self) -> bool:
        return "queries" in self.texts

    def outcomes(self, vectors: Mapping[str, Float32]) -> dict[str, Outcome]:
        """vectors: (n, dim) float32 for each role's texts."""
        return self.score(*(vectors[role] for role in self.texts))


@dataclass(frozen=True)
class Setting:
    """A prompt's text for each role of a task; name: what the tables call it."""

    name: str
    prompts: Mapping[str, str]


def load(folder: Path, samples: Mapping[str, int]) -> list[Task]:
    """All tasks whose data is in `folder`; samples: test items at most, by task or folder."""
    makers = {"stsb": _stsb, "encodechka": _encodechka, "tatoeba": _tatoeba, "xquad": _xquad}
    found = {name: folder / name for name in makers if (folder / name).is_dir()}
    return [task for name, own in found.items() for task in makers[name](own, samples)]


def settings(task: Task, prompts: Prompts, every: bool) -> list[Setting]:
    """The prompts to run a task under: the checkpoint's own for it, which comes first, or every.

    Its own: the default prompt, else the one for queries; in a search each side has its own.
    """
    query = prompts.first(QUERY_NAMES)
    own = _text(prompts, prompts.default_name or query)
    if task.is_search:
        document = _text(prompts, prompts.first(DOCUMENT_NAMES))
        asked = _text(prompts, query)
        return [Setting(f"{shown(asked)} → {shown(document)}", _roles(task, asked, document))]
    texts = [own, "", *prompts.texts.values()] if every else [own]
    return [Setting(shown(text), _roles(task, text, text)) for text in dict.fromkeys(texts)]


def searches(task: Task, texts: Iterable[str]) -> list[Setting]:
    """A search under each pair of prompts, the right ones and the wrong ones."""
    kept = list(dict.fromkeys(texts))
    return [Setting(f"{shown(q)} → {shown(d)}", _roles(task, q, d)) for q in kept for d in kept]


def shown(prompt: str) -> str:
    """A prompt in a table."""
    return f"`{prompt.rstrip()}`" if prompt else "none"


def _text(prompts: Prompts, name: str | None) -> str:
    return "" if name is None else prompts.resolve(None, name)


def _roles(task: Task, first: str, second: str) -> dict[str, str]:
    return dict(zip(task.texts, (first, second), strict=False))


def _pairs(name: str, folder: str, language: str, own: data.Pairs, score: scores.Score) -> Task:
    texts = {"first": own.first, "second": own.second}
    return Task(name, folder, frozenset({language}), texts, score)


def _most(samples: Mapping[str, int], name: str, folder: Path) -> int:
    return samples.get(name, samples.get(folder.name, sys.maxsize))


def _stsb(folder: Path, samples: Mapping[str, int]) -> list[Task]:
    made = []
    for language in ("en", "ru"):
        most = _most(samples, f"STS-B {language}", folder)
        own = data.pairs(folder / f"stsb-{language}-test.csv").sample(most)
        score = partial(scores.rank_correlation, own.scores())
        made.append(_pairs(f"STS-B {language}", "stsb", language, own, score))
    return made


def _encodechka(folder: Path, samples: Mapping[str, int]) -> list[Task]:
    """The five sentence tasks of the model card, as encodechka_eval/tasks.py defines them."""

    def pairs(name: str, file: str, columns: tuple[str, str, str]) -> data.Pairs:
        return data.pairs(folder / file, columns).sample(_most(samples, name, folder))

    def classes(name: str, stem: str, label: str, score: scores.Score) -> Task:
        files = (folder / f"{stem}_{part}.csv" for part in ("train", "test"))
        own = data.labelled(*files, label).sample(_most(samples, name, folder))
        made = partial(score, own.labels, own.train)
        return Task(name, folder.name, frozenset({"ru"}), {"texts": own.texts}, made)

    texts = ("sentence1", "sentence2")
    sts = pairs("STS", "stsb_dev.csv", (*texts, "similarity_score"))
    pi = pairs("PI", "para_gold.csv", ("text_1", "text_2", "class"))
    nli = pairs("NLI", "xnli_ru.csv", (*texts, "gold_label"))
    correlation, name = scores.rank_correlation, folder.name
    return [
        _pairs("STS", name, "ru", sts, partial(correlation, sts.scores())),
        _pairs("PI", name, "ru", pi, partial(correlation, pi.scores())),
        _pairs("NLI", name, "ru", nli, partial(scores.entailment, nli.labels)),
        classes("SA", "SentiRuEval2016_small", "answer", scores.classification),
        classes("TI", "toxic", "toxic", scores.detection),
    ]


def _search(name: str, folder: Path, languages: Iterable[str], own: data.Search) -> Task:
    texts = {"queries": own.queries, "documents": own.documents}
    score = partial(scores.retrieval, own.answers)
    return Task(name, folder.name, frozenset(languages), texts, score, own.answers)


def _tatoeba(folder: Path, samples: Mapping[str, int]) -> list[Task]:
    files = {"ru": folder / "tatoeba.rus-eng.rus", "en": folder / "tatoeba.rus-eng.eng"}
    made = []
    for a, b in (("ru", "en"), ("en", "ru")):
        name = f"Tatoeba {a}→{b}"
        own = data.tatoeba(files[a], files[b]).sample(_most(samples, name, folder))
        # Translations stand side by side: none of them is a query.
        texts = {"first": own.queries, "second": own.documents}
        score = partial(scores.retrieval, own.answers)
        made.append(Task(name, folder.name, frozenset({a, b}), texts, score, own.answers))
    return made


def _xquad(folder: Path, samples: Mapping[str, int]) -> list[Task]:
    made = []
    for a, b in (("ru", "ru"), ("en", "en"), ("ru", "en")):
        name = f"XQuAD {a}" if a == b else f"XQuAD {a}→{b}"
        own = data.xquad(folder / f"xquad.{a}.json", folder / f"xquad.{b}.json")
        own = own.sample(_most(samples, name, folder))
        made.append(_search(name, folder, {a, b}, own))
    return made
