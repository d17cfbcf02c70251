"""Fixtures of the export stage's tests: checkpoints, torch's own models, and bundles of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from sentence_transformers import SentenceTransformer

import checkpoints
from edgembed import Embedder
from edgembed_export.pipeline import Request, export
from make_bundles import TINY_TOLERANCE

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


@pytest.fixture(scope="session")
def texts_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few lines to calibrate and to evaluate with: enough for a tiny model, and quick."""
    path = tmp_path_factory.mktemp("texts") / "texts.txt"
    lines = [f"Предложение номер {n} про погоду, котов и окна." for n in range(8)]
    lines += [f"Sentence number {n} is about rain, cats and windows." for n in range(8)]
    path.write_text("\n".join([*checkpoints.TRAINING_TEXT, *lines]), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def exported(
    checkpoint_folder: Callable[[str], Path],
    texts_file: Path,
    bundles: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], Path]:
    """exported(NAME): a bundle of checkpoint_folder(NAME); not to be changed.

    The tiny ones are exported here, with few texts; the real MiniLM's bundle is that of
    `make bundles`.
    """
    root = tmp_path_factory.mktemp("bundles")

    @cache
    def make(name: str) -> Path:
        if name == "minilm":
            return bundles / name
        request = Request(
            str(checkpoint_folder(name)),
            root / name,
            calibration=texts_file,
            evaluation=texts_file,
            tolerance=TINY_TOLERANCE,
        )
        export(request)
        return root / name

    return make


@pytest.fixture(scope="session")
def embedder(exported: Callable[[str], Path]) -> Callable[..., Embedder]:
    """embedder(NAME, dtype): a loaded model, beside sentence_transformer(NAME)."""

    @cache
    def load(name: str, dtype: str = "float32", threads: int = 1) -> Embedder:
        return Embedder(exported(name), dtype=dtype, threads=threads)

    return load
