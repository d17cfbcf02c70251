"""A checkpoint's folder as one side of `edgembed compare`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from edgembed.cli import main
from edgembed.compare.sides import Options, open_side

PAIRS = Path(__file__).parents[1] / "quality_pairs.tsv"
TEXTS = ["Кошка сидит на окне.", "The cat, it rains", "a"]


def test_its_vectors_are_sentence_transformers(
    checkpoint_folder: Callable[[str], Path],
    sentence_transformer: Callable[[str], SentenceTransformer],
) -> None:
    side = open_side(str(checkpoint_folder("tiny-frida")), Options())
    real = sentence_transformer("tiny-frida")
    by_prefix = ("search_query", {"prompt": "search_query: "})  # a name to a bundle, not to torch
    for prompt, arguments in (
        (None, {}), ("", {"prompt": ""}), ("STS", {"prompt_name": "STS"}), by_prefix,
    ):  # fmt: skip
        expected = real.encode(TEXTS, **arguments)
        np.testing.assert_allclose(side.encode(TEXTS, prompt), expected, atol=1e-6)


def test_a_checkpoint_and_its_bundle(
    bundles: Path,
    checkpoint_folder: Callable[[str], Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    sides = [str(checkpoint_folder("minilm")), f"{bundles / 'minilm'}:float32"]
    assert main(["compare", *sides, "--pairs", str(PAIRS), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["a"].endswith("(torch)")
    assert said["cosine"]["min"] > 1 - 1e-6
    assert abs(said["pairs"]["labelled"]["difference"]) < 0.01


def test_code_of_its_own_is_not_run(
    own_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    modules = json.loads((own_checkpoint / "modules.json").read_text())
    # Of the standard library, imported by nobody: sentence-transformers would import it.
    modules[0]["type"] = "this.Transformer"
    (own_checkpoint / "modules.json").write_text(json.dumps(modules))
    assert main(["compare", str(own_checkpoint), str(own_checkpoint), "--pairs", str(PAIRS)]) == 1
    assert "module this.Transformer is not supported" in capsys.readouterr().err
    assert "this" not in sys.modules
