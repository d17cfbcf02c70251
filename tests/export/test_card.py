"""The bundle's README.md: front matter that parses, figures that are the report's, code that runs.

fastembed's and transformers.js' snippets run in tests/interop, where those are installed.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from report_samples import GRAPH, LABELLED, manifest, measured

from edgembed.manifest import Manifest, Source
from edgembed.page import figures
from edgembed.prompts import Prompts
from edgembed_export.report.card import languages, model_card
from edgembed_export.report.snippets import PATH, TEXTS, snippets

FILES = {"onnx/model.onnx": 81_429, "tokenizer.json": 3_999_437}
# INT8 in tools that pad: measured on the two short texts of the snippets.
SAME = {"float32": 1 - 1e-6, "int8": 0.98}


def _card(**changes: Any) -> str:
    return model_card(manifest(**changes), measured(labelled=LABELLED).report, FILES, ["ru", "en"])


def _front_matter(card: str) -> dict[str, Any]:
    found = re.match(r"---\n(.*?)\n---\n", card, flags=re.DOTALL)
    assert found
    parsed: dict[str, Any] = yaml.safe_load(found[1])
    return parsed


def test_front_matter() -> None:
    found = _front_matter(_card())
    assert found["language"] == ["ru", "en"]
    assert found["license"] == "mit"
    assert found["base_model"] == "owner/a-model"
    assert found["library_name"] == "sentence-transformers"
    assert {"onnx", "int8", "edgembed"} <= set(found["tags"])


def test_front_matter_of_a_folder_names_no_model_of_the_hub() -> None:
    found = _front_matter(_card(model=Source("folder: [odd] #name")))
    assert not {"base_model", "license"} & set(found)


def test_it_says_where_the_model_came_from() -> None:
    card = _card()
    assert "[owner/a-model](https://huggingface.co/owner/a-model)" in card
    assert manifest().model.revision in card
    assert "not stated by the source" in _card(model=Source("folder"))


def test_figures_are_the_reports() -> None:
    card = _card()
    for own in measured().report["dtypes"].values():
        for key in ("mean", "p1", "min"):
            assert figures.cosine(own[key]) in card
    assert "torch 82.03, int8 81.99, float32 82.03" in card
    assert "| `tokenizer.json` | 3,999,437 |" in card


def test_what_was_left_of_the_graph_is_one_line() -> None:
    card = model_card(manifest(), measured(12, graph=GRAPH).report, FILES)
    line = "| graph | attention fused in 5 of 6 layers; left as optimum exported it: 2 MatMul, "
    assert card.count(line + "1 Softmax, 3 Where |\n") == 1
    assert "| graph |" not in _card()  # measurements from before it was kept


def test_prompts_are_shown_as_they_are() -> None:
    card = _card()
    assert '| `STS` | `"paraphrase: "` | yes |' in card
    assert r'| `odd` | `` "a\|b\n`c` " `` |  |' in card
    assert "embedded as they are" in _card(prompts=Prompts({}))
    assert "include_prompt" not in card
    assert "include_prompt" in _card(include_prompt=False)


def test_tables_keep_their_columns() -> None:
    hostile = Source("a|b\n<script>`x`", None, "m|t", "b|ert")
    for line in _card(model=hostile).splitlines():
        if line.startswith("| ") and "---" not in line:
            assert len(re.findall(r"(?<!\\)\|", line)) in (3, 4, 7)
    assert "\n<script>" not in _card(model=hostile)


def test_same_card_twice() -> None:
    assert _card() == _card()


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("---\nlanguage: ru\n---\n", ["ru"]),
        ("---\nlanguage:\n- ru\n- en\n---\n", ["ru", "en"]),
        ("---\nlanguage: [ru, en]\n---\n", ["ru", "en"]),
        ("---\nlicense: mit\n---\n", []),
        ("---\nlanguage: 7\n---\n", []),
        ("---\n: [broken\n---\n", []),
        ("no front matter", []),
        (None, []),
    ],
)
def test_languages(tmp_path: Path, head: str | None, expected: list[str]) -> None:
    if head is not None:
        (tmp_path / "README.md").write_text(head, encoding="utf-8")
    assert languages(tmp_path) == expected


def test_python_snippets_are_python() -> None:
    for changes in ({}, {"pooling": "cls"}, {"normalize": False}, {"default_dtype": "float32"}):
        for snippet in snippets(manifest(**changes)):
            assert "$" not in snippet.code
            if snippet.language == "python":
                compile(snippet.code, snippet.tool, "exec")


@pytest.mark.parametrize("name", ["minilm", "tiny-frida", "tiny-cls", "tiny-xlmr"])
@pytest.mark.parametrize("tool", ["edgembed", "sentence-transformers", "optimum", "onnxruntime"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_snippets_run(
    tool: str,
    name: str,
    exported: Callable[[str], Path],
    embedder: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundle = exported(name)
    (tmp_path / PATH.parent).mkdir(parents=True)
    shutil.copytree(bundle, tmp_path / PATH)
    monkeypatch.chdir(tmp_path)
    found = Manifest.parse((bundle / "manifest.json").read_bytes())
    card = model_card(found, measured().report, {})
    section = card[card.index(f"### {tool}\n") :]
    code = re.search(r"```python\n(.*?)```", section, flags=re.DOTALL)
    assert code
    namespace: dict[str, Any] = {}
    exec(code[1], namespace)
    prompt = "" if found.prompts.needs_a_choice else None
    theirs = np.asarray(namespace["vectors"], np.float64)
    own = embedder(name, found.default_dtype).encode(list(TEXTS), prompt=prompt).astype(np.float64)
    assert theirs.shape == own.shape
    scales = np.linalg.norm(theirs, axis=1) * np.linalg.norm(own, axis=1)
    assert ((theirs * own).sum(1) / scales).min() >= SAME[found.default_dtype]
