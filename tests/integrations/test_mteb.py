"""mteb's own evaluation of a bundle: its task classes on texts of ours, no hub."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mteb
import numpy as np
import pytest
from mteb.models import EncoderProtocol
from mteb.types import PromptType

from edgembed import Embedder, PromptError
from edgembed.agreement import spearman
from edgembed.integrations.mteb import FRIDA_PROMPTS, EdgembedEncoder
from support import ROOT

sys.path.insert(0, str(ROOT / "benchmarks" / "quality"))
import local_mteb

# mteb and its dependencies warn of their own affairs; what we warn of still fails.
pytestmark = [
    pytest.mark.filterwarnings("ignore:To copy construct from a tensor:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
TEXTS = ["Кошка сидит на окне.", "It rains in the street.", "The train is late."]
PAIRS = ROOT / "tests" / "quality_pairs.tsv"
NAMES = ("categorize", "categorize_topic", "paraphrase", "search_query", "search_document")


def score(model: EdgembedEncoder, task: Any) -> float:
    result = mteb.evaluate(model, task, cache=None, show_progress_bar=False)
    return float(result.task_results[0].get_score())


def vectors(model: EdgembedEncoder, texts: Iterable[str], kind: str, **more: Any) -> np.ndarray:
    metadata = SimpleNamespace(**{"type": kind, "name": "x", **more.pop("task", {})})
    batches = [{"text": [text]} for text in texts]
    return model.encode(batches, task_metadata=metadata, hf_split="", hf_subset="", **more)


@pytest.fixture(scope="module")
def minilm(bundles: Path) -> EdgembedEncoder:
    return EdgembedEncoder(bundles / "minilm", dtype="float32")


def test_it_is_one_of_mtebs_encoders(minilm: EdgembedEncoder) -> None:
    assert isinstance(minilm, EncoderProtocol)
    meta = minilm.mteb_model_meta
    assert meta.name == "edgembed/all-MiniLM-L6-v2"
    assert meta.embed_dim == 384
    assert meta.revision.startswith("float32-")


@pytest.fixture
def sts(tmp_path: Path) -> tuple[Path, list[list[str]]]:
    """The pairs of tests/quality_pairs.tsv as STS-B's files are."""
    rows = [line.split("\t") for line in PAIRS.read_text(encoding="utf-8").splitlines()]
    path = tmp_path / "sts.csv"
    path.write_text("".join(f'"{a}","{b}",{s}\n' for a, b, s in rows), encoding="utf-8")
    return path, rows


def test_sts(minilm: EdgembedEncoder, sts: tuple[Path, list[list[str]]]) -> None:
    path, rows = sts
    first, second, scores = zip(*rows, strict=True)
    a, b = (minilm.model.encode(list(texts)) for texts in (first, second))
    alike = minilm.model.similarity_pairwise(a, b)
    expected = spearman([float(own) for own in scores], alike)
    assert score(minilm, local_mteb.sts(path, "eng-Latn")) == pytest.approx(expected, abs=1e-6)


def test_classification(minilm: EdgembedEncoder, tmp_path: Path) -> None:
    animals = ["cat", "dog", "horse", "cow", "sheep", "goat", "bird", "fish", "bear", "wolf"]
    machines = ["car", "train", "laptop", "plane", "engine", "pump", "drill", "lathe", "ship"]
    rows = [f"a {a} is here,animal\n" for a in animals] + [f"a {m} is here,m\n" for m in machines]
    for part in ("train", "test"):
        (tmp_path / f"{part}.csv").write_text("text,kind\n" + "".join(rows), encoding="utf-8")
    task = local_mteb.classification(tmp_path / "train.csv", tmp_path / "test.csv", "kind")
    assert score(minilm, task) > 0.9


def test_bitext(minilm: EdgembedEncoder, tmp_path: Path) -> None:
    lines = ["It rains in the street.", "The train is late.", "A cat sits at the window."]
    other = ["It is raining outside.", "The train has a delay.", "By the window sits a cat."]
    for name, texts in (("a", lines), ("b", other)):
        (tmp_path / name).write_text("\n".join(texts) + "\n", encoding="utf-8")
    assert score(minilm, local_mteb.bitext(tmp_path / "a", tmp_path / "b")) == 1


def test_retrieval(minilm: EdgembedEncoder, tmp_path: Path) -> None:
    asked = {
        "The bridge over the river was built in 1934 of steel.": "When was the bridge built?",
        "Bread is baked of flour, water, salt and yeast.": "What is bread made of?",
        "The museum is closed on Mondays.": "On which day is the museum closed?",
    }
    paragraphs = [{"context": c, "qas": [{"question": q}]} for c, q in asked.items()]
    path = tmp_path / "xquad.en.json"
    path.write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}), encoding="utf-8")
    assert score(minilm, local_mteb.retrieval(path, "eng-Latn")) == 1


@pytest.mark.parametrize(
    ("kind", "more", "name"),
    [
        ("Classification", {}, "categorize"),
        ("MultilabelClassification", {}, "categorize"),
        ("Clustering", {}, "categorize_topic"),
        ("PairClassification", {}, "paraphrase"),
        ("STS", {}, "paraphrase"),
        ("Retrieval", {"prompt_type": PromptType.query}, "search_query"),
        ("Retrieval", {"prompt_type": PromptType.document}, "search_document"),
        ("Reranking", {"prompt_type": PromptType.query}, "search_query"),
        ("Reranking", {"prompt_type": PromptType.document}, "search_document"),
        ("Classification", {"task": {"name": "HeadlineClassification"}}, "categorize_topic"),
        ("Classification", {"task": {"name": "KinopoiskClassification"}}, "categorize_sentiment"),
        ("PairClassification", {"task": {"name": "TERRa"}}, "categorize_entailment"),
        ("Retrieval", {"task": {"name": "RiaNewsRetrieval"}, "prompt_type": PromptType.query},
         "categorize"),
    ],
)  # fmt: skip
def test_prompts_as_fridas_authors_set_them(
    frida: str, model: Embedder, kind: str, more: dict[str, Any], name: str
) -> None:
    own = vectors(EdgembedEncoder(frida), TEXTS, kind, **more)
    np.testing.assert_array_equal(own, model.encode(TEXTS, prompt_name=name))


def test_the_prompts_are_those_of_mtebs_own_entry_of_frida() -> None:
    theirs = mteb.get_model_meta("ai-forever/FRIDA").loader_kwargs["model_prompts"]
    ours = {key: f"{name}: " if name else "" for key, name in FRIDA_PROMPTS.items()}
    assert {str(getattr(key, "value", key)): text for key, text in theirs.items()} == ours


def test_a_bundle_with_other_prompts_takes_its_own(bundles: Path) -> None:
    encoder = EdgembedEncoder(bundles / "tiny-xlmr")
    model = encoder.model
    for prompt_type, name in ((PromptType.query, "query"), (PromptType.document, "passage")):
        own = vectors(encoder, TEXTS, "Retrieval", prompt_type=prompt_type)
        np.testing.assert_array_equal(own, model.encode(TEXTS, prompt_name=name))
    named = EdgembedEncoder(bundles / "tiny-xlmr", prompts={"STS": "query", "Clustering": ""})
    for kind, prompt in (("STS", "query: "), ("Clustering", "")):
        own = vectors(named, TEXTS, kind)
        np.testing.assert_array_equal(own, model.encode(TEXTS, prompt=prompt))
    with pytest.raises(PromptError, match="nobody"):
        EdgembedEncoder(bundles / "tiny-xlmr", prompts={"STS": "nobody"})
