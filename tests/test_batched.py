"""INT8 texts of equal length in one run: the bits that each has alone, or one by one after all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgembed import Embedder
from edgembed.batched import batched
from edgembed.bundle import Bundle
from edgembed.session import Session
from edgembed.sessions import Sessions
from edgembed.wire import fields
from support import BUNDLE_NAMES, parts
from wire_writer import change_graph, field, node

Load = Callable[..., Embedder]
Runs = list[tuple[int, ...]]

ALIKE = ["a cat", "a dog", "кот", "b c d"] * 20


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    """The shapes, (texts, tokens), that onnxruntime is really given."""
    seen: Runs = []
    run = Session.run
    monkeypatch.setattr(Session, "run", lambda own, ids: (seen.append(ids.shape), run(own, ids))[1])
    return seen


def sessions(bundles: Path, name: str) -> Sessions:
    return Sessions(*parts(bundles, "int8", name), scaled_by_run=True)


@pytest.mark.parametrize("name", BUNDLE_NAMES)
def test_texts_of_equal_length_do_not_touch_each_other(
    bundles: Path, runs: Runs, name: str
) -> None:
    """Not a bit differs, whatever kernel a number of rows selects; texts of one token too."""
    own = sessions(bundles, name)
    generator = np.random.default_rng(0)
    longest = Bundle.open(bundles / name).manifest.max_seq_length
    for tokens in (n for n in (*range(1, 41), 63, 64, 65, 127, 128) if n <= longest):
        ids = generator.integers(5, 100, (16, tokens))
        alone = np.concatenate([own.run(row[None, :], 1) for row in ids])
        assert len(np.unique(alone.reshape(16, -1), axis=0)) > 1
        for texts in (2, 3, 4, 5, 7, 8, 11, 16):
            runs.clear()
            np.testing.assert_array_equal(own.run(ids[:texts], 1), alone[:texts], strict=True)
            assert (texts, tokens) in runs


@pytest.mark.parametrize("threads", [1, 2])
def test_a_call_with_many_alike_is_batched(embedder: Load, runs: Runs, threads: int) -> None:
    model = embedder("minilm", "int8", threads=threads)
    alone = [model.encode(text) for text in ALIKE]
    runs.clear()
    few = model.encode(ALIKE[:60])  # not worth another session
    assert {texts for texts, _ in runs} == {1}
    runs.clear()
    many = model.encode(ALIKE)
    np.testing.assert_array_equal(many, np.stack(alone), strict=True)
    np.testing.assert_array_equal(few, many[:60], strict=True)
    assert max(runs)[0] > 1
    runs.clear()
    np.testing.assert_array_equal(model.encode(ALIKE), many, strict=True)
    assert len(runs) <= 4  # all are of one of two lengths
    runs.clear()
    np.testing.assert_array_equal(model.encode(ALIKE[:8]), many[:8], strict=True)
    assert len(runs) == len({len(model.tokenize(text)["input_ids"][0]) for text in ALIKE[:8]})


def test_a_long_text_of_a_call_with_many_alike(
    bundles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bits, from the session for several as soon as several have been tried in it."""
    own = sessions(bundles, "minilm")
    used: list[Session] = []
    run = Session.run
    monkeypatch.setattr(Session, "run", lambda one, ids: (used.append(one), run(one, ids))[1])
    long = np.arange(5, 305).reshape(1, 300) % 90 + 5
    alone = own.run(long, 1)
    np.testing.assert_array_equal(own.run(long, 1, of_many=True), alone, strict=True)
    assert len(set(used)) == 1  # one text would not show whether texts depend on each other
    own.run(np.arange(5, 25).reshape(4, 5), 1, of_many=True)
    used.clear()
    np.testing.assert_array_equal(own.run(long, 1, of_many=True), alone, strict=True)
    np.testing.assert_array_equal(own.run(long, 1), alone, strict=True)
    assert len(set(used)) == 2


def test_many_callers_at_once(embedder: Load) -> None:
    model = embedder("minilm", "int8", threads=2)
    alone = np.stack([model.encode(text) for text in ALIKE])
    with ThreadPoolExecutor(8) as callers:
        answers = callers.map(lambda _: model.encode(ALIKE), range(8))
        for answer in answers:
            np.testing.assert_array_equal(answer, alone, strict=True)


def test_other_bits_together_are_never_given(
    bundles: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Session.run

    def other(own: Session, ids: Any) -> Any:
        return run(own, ids) + np.float32(1e-6 * (len(ids) > 1))

    monkeypatch.setattr(Session, "run", other)
    own = sessions(bundles, "minilm")
    ids = np.arange(5, 25).reshape(4, 5)
    alone = np.concatenate([own.run(row[None], 1) for row in ids])
    runs.clear()
    for _ in range(2):
        assert own.batches(1000) == (not runs)
        np.testing.assert_array_equal(own.run(ids, 1), alone, strict=True)
    assert [texts for texts, _ in runs].count(4) == 1  # it is tried once


@pytest.mark.parametrize("graph", [None, b"junk"], ids=["none", "not loaded"])
def test_a_graph_that_cannot_be_batched_runs_one_by_one(
    bundles: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch, graph: bytes | None
) -> None:
    monkeypatch.setattr("edgembed.batched.batched", lambda _: graph)
    own = sessions(bundles, "tiny-frida")
    ids = np.arange(5, 25).reshape(4, 5)
    assert own.run(ids, 1).shape == (4, 5, 48)
    assert [texts for texts, _ in runs] == [1] * 4
    assert not own.batches(1000)


# --- the graph


def test_only_products_move(bundles: Path) -> None:
    """Into the Scans, as many as there were; the rest stays, in its order."""
    before = parts(bundles, "int8")[0]
    after = batched(before)
    assert after is not None
    plain, small = list(_operators(before)), list(_operators(after))
    product = b"DynamicQuantizeMatMul"
    assert product in plain
    assert product not in small
    assert [kind for kind in small if kind != b"Scan"] == [k for k in plain if k != product]
    assert after.count(product) >= before.count(b"\x22\x15" + product) == plain.count(product)
    assert 0 < small.count(b"Scan") < plain.count(product)  # those of one input share one


def test_nothing_to_batch(bundles: Path) -> None:
    """Without such products, or with a scale that all texts would share."""
    assert batched(parts(bundles, "float32")[0]) is None
    scaled = node("DynamicQuantizeLinear", inputs=("x",))
    assert batched(change_graph(parts(bundles, "int8")[0], lambda own: own + scaled)) is None


def test_a_product_comes_before_a_choice() -> None:
    """What the branches of an If take is not among its inputs."""
    product = _node("DynamicQuantizeMatMul", ("x", "w"), "y", "com.microsoft")
    choice, last = _node("If", ("c",), "z"), _node("Add", ("z", "z"), "out")
    after = batched(field(7, product + choice + last))
    assert after is not None
    assert list(_operators(after)) == [b"Scan", b"If", b"Add"]


def _node(kind: str, inputs: tuple[str, ...], output: str, domain: str = "") -> bytes:
    names = b"".join(field(1, name) for name in inputs)
    return field(1, names + field(2, output) + field(4, kind) + field(7, domain))


def _operators(model: bytes) -> Iterator[bytes]:
    """The outer graph's, in order."""
    (graph,) = (part for part in fields(model, 0, len(model)) if part[0] == 7)
    for number, _, start, stop in fields(model, *graph[2:], 10_000):
        if number == 1:
            yield from (model[a:b] for n, _, a, b in fields(model, start, stop) if n == 4)
