"""Fixtures of the export stage's tests: checkpoints, torch's own models, and bundles of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from sentence_transformers import SentenceTransformer

import checkpoints

RECIPES = {recipe.name: recipe for recipe in checkpoints.TINY}

# Warnings of the export's own dependencies, which are errors otherwise; none of them is ours to
# mend, and each is named so narrowly that the same complaint from our code still fails.
THIRD_PARTY = (
    # torch's tracing exporter, which optimum uses, says that another one is newer.
    "ignore:You are using the legacy TorchScript-based ONNX export:DeprecationWarning",
    # SWIG modules inside of sentencepiece and friends, on import.
    "ignore:builtin type .* has no __module__ attribute:DeprecationWarning",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            for warning in THIRD_PARTY:
                item.add_marker(pytest.mark.filterwarnings(warning))


@pytest.fixture(scope="session")
def checkpoint_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """checkpoint_folder(NAME): a tiny seeded checkpoint, or the real MiniLM; not to be changed."""
    root = tmp_path_factory.mktemp("checkpoints")

    @cache
    def make(name: str) -> Path:
        if name == "minilm":
            return checkpoints.minilm()
        return checkpoints.make(RECIPES[name], root / name)

    return make


@pytest.fixture
def own_checkpoint(checkpoint_folder: Callable[[str], Path], tmp_path: Path) -> Path:
    """A tiny checkpoint to spoil."""
    return Path(shutil.copytree(checkpoint_folder("tiny-frida"), tmp_path / "checkpoint"))


@pytest.fixture(scope="session")
def sentence_transformer(
    checkpoint_folder: Callable[[str], Path],
) -> Callable[[str], SentenceTransformer]:
    """sentence_transformer(NAME): the real thing, loaded as its users load it."""

    @cache
    def load(name: str) -> SentenceTransformer:
        return SentenceTransformer(
            str(checkpoint_folder(name)), device="cpu", local_files_only=True
        )

    return load
