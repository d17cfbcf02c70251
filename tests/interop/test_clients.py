"""The same bundle in other people's tools gives the same vectors as in edgembed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgembed import Embedder, TruncationWarning
from edgembed.manifest import Manifest

FLOAT32_DIFFERENCE = 1e-5
BUNDLES = ("minilm", "tiny-frida", "tiny-cls", "tiny-xlmr")
# Mixed lengths in batches of five, so that every batch is padded and the last one is ragged.
BATCH_SIZE = 5
# What padding and neighbours do to INT8 in other tools, at most. Measured 1 - cosine on minilm, the
# same in every tool: 3e-3 in batches of five, 5e-5 one text at a time (other graph optimisations).
INT8_LOWEST_COSINE = 0.99
TEXTS = (
    "Кошка сидит на окне.",
    "The cat sits at the window.",
    "В Ярославской области разрешили работу бань, но без посетителей",
    "Mixed текст на двух языках, 42 + 3.14 = 45.14!",
    "a",
    "emoji 😀👍🏽 и знаки — «кавычки», тире…",
    "слово " * 12,
    "one two three four five six seven eight nine ten " * 2,
    "Ещё одно предложение о погоде: дождь, снег и ветер.",
    "How many programmers does it take to change a light bulb?",
    "Москва — столица России, и в ней 12 345 678 жителей.",
    "search_query: уже с префиксом",
    "Wörter mit Umlauten, naïve café",
    "1234567890",
    "кот",
    "the quick brown fox jumps over the lazy dog " * 2,
    "ПРОПИСНЫЕ и строчные Буквы",
    "e-mail: someone@example.org, https://example.org/?q=1&r=2",
    "Чтобы вкрутить лампочку, требуется три программиста.",
)
# The text at CUT is cut to max_seq_length.
CUT = 3
LONG_TEXTS = ("a", "кот", "on", "one two three four five six seven eight nine ten " * 60, "да")


Case = tuple[str, str, str]  # bundle, dtype, which texts
CASES: list[Case] = [
    *((name, dtype, "whole") for name in BUNDLES for dtype in ("float32", "int8")),
    ("minilm", "float32", "cut"),
    ("tiny-frida", "float32", "cut"),
]


@pytest.fixture(scope="module")
def answers(bundles: Path, embed: Callable[..., Any]) -> Callable[[str, Case], Any]:
    """answers(CLIENT, case): a client's vectors, all cases embedded in one run of it."""

    @cache
    def ask(client: str) -> dict[Case, Any]:
        return dict(zip(CASES, embed(client, [_request(bundles, c) for c in CASES]), strict=True))

    return lambda client, case: ask(client)[case]


def _request(bundles: Path, case: Case) -> dict[str, Any]:
    name, dtype, _ = case
    manifest = Manifest.parse((bundles / name / "manifest.json").read_bytes())
    return {
        "name": "-".join(case),
        "bundle": str(bundles / name),
        "dtype": dtype,
        "graph": manifest.dtypes[dtype].masked_graph,
        "texts": _texts(bundles, case),
        "batch_size": BATCH_SIZE,
        "pooling": manifest.pooling,
        "normalize": manifest.normalize,
        "dimension": manifest.dimension,
        "max_seq_length": manifest.max_seq_length,
    }


def _texts(bundles: Path, case: Case) -> list[str]:
    """The texts that fit into the model, or those that do not with a few that do."""
    if case[2] == "cut":
        return list(LONG_TEXTS)
    model = Embedder(bundles / case[0], dtype="float32", threads=1)
    fits = [model.tokenize([text])["input_ids"].size < model.max_seq_length for text in TEXTS]
    chosen = [text for text, fit in zip(TEXTS, fits, strict=True) if fit]
    assert len(chosen) >= 12
    return chosen


def _own(bundles: Path, case: Case) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=TruncationWarning)
        model = Embedder(bundles / case[0], dtype=case[1], threads=1)
        return model.encode(_texts(bundles, case), prompt="")


@pytest.mark.parametrize("name", BUNDLES)
def test_float32(client: str, name: str, bundles: Path, answers: Callable[..., Any]) -> None:
    case = (name, "float32", "whole")
    own = _own(bundles, case)
    scale = max(1.0, float(np.abs(own).max()))  # over 1 where vectors are not normalised
    np.testing.assert_allclose(
        answers(client, case), own, rtol=0, atol=FLOAT32_DIFFERENCE * scale, strict=True
    )


@pytest.mark.parametrize("name", BUNDLES)
def test_int8(client: str, name: str, bundles: Path, answers: Callable[..., Any]) -> None:
    """Other tools pad, and INT8 activations are scaled over the padded batch."""
    case = (name, "int8", "whole")
    theirs, own = answers(client, case), _own(bundles, case)
    norms = np.linalg.norm(theirs, axis=1) * np.linalg.norm(own, axis=1)
    lowest = float(((theirs * own).sum(1) / norms).min())
    assert lowest >= INT8_LOWEST_COSINE, f"lowest cosine {lowest}"


@pytest.mark.parametrize("name", ["minilm", "tiny-frida"])
def test_long_texts_are_cut_alike(
    client: str, name: str, bundles: Path, answers: Callable[..., Any]
) -> None:
    case = (name, "float32", "cut")
    theirs, own = answers(client, case), _own(bundles, case)
    if client == "transformers.js":
        # It cuts a text's last special token off as well (4.3), as the card says.
        theirs, own = (np.delete(vectors, CUT, axis=0) for vectors in (theirs, own))
    np.testing.assert_allclose(theirs, own, rtol=0, atol=FLOAT32_DIFFERENCE, strict=True)
